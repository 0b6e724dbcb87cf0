// SPDX-License-Identifier: Apache-2.0
// The optimisers a study may name.

/// A rule that turns gradients into steps, with PyTorch's meaning of every number.
package enum OptimizerSpecification: Hashable, Sendable {
    /// Stochastic gradient descent; `weightDecay` is added to the gradient as decay·w, here and below unless said
    /// otherwise.
    case sgd(momentum: Double, nesterov: Bool, weightDecay: Double)
    /// Kingma & Ba 2015 (arXiv:1412.6980); `amsgrad` divides by the largest second moment so far
    /// (Reddi et al. 2018, arXiv:1904.09237).
    case adam(beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double, amsgrad: Bool = false)
    /// Loshchilov & Hutter 2019 (arXiv:1711.05101); `weightDecay` shrinks w by rate·decay before the step.
    case adamW(beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double, amsgrad: Bool = false)
    /// Hinton's RMSprop; `centered` divides by the deviation of the gradient instead of its root mean square
    /// (Graves 2013, arXiv:1308.0850).
    case rmsprop(alpha: Double, epsilon: Double, momentum: Double, centered: Bool, weightDecay: Double)
    /// Duchi et al. 2011; step t, from zero, has the learning rate rate/(1 + t·learningRateDecay).
    case adagrad(epsilon: Double, learningRateDecay: Double, weightDecay: Double)
    /// Layer-wise adaptive moments for large batches: You et al. 2020, Algorithm 2 (arXiv:1904.00962), φ(x) = x. Not in
    /// PyTorch; `weightDecay` is λ, and the step of each named tensor has the length rate·‖w‖.
    case lamb(beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double)

    /// Whether the numbers make sense; Nesterov's look-ahead needs a momentum.
    var isValid: Bool {
        func isShare(_ values: Double...) -> Bool { values.allSatisfy { $0 >= 0 && $0 < 1 } }
        func isSize(_ values: Double...) -> Bool { values.allSatisfy { $0 >= 0 && $0.isFinite } }
        return switch self {
        case .sgd(let momentum, let nesterov, let decay):
            isShare(momentum) && (momentum > 0 || !nesterov) && isSize(decay)
        case .adam(let beta1, let beta2, let epsilon, let decay, _),
            .adamW(let beta1, let beta2, let epsilon, let decay, _),
            .lamb(let beta1, let beta2, let epsilon, let decay):
            isShare(beta1, beta2) && epsilon > 0 && isSize(epsilon, decay)
        case .rmsprop(let alpha, let epsilon, let momentum, _, let decay):
            isShare(alpha, momentum) && epsilon > 0 && isSize(epsilon, decay)
        case .adagrad(let epsilon, let rateDecay, let decay):
            epsilon > 0 && isSize(epsilon, rateDecay, decay)
        }
    }

    /// Vectors of the size of the parameters that the optimiser keeps from step to step.
    package var stateVectors: Int {
        switch self {
        case .sgd(let momentum, _, _): momentum == 0 ? 0 : 1
        case .adam(_, _, _, _, let amsgrad), .adamW(_, _, _, _, let amsgrad): amsgrad ? 3 : 2
        case .rmsprop(_, _, let momentum, let centered, _): 1 + (centered ? 1 : 0) + (momentum == 0 ? 0 : 1)
        case .adagrad: 1
        case .lamb: 2
        }
    }
}
