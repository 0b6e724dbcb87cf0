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
    /// A straight line from base/steps at step 0 to the base rate at step `steps − 1`, then another schedule, which
    /// counts its steps from there.
    indirect case warmup(steps: Int, then: LearningRateSchedule = .constant)
    /// Half a cosine up from base/startDivisor to the base rate over the share `rise` of all steps, then half a cosine
    /// down to base/(startDivisor·endDivisor) at the last step.
    /// Source: Smith & Topin 2018 (arXiv:1708.07120), as torch.optim.lr_scheduler.OneCycleLR, whose defaults these are.
    case oneCycle(rise: Double = 0.3, startDivisor: Double = 25, endDivisor: Double = 1e4)

    /// The learning rate of one step, in the units of `base`.
    ///
    /// - Parameters:
    ///   - step: The global step, from zero; past `totalSteps` the cosines stay at their final rates.
    ///   - totalSteps: The steps of the whole study.
    package func rate(base: Double, step: Int, totalSteps: Int) -> Double {
        switch self {
        case .constant:
            return base
        case .step(let every, let factor):
            return base * pow(factor, Double(step / max(every, 1)))
        case .cosine(let final):
            let progress = min(Double(step) / Double(max(totalSteps - 1, 1)), 1)
            return Self.halfCosine(from: base, to: final, at: progress)
        case .warmup(let steps, let next):
            guard step >= steps else { return base * Double(step + 1) / Double(steps) }
            return next.rate(base: base, step: step - steps, totalSteps: totalSteps - steps)
        case .oneCycle(let rise, let startDivisor, let endDivisor):
            let (start, end) = (base / startDivisor, base / (startDivisor * endDivisor))
            // The steps, from zero, with the highest and with the last rate.
            let (peak, last) = (rise * Double(totalSteps) - 1, Double(totalSteps - 1))
            if peak > 0, Double(step) <= peak { return Self.halfCosine(from: start, to: base, at: Double(step) / peak) }
            let progress = last > peak ? (Double(step) - peak) / (last - peak) : 1
            return Self.halfCosine(from: base, to: end, at: min(progress, 1))
        }
    }

    /// Half a cosine from `first` at progress 0 to `last` at progress 1.
    private static func halfCosine(from first: Double, to last: Double, at progress: Double) -> Double {
        last + (first - last) * (1 + cos(.pi * progress)) / 2
    }

    /// Whether the schedule's own numbers make sense.
    var isValid: Bool {
        switch self {
        case .constant: true
        case .step(let every, let factor): every > 0 && factor > 0 && factor.isFinite
        case .cosine(let final): final >= 0 && final.isFinite
        case .warmup(let steps, let next): steps >= 0 && next.isValid
        case .oneCycle(let rise, let startDivisor, let endDivisor):
            rise > 0 && rise < 1 && startDivisor >= 1 && startDivisor.isFinite && endDivisor >= 1 && endDivisor.isFinite
        }
    }
}
