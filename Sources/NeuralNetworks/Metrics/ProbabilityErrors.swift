// SPDX-License-Identifier: Apache-2.0
// How far probabilities are from what happened: cross entropy, squared difference, calibration.

#if canImport(Glibc)
import Glibc
#endif

/// Errors of one probability, with the limits that hold in evaluation rounds and in local reports alike.
package enum ProbabilityErrors {
    /// −ln p in nats, for the probability that was given to what happened. At most 30, which also counts for NaN; p
    /// below 10⁻¹³ counts as that.
    package static func crossEntropy(_ probability: Double) -> Double {
        min(30, probability.isNaN ? 30 : -logarithm(max(probability, 1e-13)))
    }

    /// (p − y)², at most 1, which also counts for NaN.
    package static func squaredDifference(_ probability: Double, _ outcome: Double) -> Double {
        probability.isNaN ? 1 : min(1, (probability - outcome) * (probability - outcome))
    }

    /// The bin of equal width that a score is in: min(⌊score · bins⌋, bins − 1), scores held to 0...1; NaN is in 0.
    package static func bin(of score: Double, bins: Int) -> Int {
        score.isNaN ? 0 : min(Int(min(max(score, 0), 1) * Double(bins)), bins - 1)
    }

    /// The natural logarithm; the only function of the mathematics library that is needed here.
    private static func logarithm(_ value: Double) -> Double {
        #if canImport(Glibc)
        Glibc.log(value)
        #else
        preconditionFailure("no mathematics library on this platform")
        #endif
    }
}

/// Probabilities and outcomes, collected in bins of equal width.
///
/// Source: Guo et al. 2017, "On calibration of modern neural networks", section 2 (arXiv:1706.04599); bins are closed
/// below and not above.
struct CalibrationBins {
    static let count = 15

    private var rows = [Int](repeating: 0, count: count)
    private var probabilities = [Double](repeating: 0, count: count)
    private var outcomes = [Double](repeating: 0, count: count)

    /// Adds the probability of an event and whether it happened.
    mutating func add(_ probability: Double, happened: Bool) {
        let bin = ProbabilityErrors.bin(of: probability, bins: Self.count)
        rows[bin] += 1
        probabilities[bin] += probability
        outcomes[bin] += happened ? 1 : 0
    }

    /// Σ over bins of rows ÷ all rows · |share that happened − mean probability|; nil without rows.
    var expectedError: Double? {
        let all = rows.reduce(0, +)
        guard all > 0 else { return nil }
        return zip(outcomes, probabilities).reduce(0) { $0 + abs($1.0 - $1.1) } / Double(all)
    }
}
