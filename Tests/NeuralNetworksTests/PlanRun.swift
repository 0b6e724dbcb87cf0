// SPDX-License-Identifier: Apache-2.0
// One pass of a compiled model over given values, for tests of layers.

import NeuralNetworks
import Tensors

/// The values and gradients of one forward and one backward pass.
struct PlanRun {
    var outputs: [Float]
    /// ∂(Σ output·cotangent)/∂input of the first input; empty for tokens.
    var inputGradient: [Float] { inputGradients[0] }
    /// The same for every input.
    var inputGradients: [[Float]]
    /// The gradient of every named tensor.
    var gradients: [String: [Float]] = [:]
    /// Every named tensor after the pass: running statistics change.
    var parameters: [String: [Float]] = [:]
    var implementations: [String]
    /// The names of tensors without a gradient.
    var frozen: Set<String>
    /// Bytes of the plan.
    var byteCount = 0

    /// Runs `graph` over `examples` examples in a plan with room for `capacity`.
    ///
    /// - Parameters:
    ///   - parameters: The values of the named tensors of the graph.
    ///   - inputs: For each input of the model, its values; token numbers for tokens.
    ///   - lengths: The lengths of the sequences of every input; nil: all padded lengths.
    ///   - cotangent: ∂loss/∂output.
    init(
        _ graph: Graph, parameters: [String: [Float]], inputs: [[Float]], lengths: [Int]? = nil, cotangent: [Float],
        examples: Int, capacity: Int? = nil, kernels: KernelSet = .fastest,
        precision: Precision = .float32, step: Step? = nil, mostKeptSteps: Int = MultiHeadAttention.mostKeptSteps
    ) {
        let flat = FloatBuffer(count: graph.parameterCount)
        let gradient = FloatBuffer(count: graph.parameterCount)
        for slice in graph.slices {
            guard let values = parameters[slice.name], values.count == slice.count else {
                fatalError("no values of \(slice.count) for \(slice.name)")
            }
            for (place, value) in values.enumerated() { flat.floats[slice.offset + place] = value }
        }
        var options = Plan.Options(capacity: capacity ?? examples, isTraining: true)
        (options.kernels, options.precision) = (kernels, precision)
        (options.wantsInputGradients, options.mostKeptSteps) = (true, mostKeptSteps)
        let plan = Plan(
            graph, options, parameters: flat.floats, gradients: gradient.floats)
        let range = 0..<examples
        for (slot, values) in zip(plan.inputs, inputs) {
            precondition(values.count == examples * slot.count, "\(values.count) input values")
            for (place, value) in values.enumerated() {
                if slot.shape.holdsTokens {
                    slot.integers(range)[place] = Int32(value)
                } else {
                    slot.floats(range)[place] = value
                }
            }
            for example in range { slot.lengths?[example] = lengths?[example] ?? slot.shape.sizes[0] }
        }
        plan.forward(
            examples: examples, step: step ?? Step(dropoutKey: 1, firstExample: 0, batchExamples: examples))
        outputs = plan.outputs[0].floats(range).array
        if let target = plan.outputGradients.first?.floats(range) {
            precondition(cotangent.count == target.count, "\(cotangent.count) cotangents for \(target.count) outputs")
            for (place, value) in cotangent.enumerated() { target[place] = value }
        }
        plan.backward(examples: examples)
        inputGradients = plan.inputGradients.map { $0?.floats(range).array ?? [] }
        for slice in graph.slices {
            let place = slice.offset..<slice.offset + slice.count
            gradients[slice.name] = gradient.floats[place].array
            self.parameters[slice.name] = flat.floats[place].array
        }
        implementations = plan.implementations
        frozen = Set(graph.slices.filter(\.isFrozen).map(\.name))
        byteCount = plan.byteCount
    }
}

extension KernelSet {
    /// Every set there is in this build.
    static let all: [KernelSet] = DeepNeuralNetworkLibrary.isBuilt ? [.fastest, .portable] : [.portable]
}
