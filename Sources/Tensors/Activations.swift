// SPDX-License-Identifier: Apache-2.0
// Activations forward and backward, in place; each backward needs only the forward's result y.

import Kernels

/// z ← max(0, z). A NaN stays a NaN, so that a broken model shows in its loss.
package func applyReLU(_ z: UnsafeMutableMatrix) {
    unsafe consilium_relu(z.rows * z.columns, z.base)
}

/// dz = dy where y > 0, else 0, in place of dy.
package func backpropagateReLU(output y: UnsafeMatrix, gradient dy: UnsafeMutableMatrix) {
    unsafe precondition(y.rows == dy.rows && y.columns == dy.columns, "relu: shapes disagree")
    unsafe consilium_relu_backward(y.rows * y.columns, y.base, dy.base)
}

/// z ← tanh z, to a few units in the last place.
package func applyTanh(_ z: UnsafeMutableMatrix) {
    unsafe consilium_tanh(z.rows * z.columns, z.base)
}

/// dz = dy·(1 − y²), in place of dy.
package func backpropagateTanh(output y: UnsafeMatrix, gradient dy: UnsafeMutableMatrix) {
    unsafe precondition(y.rows == dy.rows && y.columns == dy.columns, "tanh: shapes disagree")
    unsafe consilium_tanh_backward(y.rows * y.columns, y.base, dy.base)
}

/// z ← 1 / (1 + e⁻ᶻ), to a few units in the last place; 1 − y underflows to 0 above z ≈ 17.
package func applySigmoid(_ z: UnsafeMutableMatrix) {
    unsafe consilium_sigmoid(z.rows * z.columns, z.base)
}

/// dz = dy·y·(1 − y), in place of dy.
package func backpropagateSigmoid(output y: UnsafeMatrix, gradient dy: UnsafeMutableMatrix) {
    unsafe precondition(y.rows == dy.rows && y.columns == dy.columns, "sigmoid: shapes disagree")
    unsafe consilium_sigmoid_backward(y.rows * y.columns, y.base, dy.base)
}

/// Each row z ← softmax z, and its log Σⱼ e^z[i,j], from which a cross entropy is one subtraction.
///
/// Shapes: z `[m, n]`, edited in place; `logSums` `[m]`. The row's largest logit is subtracted first, so nothing
/// overflows.
package func applySoftmax(toRowsOf z: UnsafeMutableMatrix, logSums: UnsafeMutableBufferPointer<Double>) {
    guard let target = logSums.baseAddress, unsafe logSums.count == z.rows else {
        preconditionFailure("\(logSums.count) sums do not fit \(unsafe z.rows) rows")
    }
    unsafe consilium_softmax_rows(z.rows, z.columns, z.base, target)
}
