// SPDX-License-Identifier: Apache-2.0
// Which examples a step sees: every example once per epoch, in an order fixed by seed and round.

import Randomness

/// The seed of a round's batches and dropout masks: the same seed, round and table give the same training, to the bit.
package struct BatchOrder: Hashable, Sendable {
    package let seed: UInt64
    package let round: Int

    package init(seed: UInt64, round: Int) {
        self.seed = seed
        self.round = round
    }

    /// What the dropout masks of the round's first step are made from; each further step adds one.
    var dropoutKey: UInt64 {
        var generator = SeededGenerator(seed: seed, stream: "dropout/\(round)")
        return generator.next()
    }
}

/// Cuts a table into batches, epoch by epoch, without replacement; the last batch of an epoch may be short.
package struct BatchSequence: Sendable {
    /// The rows of the table in the order of this epoch.
    private var rows: [Int32]
    private let batchSize: Int
    private var position: Int
    private var generator: SeededGenerator

    /// - Precondition: `rows` in `1 ... Int32.max` and `batchSize >= 1`.
    package init(rows: Int, batchSize: Int, order: BatchOrder) {
        precondition(rows >= 1 && batchSize >= 1, "batches of \(batchSize) from \(rows) rows")
        self.rows = (0..<Int32(rows)).map { $0 }
        self.batchSize = batchSize
        position = rows
        generator = SeededGenerator(seed: order.seed, stream: "batches/\(order.round)")
    }

    /// Whether every row has been in as many batches as any other.
    package var isAtEndOfEpoch: Bool { position == rows.count }

    /// The rows of the next batch. Allocates nothing.
    package mutating func next() -> ArraySlice<Int32> {
        if position == rows.count {
            generator.shuffle(&rows)
            position = 0
        }
        let end = min(position + batchSize, rows.count)
        defer { position = end }
        return rows[position..<end]
    }
}
