// SPDX-License-Identifier: Apache-2.0
// How the learning rate changes over the steps of a whole study.

import Glibc

/// The learning rate as a function of the global step, counted from zero over all rounds.
package enum LearningRateSchedule: Hashable, Sendable {
    /// The base rate.
    case constant
    /// base·factorᵏ with k = step ÷ every, rounded down.
    case step(every: Int, factor: Double)
    /// Half a cosine from the base rate at step 0 down to the rate `final` at the last step.
    /// Source: Loshchilov & Hutter 2017, equation 5, one period (arXiv:1608.03983).
    case cosine(final: Double)
    /// A straight line from base/steps at step 0 to the base rate at step `steps − 1`, then the base rate.
    case warmup(steps: Int)

    /// The learning rate of one step, in the units of `base`.
    ///
    /// - Parameters:
    ///   - step: The global step, from zero; past `totalSteps` the cosine stays at its final rate.
    ///   - totalSteps: The steps of the whole study.
    package func rate(base: Double, step: Int, totalSteps: Int) -> Double {
        switch self {
        case .constant:
            return base
        case .step(let every, let factor):
            return base * pow(factor, Double(step / max(every, 1)))
        case .cosine(let final):
            let progress = min(Double(step) / Double(max(totalSteps - 1, 1)), 1)
            return final + (base - final) * (1 + cos(.pi * progress)) / 2
        case .warmup(let steps):
            return step < steps ? base * Double(step + 1) / Double(steps) : base
        }
    }

    /// Whether the schedule's own numbers make sense.
    var isValid: Bool {
        switch self {
        case .constant: true
        case .step(let every, let factor): every > 0 && factor > 0 && factor.isFinite
        case .cosine(let final): final >= 0 && final.isFinite
        case .warmup(let steps): steps >= 0
        }
    }
}
