// SPDX-License-Identifier: Apache-2.0
// The gradient of a network's mean loss over a whole table, for tests.

import NeuralNetworks
import Tensors

extension Network {
    /// The gradient of the mean loss over all examples, dropout of key 1 on.
    ///
    /// Shapes: features `[rows, inputs]`, targets `[rows]`, result `[parameterCount]`.
    func gradient(
        parameters: [Float], features: [Float], targets: [Float], rows: Int, kernels: KernelSet = .fastest
    ) -> [Float] {
        let flat = FloatBuffer(count: parameterCount)
        let gradient = FloatBuffer(count: parameterCount)
        flat.floats.copy(from: parameters, at: 0)
        var options = Plan.Options(capacity: rows, isTraining: true)
        options.kernels = kernels
        let plan = Plan(graph, options, parameters: flat.floats, gradients: gradient.floats)
        let range = 0..<rows
        let wanted = FloatBuffer(count: targets.count)
        plan.inputs[0].floats(range).copy(from: features, at: 0)
        wanted.floats.copy(from: targets, at: 0)
        plan.forward(examples: rows, step: Step(dropoutKey: 1, firstExample: 0, batchExamples: rows))
        let output = plan.outputs[0]
        _ = head.loss.evaluate(
            output.floats(range), targets: wanted.floats, output: output.shape, scale: 1 / Float(rows),
            into: plan.outputGradients[0].floats(range))
        plan.backward(examples: rows)
        return gradient.floats.array
    }
}
