// SPDX-License-Identifier: Apache-2.0
// An optimiser at work: its memory, and its step over ranges of the parameters that workers take apart.

package import Tensors

/// Moves one flat vector of parameters, step by step, against its gradients.
///
/// A step is one or two phases, each shared among workers as they like, with the same bits for every way to cut it:
/// 1. only where ``preparationBlocks`` is not zero (LAMB): ``prepare(_:gradient:blocks:step:scale:)`` for every block
///    once, then a barrier;
/// 2. ``update(_:gradient:range:step:rate:scale:)`` for every parameter once.
///
/// Nothing is allocated after `init`. Not sendable: the workers of one team use it during one step of its owner.
package final class Optimizer {
    package let specification: OptimizerSpecification
    private let count: Int
    private let memory: FloatBuffer
    /// LAMB's norms of each tensor; nil for the others.
    private let trust: TrustRatios?

    /// - Parameter slices: The named tensors, one behind the other from the first parameter to the last.
    package init(_ specification: OptimizerSpecification, slices: [ParameterSlice]) {
        self.specification = specification
        count = slices.reduce(0) { $0 + $1.count }
        memory = FloatBuffer(count: specification.stateVectors * count)
        if case .lamb = specification { trust = TrustRatios(slices) } else { trust = nil }
    }

    /// What is kept from step to step, zero before the first: `[stateVectors, parameters]`. A checkpoint copies it.
    package var state: Floats { memory.floats }

    /// Forgets all steps.
    package func reset() { memory.clear() }

    /// The blocks that must be prepared before each update; 0: the optimiser needs no first phase.
    package var preparationBlocks: Int { trust?.blocks.count ?? 0 }

    /// The first phase for some of the blocks.
    ///
    /// Shapes: w and g `[parameters]`, all of them.
    /// - Parameters:
    ///   - step: Steps already taken.
    ///   - scale: Factor on the gradient, such as the one that clips it; 1 changes no bit.
    package func prepare(_ w: Floats, gradient g: Floats, blocks: Range<Int>, step: Int, scale: Float = 1) {
        guard let trust, case .lamb(let beta1, let beta2, let epsilon, let decay) = specification else { return }
        precondition(w.count == count && g.count == count, "optimiser: shapes disagree")
        let constants = AdamStep(step: step, rate: 1, beta1: beta1, beta2: beta2, epsilon: epsilon, scale: scale)
        for block in blocks {
            let range = trust.blocks[block]
            let sums = LambStep.updateMoments(
                w[range], gradient: g[range], firstMoment: state(0, range), secondMoment: state(1, range), constants,
                decay: Float(decay))
            trust.record(weights: sums.weights, steps: sums.steps, of: block)
        }
    }

    /// The step of the parameters `range`.
    ///
    /// Shapes: w and g `[parameters]`, all of them.
    /// - Parameters:
    ///   - step: Steps already taken.
    ///   - scale: Factor on the gradient, such as the one that clips it; 1 changes no bit. Where there was a first
    ///     phase, that one has applied it.
    package func update(
        _ w: Floats, gradient g: Floats, range: Range<Int>, step: Int, rate: Double, scale: Float = 1
    ) {
        precondition(w.count == count && g.count == count, "optimiser: shapes disagree")
        let (target, source) = (w[range], g[range])
        switch specification {
        case .sgd(let momentum, let nesterov, let decay):
            stepSGD(
                target, gradient: source, velocity: momentum == 0 ? nil : state(0, range), scale: scale,
                rate: Float(rate), momentum: Float(momentum), nesterov: nesterov, decay: Float(decay))
        case .adam(let beta1, let beta2, let epsilon, let decay, let amsgrad):
            let constants = AdamStep(
                step: step, rate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, scale: scale, l2Decay: decay)
            stepAdam(
                target, gradient: source, firstMoment: state(0, range), secondMoment: state(1, range),
                largest: amsgrad ? state(2, range) : nil, constants)
        case .adamW(let beta1, let beta2, let epsilon, let decay, let amsgrad):
            let constants = AdamStep(
                step: step, rate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, scale: scale,
                decoupledDecay: decay)
            stepAdam(
                target, gradient: source, firstMoment: state(0, range), secondMoment: state(1, range),
                largest: amsgrad ? state(2, range) : nil, constants)
        case .rmsprop(let alpha, let epsilon, let momentum, let centered, let decay):
            let constants = RMSpropStep(
                rate: rate, alpha: alpha, epsilon: epsilon, momentum: momentum, scale: scale, l2Decay: decay)
            stepRMSprop(
                target, gradient: source, square: state(0, range), mean: centered ? state(1, range) : nil,
                velocity: momentum == 0 ? nil : state(centered ? 2 : 1, range), constants)
        case .adagrad(let epsilon, let rateDecay, let decay):
            stepAdagrad(
                target, gradient: source, sum: state(0, range), scale: scale, decay: Float(decay),
                rate: Float(rate / (1 + Double(step) * rateDecay)), epsilon: Float(epsilon))
        case .lamb(let beta1, let beta2, let epsilon, let decay):
            let constants = AdamStep(step: step, rate: 1, beta1: beta1, beta2: beta2, epsilon: epsilon)
            trust?.forEachTensor(in: range) { part, ratio in
                LambStep.move(
                    w[part], firstMoment: state(0, part), secondMoment: state(1, part), constants,
                    decay: Float(decay), rate: Float(rate * ratio))
            }
        }
    }

    /// The whole step on one thread.
    package func update(_ w: Floats, gradient g: Floats, step: Int, rate: Double, scale: Float = 1) {
        prepare(w, gradient: g, blocks: 0..<preparationBlocks, step: step, scale: scale)
        update(w, gradient: g, range: 0..<count, step: step, rate: rate, scale: scale)
    }

    private func state(_ vector: Int, _ range: Range<Int>) -> Floats {
        memory.floats[vector * count + range.lowerBound..<vector * count + range.upperBound]
    }
}
