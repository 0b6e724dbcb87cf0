// SPDX-License-Identifier: Apache-2.0
// The dense layer, forward and backward.

package import Tensors

/// y = f(x·wᵀ + bias), with w and bias inside the flat parameter vector.
///
/// Shapes: x `[rows, inputs]`, w `[units, inputs]`, bias `[units]`, y `[rows, units]`.
package struct DenseLayer: Hashable, Sendable {
    package let inputs: Int
    package let units: Int
    package let activation: Activation
    /// Where w begins in the flat vector; bias follows it.
    package let offset: Int

    package init(inputs: Int, units: Int, activation: Activation, offset: Int) {
        self.inputs = inputs
        self.units = units
        self.activation = activation
        self.offset = offset
    }

    private var biasOffset: Int { offset + units * inputs }
    /// The number of weights and biases.
    package var parameterCount: Int { units * inputs + units }

    /// Overwrites y with the layer's output.
    package func forward(
        _ parameters: UnsafeBufferPointer<Float>, input x: UnsafeMatrix, output y: UnsafeMutableMatrix
    ) {
        let (w, bias) = unsafe (weight(in: parameters), bias(in: parameters))
        unsafe fillRows(of: y, with: bias)  // y[b,u] = bias[u]
        unsafe multiply(x, transposed: w, into: y, .accumulating)  // y[b,u] += Σᵢ x[b,i]·w[u,i]
        unsafe activation.apply(to: y)  // y[b,u] = f(y[b,u])
    }

    /// Turns dy = ∂loss/∂y into ∂loss/∂z of z = x·wᵀ + bias, and overwrites this layer's part of `gradients` and, when
    /// it is wanted, dx = ∂loss/∂x.
    ///
    /// Shapes: dy as y, edited in place; dx as x; `gradients` as `parameters`.
    package func backward(
        _ parameters: UnsafeBufferPointer<Float>, input x: UnsafeMatrix, output y: UnsafeMatrix,
        outputGradient dy: UnsafeMutableMatrix, inputGradient dx: UnsafeMutableMatrix?,
        gradients: UnsafeMutableBufferPointer<Float>
    ) {
        let (dw, dbias) = unsafe (weight(in: gradients), bias(in: gradients))
        // y = f(z): dz[b,u] = dy[b,u]·f′(z[b,u])
        unsafe activation.backpropagate(output: y, gradient: dy)
        let dz = unsafe dy.readOnly
        // z[b,u] = bias[u] + …: dbias[u] = Σ_b dz[b,u]
        unsafe sumColumns(of: dz, into: dbias)
        // z[b,u] = … + Σᵢ x[b,i]·w[u,i]: dw[u,i] = Σ_b dz[b,u]·x[b,i]
        unsafe multiply(transposed: dz, x, into: dw, .overwriting)
        // the same line: dx[b,i] = Σᵤ dz[b,u]·w[u,i]
        if let dx = unsafe dx { unsafe multiply(dz, weight(in: parameters), into: dx, .overwriting) }
    }

    private func weight(in parameters: UnsafeBufferPointer<Float>) -> UnsafeMatrix {
        unsafe UnsafeMatrix(
            UnsafeBufferPointer(rebasing: parameters[offset..<biasOffset]), rows: units, columns: inputs)
    }

    private func weight(in gradients: UnsafeMutableBufferPointer<Float>) -> UnsafeMutableMatrix {
        unsafe UnsafeMutableMatrix(
            UnsafeMutableBufferPointer(rebasing: gradients[offset..<biasOffset]), rows: units, columns: inputs)
    }

    private func bias(in parameters: UnsafeBufferPointer<Float>) -> UnsafeBufferPointer<Float> {
        unsafe UnsafeBufferPointer(rebasing: parameters[biasOffset..<biasOffset + units])
    }

    private func bias(in gradients: UnsafeMutableBufferPointer<Float>) -> UnsafeMutableBufferPointer<Float> {
        unsafe UnsafeMutableBufferPointer(rebasing: gradients[biasOffset..<biasOffset + units])
    }
}
