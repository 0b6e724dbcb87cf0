// SPDX-License-Identifier: Apache-2.0
// Checks tails against counted subsets, and permutations against words at the edge of what is refused.

import SecureAggregation
import Testing

@Suite struct HypergeometricTailTests {
    /// All populations up to twelve, against sums of Pascal's triangle.
    @Test func smallTailsAreCounted() {
        var triangle = [[1.0]]
        for row in 1...12 {
            triangle.append((0...row).map { choose(row - 1, $0 - 1, triangle) + choose(row - 1, $0, triangle) })
        }
        var worst = 0.0
        for population in 0...12 {
            for marked in 0...population {
                for draws in 0...population {
                    let tail = HypergeometricTail(population: population, marked: marked, draws: draws)
                    for x in -1...draws + 2 {
                        let favourable = (max(x, 0)...max(x, 0) + 13).reduce(0.0) {
                            $0 + choose(marked, $1, triangle) * choose(population - marked, draws - $1, triangle)
                        }
                        let expected = favourable / choose(population, draws, triangle)
                        worst = max(worst, abs(tail.probability(atLeast: x) - expected))
                    }
                }
            }
        }
        #expect(worst < 1e-14)
    }

    private func choose(_ count: Int, _ chosen: Int, _ triangle: [[Double]]) -> Double {
        (0...max(count, 0)).contains(chosen) && count >= 0 ? triangle[count][chosen] : 0
    }

    @Test func theSmallestValueIsTheFirstUnderTheBound() {
        let tail = HypergeometricTail(population: 500, marked: 100, draws: 144)
        for bound in [0, 0x1p-200, 0x1p-90, 1e-6, 0.3, 1] {
            let value = tail.smallestValue(withTailAtMost: bound)
            #expect(tail.probability(atLeast: value) <= bound)
            #expect(value == 0 || tail.probability(atLeast: value - 1) > bound)
        }
        #expect(tail.smallestValue(withTailAtMost: 0) == 101)
        #expect(tail.smallestValue(withTailAtMost: 1) == 0)
    }
}

@Suite struct KeyedPermutationTests {
    private func permutation(_ count: Int, _ words: [UInt64]) -> [Position] {
        var rest = words[...]
        let positions = KeyedPermutation.positions(count: count) { rest.removeFirst() }
        #expect(rest.isEmpty)
        return positions
    }

    /// 2⁶⁴ mod 3 = 1: of the three last words the last is refused. 2⁶⁴ mod 2 = 0: no word is.
    @Test func wordsThatWouldFavourSmallIndicesAreRefused() {
        #expect(permutation(3, [0, 1]) == [3, 2, 1])
        #expect(permutation(3, [.max, 0, 1]) == [3, 2, 1])
        #expect(permutation(3, [.max - 1, .max]) == [1, 2, 3])
        #expect(permutation(3, [1, 0]) == [3, 1, 2])
        #expect(permutation(2, [.max - 1]) == [2, 1])
        #expect(permutation(1, []) == [1])
    }
}
