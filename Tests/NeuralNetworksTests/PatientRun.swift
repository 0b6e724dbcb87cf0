// SPDX-License-Identifier: Apache-2.0
// One private pass of a compiled model over given examples, for tests of clipped sums.

import NeuralNetworks
import Tensors

/// The norms and the clipped sum of one private pass.
struct PatientRun {
    var norms: [Double] = []
    /// Σ over the patients of their clipped gradients, for every named tensor.
    var clippedSum: [String: [Float]] = [:]
    /// ∂loss/∂output of every example.
    var cotangent: [Float]

    /// Runs `graph` with softmax cross entropy, each loss unscaled.
    ///
    /// - Parameters:
    ///   - inputs: The values of the only input; token numbers for tokens.
    ///   - lengths: The lengths of the sequences; nil: all padded lengths.
    ///   - targets: One class per example.
    ///   - rowsOfPatients: How many examples each patient has, in order.
    init(
        _ graph: Graph, parameters: [String: [Float]], inputs: [Float], lengths: [Int]? = nil, targets: [Int],
        rowsOfPatients: [Int], bound: Double, capacity: Int? = nil, kernels: KernelSet,
        precision: Precision = .float32
    ) {
        let flat = FloatBuffer(count: graph.parameterCount)
        let gradient = FloatBuffer(count: graph.parameterCount)
        for slice in graph.slices {
            for (place, value) in (parameters[slice.name] ?? []).enumerated() {
                flat.floats[slice.offset + place] = value
            }
        }
        var options = Plan.Options(capacity: capacity ?? targets.count, isTraining: true)
        (options.isPrivate, options.kernels, options.precision) = (true, kernels, precision)
        options.largestPatient = rowsOfPatients.max() ?? 1
        let plan = Plan(graph, options, parameters: flat.floats, gradients: gradient.floats)
        let range = 0..<targets.count
        for (place, value) in inputs.enumerated() {
            if plan.inputs[0].shape.holdsTokens {
                plan.inputs[0].integers(range)[place] = Int32(value)
            } else {
                plan.inputs[0].floats(range)[place] = value
            }
        }
        for example in range {
            plan.inputs[0].lengths?[example] = lengths?[example] ?? plan.inputs[0].shape.sizes[0]
        }
        plan.forward(
            examples: targets.count, step: Step(dropoutKey: 1, firstExample: 0, batchExamples: targets.count))
        // dz = softmax(z) − [j = t]
        let (z, dz) = (plan.outputs[0], plan.outputGradients[0])
        Softmax.forward(z.floats(range), columns: z.count, into: dz.floats(range))
        for (example, target) in targets.enumerated() { dz.floats(range)[example * z.count + target] -= 1 }
        cotangent = dz.floats(range).array
        let patients = Patients()
        var start = 0
        patients.begin(
            rowsOfPatients.map { rows in
                start += rows
                return start - rows..<start
            })
        plan.backwardPrivately(examples: targets.count, patients: patients)
        patients.clip(to: bound)
        plan.addClipped(examples: targets.count, patients: patients)
        norms = patients.squaredNorms.map { $0.squareRoot() }
        for slice in graph.slices {
            clippedSum[slice.name] = gradient.floats[slice.offset..<slice.offset + slice.count].array
        }
    }
}
