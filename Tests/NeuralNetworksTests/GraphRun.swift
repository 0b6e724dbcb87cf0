// SPDX-License-Identifier: Apache-2.0
// One pass of a compiled graph with several inputs and outputs, plain or private, for tests of whole graphs.

import NeuralNetworks
import Tensors

/// What a graph is run on.
struct GraphProblem {
    let graph: Graph
    var parameters: [Float]
    /// One example's values each, for every input; token numbers for tokens.
    var inputs: [[[Float]]]
    /// For every input the lengths of its sequences; nil: all padded lengths.
    var lengths: [[Int]?]
    /// ∂loss/∂output of each example, for every output.
    var cotangents: [[[Float]]]
    /// The place of the first example in the batch, which dropout asks for.
    var firstExample = 0

    var examples: Int { inputs[0].count }

    /// Only these examples.
    func rows(_ range: Range<Int>) -> GraphProblem {
        var part = self
        part.firstExample = firstExample + range.lowerBound
        part.inputs = inputs.map { Array($0[range]) }
        part.lengths = lengths.map { $0.map { Array($0[range]) } }
        part.cotangents = cotangents.map { Array($0[range]) }
        return part
    }
}

/// The values and gradients of one forward and one backward pass.
struct GraphRun: Equatable {
    /// One example's values each, for every output.
    var outputs: [[[Float]]] = []
    /// In the order of the flat vector.
    var gradient: [Float] = []
    /// For every input; nil where there is none.
    var inputGradients: [[Float]?] = []
    /// Private runs: the norm of each patient's gradient.
    var norms: [Double] = []

    /// - Parameters:
    ///   - patients: How many examples each patient has; nil runs plainly.
    ///   - repeats: How often the pass is taken with the same plan; the last one counts.
    init(
        _ problem: GraphProblem, _ kernels: KernelSet, capacity: Int? = nil, chunkFloats: Int? = nil,
        patients: [Int]? = nil, bound: Double = .infinity, repeats: Int = 1,
        mostKeptSteps: Int = MultiHeadAttention.mostKeptSteps
    ) {
        let (graph, examples) = (problem.graph, problem.examples)
        let flat = FloatBuffer(count: graph.parameterCount)
        let gradient = FloatBuffer(count: graph.parameterCount)
        var options = Plan.Options(capacity: capacity ?? examples, isTraining: true)
        (options.kernels, options.wantsInputGradients) = (kernels, true)
        (options.isPrivate, options.largestPatient) = (patients != nil, patients?.max() ?? 1)
        if let chunkFloats { options.chunkFloats = chunkFloats }
        options.mostKeptSteps = mostKeptSteps
        let plan = Plan(graph, options, parameters: flat.floats, gradients: gradient.floats)
        for _ in 0..<repeats {
            flat.floats.copy(from: problem.parameters, at: 0)
            gradient.clear()
            Self.load(problem, plan)
            plan.forward(
                examples: examples,
                step: Step(dropoutKey: 1, firstExample: problem.firstExample, batchExamples: examples))
            outputs = plan.outputs.map { output in
                (0..<examples).map { output.floats($0..<$0 + 1).array }
            }
            for (slot, values) in zip(plan.outputGradients, problem.cotangents) {
                slot.floats(0..<examples).copy(from: Array(values.joined()), at: 0)
            }
            guard let patients else {
                plan.backward(examples: examples)
                continue
            }
            let own = Patients()
            own.begin(Self.runs(of: patients))
            plan.backwardPrivately(examples: examples, patients: own)
            own.clip(to: bound)
            plan.addClipped(examples: examples, patients: own)
            norms = own.squaredNorms.map { $0.squareRoot() }
        }
        self.gradient = gradient.floats.array
        inputGradients = plan.inputGradients.map { $0?.floats(0..<examples).array }
    }

    /// The examples of each patient, one after the other.
    private static func runs(of patients: [Int]) -> [Range<Int>] {
        var start = 0
        return patients.map { count in
            start += count
            return start - count..<start
        }
    }

    private static func load(_ problem: GraphProblem, _ plan: Plan) {
        for (index, slot) in plan.inputs.enumerated() {
            for (example, values) in problem.inputs[index].enumerated() {
                if slot.shape.holdsTokens {
                    slot.integers(example..<example + 1).copy(from: values.map { Int32($0) }, at: 0)
                } else {
                    slot.floats(example..<example + 1).copy(from: values, at: 0)
                }
                slot.lengths?[example] = problem.lengths[index]?[example] ?? slot.shape.sizes[0]
            }
        }
    }
}
