// SPDX-License-Identifier: Apache-2.0
// The functions that may follow a dense layer, with their derivatives.

import Tensors

/// The function applied to each output of a dense layer.
package enum Activation: String, CaseIterable, Sendable {
    case linear
    case relu
    case tanh
    case sigmoid

    /// y = f(z), in place of z.
    func apply(to z: UnsafeMutableMatrix) {
        switch self {
        case .linear: break
        case .relu: unsafe applyReLU(z)
        case .tanh: unsafe applyTanh(z)
        case .sigmoid: unsafe applySigmoid(z)
        }
    }

    /// dz = dy·f′(z), in place of dy. f′ is written with y = f(z), so z need not be kept.
    ///
    /// Shapes: y and dy alike.
    func backpropagate(output y: UnsafeMatrix, gradient dy: UnsafeMutableMatrix) {
        switch self {
        case .linear: break
        case .relu: unsafe backpropagateReLU(output: y, gradient: dy)
        case .tanh: unsafe backpropagateTanh(output: y, gradient: dy)
        case .sigmoid: unsafe backpropagateSigmoid(output: y, gradient: dy)
        }
    }
}
