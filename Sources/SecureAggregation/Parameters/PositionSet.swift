// SPDX-License-Identifier: Apache-2.0
// Sets of roster positions, in memory and as the bitmap of the protocol.

/// A subset of the positions 1...n of a roster.
package struct PositionSet: Hashable, Sendable {
    /// n.
    package let rosterCount: Int
    /// Position x is bit (x − 1) mod 64 of word (x − 1) / 64; bits past n are zero.
    private var words: [UInt64]

    /// The empty set.
    ///
    /// - Precondition: `rosterCount >= 0`.
    package init(rosterCount: Int) {
        precondition(rosterCount >= 0, "a roster has no negative count")
        self.rosterCount = rosterCount
        words = [UInt64](repeating: 0, count: (rosterCount + 63) / 64)
    }

    /// - Precondition: all positions lie in 1...n.
    package init(rosterCount: Int, _ positions: some Sequence<Position>) {
        self.init(rosterCount: rosterCount)
        for position in positions { insert(position) }
    }

    /// All of 1...n.
    package static func full(_ rosterCount: Int) -> PositionSet {
        PositionSet(rosterCount: rosterCount, 1..<rosterCount + 1)
    }

    package var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }
    package var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

    /// False for what is no position of the roster.
    package func contains(_ position: Position) -> Bool {
        guard position >= 1, position <= rosterCount else { return false }
        return words[(position - 1) / 64] >> UInt64((position - 1) % 64) & 1 == 1
    }

    /// - Precondition: the position lies in 1...n.
    package mutating func insert(_ position: Position) {
        precondition(position >= 1 && position <= rosterCount, "a position lies in 1...n")
        words[(position - 1) / 64] |= 1 << UInt64((position - 1) % 64)
    }

    package mutating func remove(_ position: Position) {
        guard contains(position) else { return }
        words[(position - 1) / 64] &= ~(1 << UInt64((position - 1) % 64))
    }

    /// Ascending.
    ///
    /// - Complexity: O(n / 64 + count).
    package var positions: [Position] {
        var positions: [Position] = []
        positions.reserveCapacity(count)
        for (index, word) in words.enumerated() {
            var rest = word
            while rest != 0 {
                positions.append(64 * index + rest.trailingZeroBitCount + 1)
                rest &= rest - 1
            }
        }
        return positions
    }
}

// MARK: Sets of one roster

extension PositionSet {
    /// - Precondition: both are sets of one roster, here and below.
    package func isSubset(of other: PositionSet) -> Bool {
        precondition(rosterCount == other.rosterCount, "sets of one roster")
        return zip(words, other.words).allSatisfy { $0 & ~$1 == 0 }
    }

    package func intersection(_ other: PositionSet) -> PositionSet { combined(with: other, &) }

    package func union(_ other: PositionSet) -> PositionSet { combined(with: other, |) }

    /// The positions that are in this set alone.
    package func subtracting(_ other: PositionSet) -> PositionSet { combined(with: other) { $0 & ~$1 } }

    /// The positions that are in one of the two sets alone.
    package func symmetricDifference(_ other: PositionSet) -> PositionSet { combined(with: other, ^) }

    private func combined(with other: PositionSet, _ operation: (UInt64, UInt64) -> UInt64) -> PositionSet {
        precondition(rosterCount == other.rosterCount, "sets of one roster")
        var result = self
        for index in words.indices { result.words[index] = operation(words[index], other.words[index]) }
        return result
    }
}

// MARK: Bytes

extension PositionSet {
    /// ⌈n/8⌉ bytes; position x is bit (x − 1) mod 8, least significant first, of byte (x − 1) / 8.
    ///
    /// Source: privacy design review §3.1.
    package var bitmap: [UInt8] {
        (0..<(rosterCount + 7) / 8).map { UInt8(truncatingIfNeeded: words[$0 / 8] >> UInt64($0 % 8 * 8)) }
    }

    /// Reads a bitmap; nil unless it has ⌈n/8⌉ bytes and zeros after position n.
    package init?(rosterCount: Int, bitmap: [UInt8]) {
        guard rosterCount >= 0, bitmap.count == (rosterCount + 7) / 8 else { return nil }
        self.init(rosterCount: rosterCount)
        for (index, byte) in bitmap.enumerated() { words[index / 8] |= UInt64(byte) << UInt64(index % 8 * 8) }
        guard rosterCount % 64 == 0 || words[words.count - 1] >> UInt64(rosterCount % 64) == 0 else { return nil }
    }
}
