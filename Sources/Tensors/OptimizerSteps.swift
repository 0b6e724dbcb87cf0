// SPDX-License-Identifier: Apache-2.0
// The optimisers' steps over a range of the parameters. Ranges may be cut at will: every element is its own.

import Kernels

/// One step of stochastic gradient descent, with d = scale·g + decay·w:
/// v = momentum·v + d; w −= rate·(nesterov ? d + momentum·v : v).
///
/// Shapes: w, g and v `[n]`; v is nil when `momentum` is zero.
/// Source: torch.optim.SGD with dampening 0 (Sutskever et al. 2013, with the rate outside the velocity).
package func stepSGD(
    _ w: Floats, gradient g: Floats, velocity v: Floats?, scale: Float, rate: Float, momentum: Float, nesterov: Bool,
    decay: Float
) {
    precondition(g.count == w.count && (v.map { $0.count == w.count } ?? (momentum == 0)), "sgd: shapes disagree")
    unsafe consilium_sgd_step(w.count, w.start, g.start, v?.start, scale, rate, momentum, nesterov, decay)
}

/// The constants of one step of Adam, AdamW or LAMB.
package struct AdamStep: Sendable {
    var constants: consilium_adam

    /// - Parameters:
    ///   - step: Steps already taken with these moments, counted from zero.
    ///   - rate: The learning rate of this step; 1 for LAMB, which applies it later.
    ///   - scale: Factor on the gradient.
    ///   - l2Decay: Adam's weight decay, added to the gradient as `l2Decay·w`.
    ///   - decoupledDecay: AdamW's weight decay: `w ← w·(1 − rate·decoupledDecay)` before the step.
    package init(
        step: Int, rate: Double, beta1: Double, beta2: Double, epsilon: Double, scale: Float = 1, l2Decay: Double = 0,
        decoupledDecay: Double = 0
    ) {
        constants = consilium_adam(
            scale: scale,
            l2_decay: Float(l2Decay),
            weight_factor: Float(1 - rate * decoupledDecay),
            beta1: Float(beta1), complement1: Float(1 - beta1),
            beta2: Float(beta2), complement2: Float(1 - beta2),
            epsilon: Float(epsilon),
            step_size: Float(rate / (1 - Self.power(beta1, step + 1))),
            second_correction: Float(1 / (1 - Self.power(beta2, step + 1)).squareRoot()))
    }

    /// base ⁿ by squaring, the same on every machine.
    private static func power(_ base: Double, _ exponent: Int) -> Double {
        var (result, square, bits) = (1.0, base, exponent)
        while bits > 0 {
            if bits & 1 == 1 { result *= square }
            square *= square
            bits >>= 1
        }
        return result
    }
}

/// m = β₁m + (1−β₁)d; v = β₂v + (1−β₂)d²; w −= rate·m̂ / (√v̂ + ε); with `largest` (AMSGrad) v̂ is the largest v so
/// far.
///
/// Shapes: w, g, m, v and `largest` `[n]`.
/// Source: Kingma & Ba 2015, Algorithm 1 (arXiv:1412.6980); Loshchilov & Hutter 2019, Algorithm 2 (arXiv:1711.05101);
/// Reddi et al. 2018, Algorithm 2 (arXiv:1904.09237), with both moments corrected as torch.optim.Adam does.
package func stepAdam(
    _ w: Floats, gradient g: Floats, firstMoment m: Floats, secondMoment v: Floats, largest: Floats? = nil,
    _ step: AdamStep
) {
    let n = w.count
    precondition(
        g.count == n && m.count == n && v.count == n && largest.map { $0.count == n } ?? true, "adam: shapes disagree")
    unsafe consilium_adam_step(n, w.start, g.start, m.start, v.start, largest?.start, step.constants)
}

/// Layer-wise adaptive moments: the first half updates the moments, the second takes the step r + decay·w with
/// r = m̂ / (√v̂ + ε), times the trust ratio of the tensor, which needs the norms of the whole tensor in between.
///
/// Shapes: w, g, m and v `[n]`.
/// Source: You et al. 2020, Algorithm 2 (arXiv:1904.00962).
package enum LambStep {
    /// Updates m and v; returns Σ w² and Σ (r + decay·w)², in double and in a fixed order.
    package static func updateMoments(
        _ w: Floats, gradient g: Floats, firstMoment m: Floats, secondMoment v: Floats, _ step: AdamStep, decay: Float
    ) -> (weights: Double, steps: Double) {
        precondition(g.count == w.count && m.count == w.count && v.count == w.count, "lamb: shapes disagree")
        var sums = (0.0, 0.0)
        unsafe withUnsafeMutablePointer(to: &sums) { pair in
            unsafe pair.withMemoryRebound(to: Double.self, capacity: 2) {
                unsafe consilium_lamb_moments(
                    w.count, w.start, g.start, m.start, v.start, step.constants, decay, $0)
            }
        }
        return (sums.0, sums.1)
    }

    /// w −= rate·(r + decay·w), where `rate` has the trust ratio in it.
    package static func move(
        _ w: Floats, firstMoment m: Floats, secondMoment v: Floats, _ step: AdamStep, decay: Float, rate: Float
    ) {
        precondition(m.count == w.count && v.count == w.count, "lamb: shapes disagree")
        unsafe consilium_lamb_step(w.count, w.start, m.start, v.start, step.constants, decay, rate)
    }
}

/// The constants of one step of RMSprop.
package struct RMSpropStep: Sendable {
    var constants: consilium_rmsprop

    package init(
        rate: Double, alpha: Double, epsilon: Double, momentum: Double, scale: Float = 1, l2Decay: Double = 0
    ) {
        constants = consilium_rmsprop(
            scale: scale, l2_decay: Float(l2Decay), rate: Float(rate), alpha: Float(alpha),
            complement: Float(1 - alpha), momentum: Float(momentum), epsilon: Float(epsilon))
    }
}

/// v = αv + (1−α)d²; w −= rate·d / (√v + ε), by way of a velocity where there is one; with `mean`, the moving mean of
/// d, v − mean² stands for v.
///
/// Shapes: w, g, v, `mean` and `velocity` `[n]`.
/// Source: torch.optim.RMSprop (Hinton's lecture 6e; centred: Graves 2013, equations 38-45, arXiv:1308.0850).
package func stepRMSprop(
    _ w: Floats, gradient g: Floats, square v: Floats, mean: Floats?, velocity: Floats?, _ step: RMSpropStep
) {
    let n = w.count
    precondition(
        g.count == n && v.count == n && mean.map { $0.count == n } ?? true && velocity.map { $0.count == n } ?? true,
        "rmsprop: shapes disagree")
    unsafe consilium_rmsprop_step(n, w.start, g.start, v.start, mean?.start, velocity?.start, step.constants)
}

/// s += d²; w −= rate·d / (√s + ε).
///
/// Shapes: w, g and s `[n]`.
/// Source: torch.optim.Adagrad (Duchi et al. 2011, section 1.1).
package func stepAdagrad(
    _ w: Floats, gradient g: Floats, sum s: Floats, scale: Float, decay: Float, rate: Float, epsilon: Float
) {
    precondition(g.count == w.count && s.count == w.count, "adagrad: shapes disagree")
    unsafe consilium_adagrad_step(w.count, w.start, g.start, s.start, scale, decay, rate, epsilon)
}

/// y += share·(x − y).
///
/// Shapes: x and y `[n]`.
package func move(_ y: Floats, towards x: Floats, share: Float) {
    precondition(x.count == y.count, "an average of \(y.count) and \(x.count) values")
    unsafe consilium_move_towards(y.count, share, x.start, y.start)
}
