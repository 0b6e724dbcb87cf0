// SPDX-License-Identifier: Apache-2.0
// The optimisers a study may name, and the step each takes.

package import Tensors

/// A rule that turns gradients into steps, with PyTorch's meaning of every number.
package enum OptimizerSpecification: Hashable, Sendable {
    /// Stochastic gradient descent; `weightDecay` is added to the gradient as decay·w.
    case sgd(momentum: Double, nesterov: Bool, weightDecay: Double)
    /// Kingma & Ba 2015 (arXiv:1412.6980); `weightDecay` is added to the gradient as decay·w.
    case adam(beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double)
    /// Loshchilov & Hutter 2019 (arXiv:1711.05101); `weightDecay` shrinks w by rate·decay before the step.
    case adamW(beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double)

    /// Whether the numbers make sense; Nesterov's look-ahead needs a momentum.
    var isValid: Bool {
        switch self {
        case .sgd(let momentum, let nesterov, let decay):
            momentum >= 0 && momentum < 1 && (momentum > 0 || !nesterov) && decay >= 0 && decay.isFinite
        case .adam(let beta1, let beta2, let epsilon, let decay), .adamW(let beta1, let beta2, let epsilon, let decay):
            beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1 && epsilon > 0 && epsilon.isFinite
                && decay >= 0 && decay.isFinite
        }
    }

    /// Vectors of the size of the parameters that the optimiser keeps from step to step.
    package var stateVectors: Int {
        switch self {
        case .sgd(let momentum, _, _): momentum == 0 ? 0 : 1
        case .adam, .adamW: 2
        }
    }

    /// Moves the parameters w by one step against the gradient g.
    ///
    /// Shapes: w and g `[n]`; `state` `[stateVectors · n]`, zero before the first step.
    /// - Parameter step: Steps already taken with this state.
    package func update(
        _ w: UnsafeMutableBufferPointer<Float>, gradient g: UnsafeBufferPointer<Float>,
        state: UnsafeMutableBufferPointer<Float>, step: Int, rate: Double
    ) {
        let n = w.count
        precondition(state.count == stateVectors * n, "optimiser: shapes disagree")
        switch self {
        case .sgd(let momentum, let nesterov, let decay):
            unsafe stepSGD(
                w, gradient: g, velocity: state, rate: Float(rate), momentum: Float(momentum), nesterov: nesterov,
                decay: Float(decay))
        case .adam(let beta1, let beta2, let epsilon, let decay):
            let constants = AdamStep(
                step: step, rate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, l2Decay: decay, decoupledDecay: 0)
            unsafe updateAdam(w, g, state, constants)
        case .adamW(let beta1, let beta2, let epsilon, let decay):
            let constants = AdamStep(
                step: step, rate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, l2Decay: 0, decoupledDecay: decay)
            unsafe updateAdam(w, g, state, constants)
        }
    }

    private func updateAdam(
        _ w: UnsafeMutableBufferPointer<Float>, _ g: UnsafeBufferPointer<Float>,
        _ state: UnsafeMutableBufferPointer<Float>, _ constants: AdamStep
    ) {
        let n = w.count
        unsafe stepAdam(
            w, gradient: g, firstMoment: UnsafeMutableBufferPointer(rebasing: state[..<n]),
            secondMoment: UnsafeMutableBufferPointer(rebasing: state[n...]), constants)
    }

    /// Moves the parameters `range` as ``update(_:gradient:state:step:rate:)`` moves all of them; any split into ranges
    /// gives the same bits.
    ///
    /// Shapes: `parameters` and `gradient` `[n]`, `state` `[stateVectors · n]`.
    package func update(
        _ range: Range<Int>, of parameters: Floats, gradient: Floats, state: Floats, step: Int, rate: Double
    ) {
        let n = parameters.count
        let (w, g) = unsafe (parameters[range].elements, UnsafeBufferPointer(gradient[range].elements))
        func vector(_ index: Int) -> UnsafeMutableBufferPointer<Float> {
            unsafe state[index * n + range.lowerBound..<index * n + range.upperBound].elements
        }
        switch self {
        case .sgd(let momentum, let nesterov, let decay):
            let velocity = unsafe stateVectors == 0 ? .init(start: nil, count: 0) : vector(0)
            unsafe stepSGD(
                w, gradient: g, velocity: velocity, rate: Float(rate), momentum: Float(momentum), nesterov: nesterov,
                decay: Float(decay))
        case .adam(let beta1, let beta2, let epsilon, let decay):
            let constants = AdamStep(
                step: step, rate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, l2Decay: decay, decoupledDecay: 0)
            unsafe stepAdam(w, gradient: g, firstMoment: vector(0), secondMoment: vector(1), constants)
        case .adamW(let beta1, let beta2, let epsilon, let decay):
            let constants = AdamStep(
                step: step, rate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, l2Decay: 0, decoupledDecay: decay)
            unsafe stepAdam(w, gradient: g, firstMoment: vector(0), secondMoment: vector(1), constants)
        }
    }
}
