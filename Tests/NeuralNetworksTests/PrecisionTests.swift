// SPDX-License-Identifier: Apache-2.0
// Models that read bfloat16 against the same in float32: layers, clipped sums, training.

import AllocationCounter
import NeuralNetworks
import Tensors
import Testing

@Suite struct PrecisionTests {
    /// ‖values − expected‖ ÷ ‖expected‖.
    private static func relativeError(_ values: [Float], _ expected: [Double]) -> Double {
        let error = zip(values, expected).reduce(0) { $0 + (Double($1.0) - $1.1) * (Double($1.0) - $1.1) }
        return (error / expected.reduce(0) { $0 + $1 * $1 }).squareRoot()
    }

    /// A layer as large as the library's products are, with its input.
    struct Sample: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let input: Shape
        let layers: [any Layer]
        var readsBfloat16 = true
    }

    private static let samples = [
        Sample(testDescription: "dense", input: Shape([200]), layers: [Dense(300, activation: .gelu)]),
        Sample(testDescription: "narrow dense", input: Shape([6]), layers: [Dense(5)], readsBfloat16: false),
        // So large that the plan takes an example or two at a time.
        Sample(testDescription: "dense over images", input: Shape([8, 128, 128]), layers: [Dense(128)]),
        Sample(
            testDescription: "convolutions", input: Shape([3, 24, 24]),
            // Without ReLU and max pooling, which send a gradient elsewhere when a value rounds past another.
            layers: [
                Convolve.twoD(16, kernel: 3, activation: .tanh), Convolve.twoD(32, kernel: 3), Reshape.flatten,
                Dense(10),
            ]),
        Sample(testDescription: "LSTM", input: Shape([9, 64]), layers: [LSTM(96)]),
        Sample(testDescription: "GRU", input: Shape([9, 64]), layers: [GRU(96, bidirectional: true)]),
        Sample(testDescription: "attention", input: Shape([40, 64]), layers: [MultiHeadAttention(2)]),
        Sample(
            testDescription: "adapted dense", input: Shape([200]),
            layers: [Dense(300, activation: .gelu, adapter: Adapter(rank: 40, alpha: 40))]),
        Sample(
            testDescription: "adapted attention", input: Shape([40, 64]),
            layers: [MultiHeadAttention(2, adapter: AttentionAdapter(rank: 8, alpha: 4))]),
    ]

    private static let examples = 24

    private static func run(_ sample: Sample, _ precision: Precision) throws -> PlanRun {
        let graph = try Graph(input: sample.input, layers: sample.layers)
        let examples = sample.input.count > 100_000 ? 5 : examples
        return PlanRun(
            graph, parameters: LayerChecks.parameters(graph), inputs: LayerChecks.inputs(graph, examples: examples),
            cotangent: LayerChecks.values(examples * graph.shapes[graph.outputs[0]].count, "dy"), examples: examples,
            precision: precision)
    }

    @Test(arguments: samples)
    func layersAreNearFloat32(_ sample: Sample) throws {
        let (exact, run) = (try Self.run(sample, .float32), try Self.run(sample, .bfloat16))
        func check(_ values: [Float], _ expected: [Float], _ what: String) {
            let error = Self.relativeError(values, LayerChecks.doubles(expected))
            #expect(error < 1e-2, "\(what)")
            if DeepNeuralNetworkLibrary.hasBfloat16, !sample.readsBfloat16 { #expect(error == 0, "\(what)") }
        }
        check(run.outputs, exact.outputs, "output")
        check(run.inputGradient, exact.inputGradient, "input gradient")
        for (name, gradient) in run.gradients where !run.frozen.contains(name) {
            check(gradient, exact.gradients[name] ?? [], name)
        }
        let references = [run, exact].map { $0.implementations.count { $0.hasPrefix("ref") } }
        // The gradient of an image of three channels, which nobody trains with, has nothing else.
        #expect(references[0] <= references[1])
        if DeepNeuralNetworkLibrary.hasBfloat16 {
            #expect(run.implementations.contains { $0.contains("bf16") } == sample.readsBfloat16)
        }
    }

    // MARK: Clipping

    /// What is added for a patient may be longer than the bound by no more than float32 rounds, or the noise is too
    /// small for it: the norm must be that of the very gradient.
    @Test(arguments: samples)
    func clippedSumsKeepTheBound(_ sample: Sample) throws {
        let graph = try Graph(input: sample.input, layers: sample.layers + [Reshape.flatten, Dense(3)])
        let examples = sample.input.count > 100_000 ? 4 : Self.examples
        let inputs = LayerChecks.inputs(graph, examples: examples)[0]
        for rows in [1, examples / 2] {
            for patient in 0..<min(examples / rows, 3) {
                let width = rows * sample.input.count
                let run = PatientRun(
                    graph, parameters: LayerChecks.parameters(graph),
                    inputs: Array(inputs[patient * width..<(patient + 1) * width]),
                    targets: (0..<rows).map { $0 % 3 }, rowsOfPatients: [rows], bound: 0.01, kernels: .fastest,
                    precision: .bfloat16)
                let square = run.clippedSum.values.joined().reduce(0) { $0 + Double($1) * Double($1) }
                #expect(run.norms[0] > 0.01 && abs(square.squareRoot() / 0.01 - 1) < 2e-5, "\(rows) rows")
            }
        }
    }

    // MARK: Training

    /// Points of three classes on noisy rings, written as `width` products of sines.
    private static func examples(_ count: Int, _ shape: Shape) -> Examples {
        let classes = (0..<count).map { $0 % 3 }
        let noise = LayerChecks.values(count * shape.count, "noise")
        let values = (0..<count * shape.count).map { place -> Float in
            let (example, feature) = (place / shape.count, place % shape.count)
            let pattern = Float((feature * (7 + 4 * classes[example])) % 13) / 6.5 - 1
            return 0.25 * pattern + noise[place]
        }
        return Examples(count: count, inputs: [.floats(values)], targets: [classes.map { Float($0) }])
    }

    /// The mean loss of the last ten of `steps` steps, and the allocations of the last one.
    private static func train(
        _ graph: Graph, _ precision: Precision, steps: Int, isPrivate: Bool = false
    ) throws -> (loss: Double, allocations: Int, implementations: [String]) {
        let examples = examples(192, graph.inputShapes[0])
        var options = Engine.Options(batchSize: 64, threads: 1)
        (options.precision, options.allowsEmulation, options.isPrivate) = (precision, true, isPrivate)
        let engine = try Engine(graph, objective: Objective(SoftmaxCrossEntropy()), options)
        engine.parameters.copy(from: graph.initialParameters(seed: 5), at: 0)
        try engine.prepare(.adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0))
        let rows = (0..<Int32(192)).map { $0 }
        var (loss, allocations) = (0.0, 0)
        for step in 0..<steps {
            var update = StepUpdate(rate: 1e-3, step: step)
            if isPrivate { update.privacy = (bound: 1, noise: 0, expectedPatients: 64) }
            let batch = rows[step % 3 * 64..<(step % 3 + 1) * 64]
            let before = consilium_allocations_of_this_thread()
            let value = engine.step(batch, of: examples, dropoutKey: 0, update)
            allocations = consilium_allocations_of_this_thread() - before
            if step >= steps - 10 { loss += value / 10 }
        }
        return (loss, allocations, engine.implementations)
    }

    private static func perceptron() throws -> Graph {
        try Graph(
            input: Shape([150]), layers: [Dense(192, activation: .relu), Dense(160, activation: .relu), Dense(3)])
    }

    private static func images() throws -> Graph {
        try Graph(
            input: Shape([1, 16, 16]),
            layers: [
                Convolve.twoD(16, kernel: 3, padding: .same, activation: .relu), Pool.max2D(2),
                Convolve.twoD(32, kernel: 3, padding: .same, activation: .relu), Pool.max2D(2), Reshape.flatten,
                Dense(3),
            ])
    }

    /// From ln 3 = 1.1 both come to about the same loss: within 5 %, or 0.01 where little is left.
    @Test(arguments: [false, true])
    func trainingReachesTheLossOfFloat32(isPrivate: Bool) throws {
        guard DeepNeuralNetworkLibrary.isBuilt else { return }
        for (graph, steps) in [(try Self.perceptron(), 40), (try Self.images(), 60)] {
            let exact = try Self.train(graph, .float32, steps: steps, isPrivate: isPrivate)
            let (loss, _, implementations) = try Self.train(graph, .bfloat16, steps: steps, isPrivate: isPrivate)
            #expect(exact.loss < 0.8, "float32 learns: \(exact.loss)")
            #expect(abs(loss - exact.loss) <= max(0.05 * exact.loss, 0.01), "\(loss), not \(exact.loss)")
            guard DeepNeuralNetworkLibrary.hasBfloat16 else { continue }
            #expect(loss != exact.loss && !implementations.contains { $0.hasPrefix("ref") })
        }
    }

    /// The library allocates some memory each time it runs a primitive; conversion adds none.
    @Test func conversionAllocatesNothing() throws {
        guard DeepNeuralNetworkLibrary.hasBfloat16 else { return }
        let graph = try Self.perceptron()
        let counts = try [Precision.float32, .bfloat16].map { try Self.train(graph, $0, steps: 12).allocations }
        #expect(counts[1] <= counts[0])
    }

    @Test func enginesRefuseWhatTheyCannotCompute() throws {
        var options = Engine.Options(batchSize: 4, threads: 1)
        (options.precision, options.kernels) = (.bfloat16, .portable)
        let graph = try Self.perceptron()
        #expect(throws: PrecisionError.needsLibrary) {
            _ = try Engine(graph, objective: Objective(SoftmaxCrossEntropy()), options)
        }
        options.kernels = .fastest
        let expected: PrecisionError? =
            !DeepNeuralNetworkLibrary.isBuilt
            ? .needsLibrary : DeepNeuralNetworkLibrary.hasBfloat16 ? nil : .needsProcessor
        #expect(
            (try? Engine(graph, objective: Objective(SoftmaxCrossEntropy()), options)) == nil
                ? expected != nil
                : expected == nil)
    }
}
