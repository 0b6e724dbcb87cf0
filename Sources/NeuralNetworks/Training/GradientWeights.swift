// SPDX-License-Identifier: Apache-2.0
// How much each local gradient weighs in a site's update, summed: FedNova's normalising weight.

/// Tracks ‖a‖₁ of the local update −η·Σₖ aₖ·gₖ while steps are taken, η being the base learning rate.
///
/// Gradient descent, with momentum or not, is linear in the gradients, so Σ aₖ is the distance that unit gradients would
/// have moved a parameter, in units of η. That covers in one recurrence the closed forms of the source: τ for plain descent,
/// [τ − ρ(1−ρ^τ)/(1−ρ)]/(1−ρ) with momentum ρ, [1 − (1−ημ)^τ]/(ημ) with the proximal term μ; and schedules, where a
/// step weighs in proportion to its rate. Weight decay is left out, as in the source. For the adaptive
/// optimisers it is the number of steps.
/// Source: Wang et al. 2020, section 4 (arXiv:2007.07481).
package struct GradientWeights: Sendable {
    private let optimizer: OptimizerSpecification
    private let baseRate: Double
    private let proximalWeight: Double
    private var velocity = 0.0
    /// ‖a‖₁ of the steps so far.
    package private(set) var total = 0.0

    /// - Parameters:
    ///   - baseRate: η, positive.
    ///   - proximalWeight: FedProx's μ, zero without a proximal term.
    package init(optimizer: OptimizerSpecification, baseRate: Double, proximalWeight: Double) {
        self.optimizer = optimizer
        self.baseRate = baseRate
        self.proximalWeight = proximalWeight
    }

    /// Accounts for one step with the learning rate `rate`.
    package mutating func advance(rate: Double) {
        guard case .sgd(let momentum, let nesterov, _) = optimizer else {
            total += 1
            return
        }
        // The unit gradient and the pull back by μ·(w − reference), where w − reference = −η·total.
        let gradient = 1 - proximalWeight * baseRate * total
        velocity = momentum * velocity + gradient
        total += rate / baseRate * (nesterov ? gradient + momentum * velocity : velocity)
    }
}
