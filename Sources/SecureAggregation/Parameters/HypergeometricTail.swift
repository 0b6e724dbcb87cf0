// SPDX-License-Identifier: Apache-2.0
// Upper tails of the hypergeometric distribution: how many marked sites a random part of the roster holds.

/// P[X ≥ x], where X counts the marked ones among `draws` that are drawn without replacement from a population.
///
/// The weights start with 1 at the mode and go on by the exact ratio of neighbours, in both directions; their sum is the
/// normaliser. Each step multiplies and divides numbers below 2⁵³ and all terms are positive, so the relative error of a
/// tail is below 8 · 2⁻⁵³ for each step, 10⁻¹¹ in all for 10,000 sites: no difference of logarithms of factorials, which
/// would lose four more digits, and the same bits on every machine with IEEE arithmetic.
package struct HypergeometricTail: Sendable {
    /// The smallest value of X.
    private let first: Int
    /// `tails[i]` = P[X ≥ first + i]; the last entry is zero.
    private let tails: [Double]

    /// - Precondition: `0...population` holds `marked` and `draws`; the population has fewer than 2²⁶ members.
    /// - Complexity: O(min(marked, draws)).
    package init(population: Int, marked: Int, draws: Int) {
        precondition((0..<1 << 26).contains(population), "products of two counts are exact in a Double")
        precondition((0...population).contains(marked) && (0...population).contains(draws), "parts of the population")
        let first = max(0, draws + marked - population)
        let last = min(marked, draws)
        let mode = min(max((draws + 1) * (marked + 1) / (population + 2), first), last)
        // Weight of x + 1 over weight of x: (B − x)(k − x) / ((x + 1)(N − B − k + x + 1)).
        func ratio(_ x: Int) -> (up: Double, down: Double) {
            (Double((marked - x) * (draws - x)), Double((x + 1) * (population - marked - draws + x + 1)))
        }
        var weights = [Double](repeating: 0, count: last - first + 1)
        weights[mode - first] = 1
        for x in stride(from: mode, to: last, by: 1) {
            weights[x + 1 - first] = weights[x - first] * ratio(x).up / ratio(x).down
        }
        for x in stride(from: mode - 1, through: first, by: -1) {
            weights[x - first] = weights[x + 1 - first] * ratio(x).down / ratio(x).up
        }
        // The smallest first: otherwise the far end of the tail would vanish in rounding.
        var tails = [Double](repeating: 0, count: weights.count + 1)
        for index in weights.indices.reversed() { tails[index] = tails[index + 1] + weights[index] }
        let total = tails[0]
        self.first = first
        self.tails = tails.map { $0 / total }
    }

    /// P[X ≥ x].
    package func probability(atLeast x: Int) -> Double {
        if x <= first { return 1 }
        return x - first < tails.count ? tails[x - first] : 0
    }

    /// The smallest x with P[X ≥ x] ≤ `bound`.
    ///
    /// - Precondition: `bound >= 0`: then one past the largest value of X will do.
    package func smallestValue(withTailAtMost bound: Double) -> Int {
        precondition(bound >= 0, "a bound on a probability")
        var index = tails.count - 1
        while index > 0, tails[index - 1] <= bound { index -= 1 }
        return first + index
    }
}
