// SPDX-License-Identifier: Apache-2.0
// Checks sets of positions against ordinary sets, and their bitmaps against the protocol.

import SecureAggregation
import Testing

@Suite struct PositionSetTests {
    /// Known answers: privacy design review, §8.
    @Test func bitmapsHaveTheLeastSignificantBitFirst() {
        #expect(PositionSet.full(7).bitmap == [0x7f])
        #expect(PositionSet(rosterCount: 7, [1, 2, 4, 5, 6, 7]).bitmap == [0x7b])
        #expect(PositionSet(rosterCount: 10, [9]).bitmap == [0, 1])
    }

    @Test(arguments: [1, 7, 8, 9, 63, 64, 65, 128, 500])
    func bitmapsAreReadBack(count: Int) {
        let sets = [
            PositionSet(rosterCount: count), .full(count), PositionSet(rosterCount: count, [1]),
            PositionSet(rosterCount: count, [count]),
        ]
        for set in sets { #expect(PositionSet(rosterCount: count, bitmap: set.bitmap) == set) }
    }

    @Test func bitmapsOfAnotherLengthOrWithSpareBitsAreRefused() {
        #expect(PositionSet(rosterCount: 7, bitmap: [0xff]) == nil)
        #expect(PositionSet(rosterCount: 64, bitmap: [UInt8](repeating: 0xff, count: 8)) == .full(64))
        #expect(PositionSet(rosterCount: 65, bitmap: [UInt8](repeating: 0, count: 8) + [2]) == nil)
        #expect(PositionSet(rosterCount: 8, bitmap: []) == nil)
        #expect(PositionSet(rosterCount: 8, bitmap: [0, 0]) == nil)
        #expect(PositionSet(rosterCount: 0, bitmap: []) == PositionSet(rosterCount: 0))
    }

    @Test(arguments: [1, 64, 65, 130])
    func setsBehaveAsOrdinaryOnes(count: Int) {
        var random = SplitMix(seed: UInt64(count))
        for _ in 0..<50 {
            let left = Set((1...count).filter { _ in random.next() % 2 == 0 })
            let right = Set((1...count).filter { _ in random.next() % 3 == 0 })
            let (a, b) = (PositionSet(rosterCount: count, left), PositionSet(rosterCount: count, right))
            #expect(a.positions == left.sorted())
            #expect(a.count == left.count && a.isEmpty == left.isEmpty)
            #expect(a.intersection(b).positions == left.intersection(right).sorted())
            #expect(a.union(b).positions == left.union(right).sorted())
            #expect(a.subtracting(b).positions == left.subtracting(right).sorted())
            #expect(a.symmetricDifference(b).positions == left.symmetricDifference(right).sorted())
            #expect(a.isSubset(of: b) == left.isSubset(of: right))
            #expect((-1...count + 70).filter(a.contains) == left.sorted())
        }
    }

    @Test func removingWhatIsNotThereChangesNothing() {
        var set = PositionSet(rosterCount: 5, [2, 4])
        set.remove(3)
        set.remove(9)
        #expect(set.positions == [2, 4])
        set.remove(2)
        set.insert(5)
        #expect(set.positions == [4, 5])
    }
}
