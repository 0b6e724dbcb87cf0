// SPDX-License-Identifier: Apache-2.0
// Batches visit every example once per epoch, in a reproducible order.

import NeuralNetworks
import Testing

@Suite struct BatchSequenceTests {
    @Test func everyExampleComesOncePerEpoch() {
        for rows in 1...12 {
            for batchSize in 1...14 {
                var batches = BatchSequence(rows: rows, batchSize: batchSize, order: BatchOrder(seed: 1, round: 0))
                for _ in 0..<3 {
                    var seen: [Int32] = []
                    var sizes: [Int] = []
                    while seen.count < rows {
                        let batch = batches.next()
                        seen += batch
                        sizes.append(batch.count)
                    }
                    #expect(seen.sorted() == Array(0..<Int32(rows)))
                    #expect(sizes.dropLast().allSatisfy { $0 == batchSize })
                    #expect(sizes.count == LocalTraining.stepsPerEpoch(examples: rows, batchSize: batchSize))
                }
            }
        }
    }

    @Test func seedAndRoundFixTheOrder() {
        func epoch(_ seed: UInt64, _ round: Int) -> [Int32] {
            var batches = BatchSequence(rows: 50, batchSize: 50, order: BatchOrder(seed: seed, round: round))
            return Array(batches.next())
        }
        #expect(epoch(1, 0) == epoch(1, 0))
        #expect(epoch(1, 0) != epoch(1, 1))
        #expect(epoch(1, 0) != epoch(2, 0))
    }

    @Test func epochsDiffer() {
        var batches = BatchSequence(rows: 50, batchSize: 50, order: BatchOrder(seed: 1, round: 0))
        let (first, second) = (Array(batches.next()), Array(batches.next()))
        #expect(first != second)
    }
}
