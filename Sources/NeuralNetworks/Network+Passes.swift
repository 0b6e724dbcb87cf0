// SPDX-License-Identifier: Apache-2.0
// The forward and the backward pass over all layers of a network.

import Randomness
import Tensors

extension Network {
    /// Computes the output of every layer into `workspace` and returns the last one, the logits.
    ///
    /// Shapes: x `[rows, inputs]`, logits `[rows, outputs]`.
    /// - Parameter generator: Draws the dropout masks; nil switches dropout off.
    func forward(
        _ parameters: UnsafeBufferPointer<Float>, input x: UnsafeMatrix, in workspace: borrowing Workspace,
        dropout generator: inout SeededGenerator?
    ) -> UnsafeMutableMatrix {
        let rows = unsafe x.rows
        unsafe precondition(x.columns == inputs && parameters.count == parameterCount, "forward: shapes disagree")
        var input = unsafe x
        for (index, layer) in layers.enumerated() {
            let output = unsafe workspace.output(of: index, rows: rows)
            switch layer {
            case .dense(let dense):
                unsafe dense.forward(parameters, input: input, output: output)
            case .dropout(let dropout, _):
                guard let mask = unsafe workspace.mask(of: index, rows: rows) else { continue }
                unsafe dropout.forward(input: input, output: output, mask: mask, using: &generator)
            }
            unsafe input = output.readOnly
        }
        return unsafe workspace.output(of: layers.count - 1, rows: rows)
    }

    /// Computes ∂loss/∂parameters from ∂loss/∂logits, which stands in the gradient slot of the last layer.
    ///
    /// Shapes: x as given to ``forward(_:input:in:dropout:)``, whose outputs and masks are still in `workspace`;
    /// `gradients` `[parameterCount]`, overwritten.
    func backward(
        _ parameters: UnsafeBufferPointer<Float>, input x: UnsafeMatrix, in workspace: borrowing Workspace,
        gradients: UnsafeMutableBufferPointer<Float>
    ) {
        let rows = unsafe x.rows
        precondition(gradients.count == parameterCount, "backward: shapes disagree")
        for index in layers.indices.reversed() {
            // Nil only before the first dense layer, where no parameter is left that could want it.
            guard let dy = unsafe workspace.gradient(of: index, rows: rows) else { break }
            switch layers[index] {
            case .dense(let dense):
                let input = unsafe index == 0 ? x : workspace.output(of: index - 1, rows: rows).readOnly
                let dx = unsafe index == 0 ? nil : workspace.gradient(of: index - 1, rows: rows)
                unsafe dense.backward(
                    parameters, input: input, output: workspace.output(of: index, rows: rows).readOnly,
                    outputGradient: dy, inputGradient: dx, gradients: gradients)
            case .dropout(let dropout, _):
                guard let mask = unsafe workspace.mask(of: index, rows: rows) else { continue }
                unsafe dropout.backward(mask: mask.readOnly, gradient: dy)
            }
        }
    }

    /// One pass forward and backward: the mean loss of the batch, and its gradient into `gradients`.
    ///
    /// Shapes: x `[rows, inputs]`, targets `[rows]`, `gradients` `[parameterCount]`, overwritten.
    /// - Precondition: The targets are ones the head can learn.
    func lossAndGradient(
        _ parameters: UnsafeBufferPointer<Float>, input x: UnsafeMatrix, targets: UnsafeBufferPointer<Float>,
        in workspace: borrowing Workspace, dropout generator: inout SeededGenerator?,
        gradients: UnsafeMutableBufferPointer<Float>
    ) -> Double {
        let rows = unsafe x.rows
        let logits = unsafe forward(parameters, input: x, in: workspace, dropout: &generator)
        guard let dz = unsafe workspace.gradient(of: layers.count - 1, rows: rows) else {
            preconditionFailure("the last layer is dense and has a gradient slot")
        }
        let loss = unsafe head.loss(
            logits: logits.readOnly, targets: targets, gradient: dz, logSums: workspace.logSums(rows: rows))
        unsafe backward(parameters, input: x, in: workspace, gradients: gradients)
        return loss
    }
}
