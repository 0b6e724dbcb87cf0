// SPDX-License-Identifier: Apache-2.0
// What suites of layers share: seeded values, central differences through a plan, and clipping by patient.

import AllocationCounter
import NeuralNetworks
import Randomness
import Tensors
import Testing

/// Checks of a graph against itself.
enum LayerChecks {
    /// `count` seeded values in −1 ..< 1.
    static func values(_ count: Int, _ stream: String) -> [Float] {
        var generator = SeededGenerator(seed: 11, stream: stream)
        return (0..<count).map { _ in 2 * generator.uniformFloat() - 1 }
    }

    static func doubles(_ values: [Float]) -> [Double] { values.map { Double($0) } }

    /// Seeded values of every tensor: those a study starts from, and none of them zero.
    static func parameters(_ graph: Graph) -> [String: [Float]] {
        let flat = graph.initialParameters(seed: 3)
        return .init(
            uniqueKeysWithValues: graph.slices.map { slice in
                let own = flat[slice.offset..<slice.offset + slice.count]
                return (slice.name, zip(own, values(slice.count, slice.name)).map { $0 + 0.1 * $1 })
            })
    }

    /// Values for every input of a graph; token numbers below `vocabulary` for tokens.
    static func inputs(_ graph: Graph, examples: Int, vocabulary: Int = 7) -> [[Float]] {
        graph.inputShapes.enumerated().map { place, shape in
            let own = values(examples * shape.count, "input \(place)")
            return shape.holdsTokens ? own.map { (($0 + 1) / 2 * Float(vocabulary)).rounded(.down) } : own
        }
    }

    /// A graph of one block.
    static func graph(_ inputs: [Shape], _ block: any Block) throws -> Graph {
        var builder = GraphBuilder()
        let edges = inputs.map { builder.input($0) }
        let output = try block.build(&builder, name: "b", inputs: edges)
        return try builder.graph(outputs: [output])
    }

    /// The gradient of every tensor and input along a seeded direction against the central difference of
    /// Σ output·cotangent along it, in float32; a frozen tensor has no gradient.
    static func slopesAgree(
        _ graph: Graph, examples: Int, lengths: [Int]? = nil, kernels: KernelSet, step: Step? = nil
    ) {
        let (parameters, inputs) = (parameters(graph), inputs(graph, examples: examples))
        let cotangent = values(examples * graph.shapes[graph.outputs[0]].count, "dy")
        func run(_ parameters: [String: [Float]], _ inputs: [[Float]]) -> PlanRun {
            PlanRun(
                graph, parameters: parameters, inputs: inputs, lengths: lengths, cotangent: cotangent,
                examples: examples, kernels: kernels, step: step)
        }
        func loss(_ run: PlanRun) -> Double {
            zip(run.outputs, cotangent).reduce(0) { $0 + Double($1.0) * Double($1.1) }
        }
        /// `lossAfter` is the loss with a change added to what the gradient belongs to.
        func agrees(_ name: String, _ gradient: [Float], _ lossAfter: (_ change: [Float]) -> Double) {
            let direction = values(gradient.count, "direction of " + name)
            let slope = zip(gradient, direction).reduce(0) { $0 + Double($1.0) * Double($1.1) }
            let size = gradient.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
            let measured = 128 * (lossAfter(direction.map { $0 / 256 }) - lossAfter(direction.map { -$0 / 256 }))
            #expect(abs(slope - measured) <= 2e-3 * size + 1e-3, "\(name): \(slope), measured \(measured), \(kernels)")
        }
        func sum(_ values: [Float], _ change: [Float]) -> [Float] { zip(values, change).map { $0 + $1 } }
        let here = run(parameters, inputs)
        for (name, gradient) in here.gradients {
            guard !here.frozen.contains(name) else {
                #expect(gradient.allSatisfy { $0 == 0 }, "\(name) is frozen")
                continue
            }
            agrees(name, gradient) { change in
                var moved = parameters
                moved[name] = sum(parameters[name] ?? [], change)
                return loss(run(moved, inputs))
            }
        }
        for (place, gradient) in here.inputGradients.enumerated() where !gradient.isEmpty {
            agrees("input \(place)", gradient) { change in
                var moved = inputs
                moved[place] = sum(inputs[place], change)
                return loss(run(parameters, moved))
            }
        }
    }

    /// Six examples of three patients in private mode against plain passes over each patient's examples.
    ///
    /// - Precondition: The graph has one input and as many outputs as classes.
    static func patientsAreClippedAsWholes(_ graph: Graph, lengths: [Int]? = nil, kernels: KernelSet) {
        let (parameters, patients) = (parameters(graph), [1, 3, 2])
        let (x, count) = (inputs(graph, examples: 6)[0], graph.inputShapes[0].count)
        let classes = graph.shapes[graph.outputs[0]].count
        func run(bound: Double) -> PatientRun {
            PatientRun(
                graph, parameters: parameters, inputs: x, lengths: lengths, targets: [0, 1, 2, 2, 1, 0],
                rowsOfPatients: patients, bound: bound, capacity: 8, kernels: kernels)
        }
        func plain(_ cotangent: [Float], _ rows: Range<Int>) -> [String: [Float]] {
            PlanRun(
                graph, parameters: parameters, inputs: [Array(x[rows.lowerBound * count..<rows.upperBound * count])],
                lengths: lengths.map { Array($0[rows]) },
                cotangent: Array(cotangent[rows.lowerBound * classes..<rows.upperBound * classes]),
                examples: rows.count, kernels: kernels,
                step: Step(dropoutKey: 1, firstExample: rows.lowerBound, batchExamples: 6)
            ).gradients
        }
        let unclipped = run(bound: .infinity)
        for (name, values) in plain(unclipped.cotangent, 0..<6) {
            #expect(GoldenVectors.agree(unclipped.clippedSum[name] ?? [], doubles(values)), "\(name) unclipped")
        }
        let bound = unclipped.norms.sorted()[1]
        let clipped = run(bound: bound)
        var (sums, start): ([String: [Double]], Int) = ([:], 0)
        for (patient, count) in patients.enumerated() {
            let own = plain(unclipped.cotangent, start..<start + count)
            start += count
            let norm = own.values.joined().reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
            #expect(abs(clipped.norms[patient] - norm) <= 1e-4 * norm, "norm of patient \(patient)")
            for (name, values) in own {
                let sum = sums[name] ?? .init(repeating: 0, count: values.count)
                sums[name] = zip(sum, values).map { $0 + min(1, bound / norm) * Double($1) }
            }
        }
        for (name, sum) in sums {
            #expect(GoldenVectors.agree(clipped.clippedSum[name] ?? [], sum), "\(name) clipped")
        }
    }

    /// Steps over full batches and the short last one of an epoch, plain and private, with lengths from 0 to 6.
    ///
    /// With the portable kernels: oneDNN allocates a table of arguments in every call.
    static func steadyStepAllocatesNothing(_ graph: Graph) {
        let parameters = FloatBuffer(count: graph.parameterCount)
        let gradients = FloatBuffer(count: graph.parameterCount)
        let runs = [0..<3, 3..<4, 4..<5, 5..<8]
        for isPrivate in [false, true] {
            var options = Plan.Options(capacity: 8, isTraining: true)
            (options.isPrivate, options.largestPatient, options.kernels) = (isPrivate, 3, .portable)
            let plan = Plan(graph, options, parameters: parameters.floats, gradients: gradients.floats)
            let patients = Patients()
            func step(_ examples: Int) {
                for example in 0..<examples { plan.inputs[0].lengths?[example] = (example * 5) % 7 }
                plan.forward(
                    examples: examples, step: Step(dropoutKey: 1, firstExample: 0, batchExamples: examples))
                guard isPrivate else { return plan.backward(examples: examples) }
                patients.begin(runs.prefix { $0.upperBound <= examples })
                plan.backwardPrivately(examples: examples, patients: patients)
                patients.clip(to: 1)
                plan.addClipped(examples: examples, patients: patients)
            }
            // Full batches and the short last one of an epoch.
            for examples in [8, 5] { step(examples) }
            let before = consilium_allocations_of_this_thread()
            for examples in [8, 5, 8] { step(examples) }
            #expect(consilium_allocations_of_this_thread() - before == 0, "private: \(isPrivate)")
        }
    }
}
