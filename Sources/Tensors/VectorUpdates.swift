// SPDX-License-Identifier: Apache-2.0
// Updates of a whole vector of parameters: sums, products and the optimisers' steps.

import Kernels

/// y[i] += a·x[i].
///
/// Shapes: x and y `[n]`.
package func add(_ a: Float, times x: UnsafeBufferPointer<Float>, to y: UnsafeMutableBufferPointer<Float>) {
    precondition(x.count == y.count, "y += a·x: shapes disagree")
    guard let source = x.baseAddress, let target = y.baseAddress else { return }
    unsafe consilium_axpy(y.count, a, source, target)
}

/// y[i] += a·(x[i] − z[i]), the pull of a proximal term.
///
/// Shapes: x, z and y `[n]`.
package func add(
    _ a: Float, timesDifferenceOf x: UnsafeBufferPointer<Float>, and z: UnsafeBufferPointer<Float>,
    to y: UnsafeMutableBufferPointer<Float>
) {
    precondition(x.count == y.count && z.count == y.count, "y += a·(x − z): shapes disagree")
    guard let first = x.baseAddress, let second = z.baseAddress, let target = y.baseAddress else { return }
    unsafe consilium_axpy_difference(y.count, a, first, second, target)
}

/// Whether every x[i] is neither infinite nor NaN.
package func allFinite(_ x: UnsafeBufferPointer<Float>) -> Bool {
    guard let source = x.baseAddress else { return true }
    return unsafe consilium_all_finite(x.count, source)
}

/// y[i,j] *= x[i,j].
///
/// Shapes: x and y `[m, n]`.
package func scale(_ y: UnsafeMutableMatrix, byElementsOf x: UnsafeMatrix) {
    unsafe precondition(x.rows == y.rows && x.columns == y.columns, "y *= x: shapes disagree")
    unsafe consilium_multiply(y.rows * y.columns, x.base, y.base)
}

/// One step of stochastic gradient descent:
/// d = g + decay·w; v = momentum·v + d; w −= rate·(nesterov ? d + momentum·v : v).
///
/// Shapes: w, g and v `[n]`; v may be empty when `momentum` is zero.
/// Source: torch.optim.SGD with dampening 0 (Sutskever et al. 2013, with the rate outside the velocity).
package func stepSGD(
    _ w: UnsafeMutableBufferPointer<Float>, gradient g: UnsafeBufferPointer<Float>,
    velocity v: UnsafeMutableBufferPointer<Float>, rate: Float, momentum: Float, nesterov: Bool, decay: Float
) {
    let hasVelocity = v.count > 0
    precondition(g.count == w.count && (hasVelocity ? v.count == w.count : momentum == 0), "shapes disagree")
    guard let target = w.baseAddress, let source = g.baseAddress else { return }
    let velocity = hasVelocity ? v.baseAddress : nil
    unsafe consilium_sgd_step(w.count, target, source, velocity, rate, momentum, nesterov, decay)
}

/// The constants of one step of Adam or AdamW.
package struct AdamStep: Sendable {
    var constants: consilium_adam

    /// - Parameters:
    ///   - step: Steps already taken with these moments, counted from zero.
    ///   - rate: The learning rate of this step.
    ///   - l2Decay: Adam's weight decay, added to the gradient as `l2Decay·w`.
    ///   - decoupledDecay: AdamW's weight decay: `w ← w·(1 − rate·decoupledDecay)` before the step.
    package init(
        step: Int, rate: Double, beta1: Double, beta2: Double, epsilon: Double, l2Decay: Double, decoupledDecay: Double
    ) {
        constants = consilium_adam(
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

/// m = β₁m + (1−β₁)d; v = β₂v + (1−β₂)d²; w −= rate·m̂ / (√v̂ + ε).
///
/// Shapes: w, g, m and v `[n]`.
/// Source: Kingma & Ba 2015, Algorithm 1 (arXiv:1412.6980); Loshchilov & Hutter 2019, Algorithm 2 (arXiv:1711.05101).
package func stepAdam(
    _ w: UnsafeMutableBufferPointer<Float>, gradient g: UnsafeBufferPointer<Float>,
    firstMoment m: UnsafeMutableBufferPointer<Float>, secondMoment v: UnsafeMutableBufferPointer<Float>,
    _ step: AdamStep
) {
    precondition(g.count == w.count && m.count == w.count && v.count == w.count, "adam: shapes disagree")
    guard let target = w.baseAddress, let source = g.baseAddress, let first = m.baseAddress,
        let second = v.baseAddress
    else { return }
    unsafe consilium_adam_step(w.count, target, source, first, second, step.constants)
}
