// SPDX-License-Identifier: Apache-2.0
// What plans and steps of images take: memory, allocations, and the library's implementations.

import AllocationCounter
import NeuralNetworks
import Tensors
import Testing

@Suite struct EngineMemoryTests {
    /// Unoptimised code allocates for its closures; the claim is about the code that ships.
    private static var isOptimized: Bool {
        #if DEBUG
        false
        #else
        true
        #endif
    }

    @Test(.enabled(if: DeepNeuralNetworkLibrary.isBuilt)) func thePlanOfLargeImagesStaysSmall() throws {
        let graph = try BenchmarkGraphs.seedCNN()
        let parameters = FloatBuffer(count: graph.parameterCount)
        let gradients = FloatBuffer(count: graph.parameterCount)
        let plan = Plan(
            graph, Plan.Options(capacity: 16, isTraining: true), parameters: parameters.floats,
            gradients: gradients.floats)
        // Scratch grows as primitives are made; part of a share needs no less of it than all.
        plan.forward(examples: 4, step: Step(dropoutKey: 1, firstExample: 0, batchExamples: 4))
        plan.backward(examples: 4)
        #expect(plan.byteCount < 130_000_000, "\(plan.byteCount) bytes")
    }

    // With the portable kernels: oneDNN allocates a table of arguments in every call.
    @Test(.enabled(if: isOptimized), arguments: [false, true]) func aSteadyStepOfImagesAllocatesNothing(
        isPrivate: Bool
    ) throws {
        let norm: any Layer = isPrivate ? GroupNorm(2) : BatchNorm(relu: true)
        let graph = try Graph(
            input: Shape([2, 8, 8]),
            layers: [
                Convolve.twoD(4, kernel: 3, padding: .same), norm, Pool.max2D(2), Dropout(0.2),
                Convolve.twoD(6, kernel: 3, activation: .gelu), Reshape.flatten, Dense(8, activation: .tanh),
                LayerNorm(), Dense(3),
            ])
        var options = Engine.Options(batchSize: 8, threads: 1)
        (options.kernels, options.isPrivate, options.largestPatient) = (.portable, isPrivate, 3)
        let engine = try Engine(graph, objective: Objective(SoftmaxCrossEntropy()), options)
        engine.parameters.copy(from: graph.initialParameters(seed: 3), at: 0)
        try engine.prepare(
            .adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0), noiseKey: .init(repeating: 7, count: 32))
        let examples = Examples(
            count: 8, inputs: [.floats((0..<8 * 128).map { Float($0 % 13) / 6 - 1 })],
            targets: [(0..<8).map { Float($0 % 3) }])
        let rows = (0..<Int32(8)).map { $0 }
        let patients = [0..<3, 3..<4, 4..<6, 6..<8]
        let fewPatients = [0..<3, 3..<4, 4..<5]
        var update = StepUpdate(rate: 0.01, step: 0)
        if isPrivate { update.privacy = (bound: 1, noise: 0.5, expectedPatients: 4) }
        func step(_ number: Int) {
            update.step = number
            // Full batches and the short last one of an epoch.
            let isFull = number % 3 != 2
            _ = engine.step(
                rows[0..<(isFull ? 8 : 5)], of: examples, dropoutKey: UInt64(number),
                patients: isPrivate && number % 2 == 0 ? (isFull ? patients : fewPatients) : nil, update)
        }
        for number in 0..<6 { step(number) }
        let before = consilium_allocations_of_this_thread()
        for number in 6..<12 { step(number) }
        #expect(consilium_allocations_of_this_thread() - before == 0)
    }

    /// Several passes, an average, frozen layers, rates by layer and a clipped norm.
    @Test(.enabled(if: isOptimized)) func aSteadyStepWithAllExtrasAllocatesNothing() throws {
        let graph = try Graph(
            input: Shape([2, 8, 8]),
            layers: [
                Convolve.twoD(4, kernel: 3, padding: .same), BatchNorm(relu: true), Reshape.flatten, Dense(6), Dense(3),
            ]
        ).applying(LayerRates(["1": 0, "3": 0.5]))
        var options = Engine.Options(batchSize: 4, threads: 1)
        options.kernels = .portable
        let engine = try Engine(graph, objective: Objective(SoftmaxCrossEntropy()), options)
        engine.parameters.copy(from: graph.initialParameters(seed: 3), at: 0)
        try engine.prepare(
            .lamb(beta1: 0.9, beta2: 0.999, epsilon: 1e-6, weightDecay: 0.01), averageDecay: 0.9)
        let examples = Examples(
            count: 10, inputs: [.floats((0..<10 * 128).map { Float($0 % 13) / 6 - 1 })],
            targets: [(0..<10).map { Float($0 % 3) }])
        let rows = (0..<Int32(10)).map { $0 }
        var update = StepUpdate(rate: 0.01, step: 0)
        update.largestNorm = 0.1
        func step(_ number: Int) {
            update.step = number
            _ = engine.step(rows[...], of: examples, dropoutKey: UInt64(number), update)
        }
        for number in 0..<3 { step(number) }
        let before = consilium_allocations_of_this_thread()
        for number in 3..<8 { step(number) }
        #expect(consilium_allocations_of_this_thread() - before == 0)
    }

    @Test(
        .enabled(if: DeepNeuralNetworkLibrary.isBuilt), arguments: BenchmarkGraphs.names,
        [Precision.float32, .bfloat16])
    func noPrimitiveIsALibrarysReferenceOne(name: String, precision: Precision) throws {
        let graph = try BenchmarkGraphs.graph(name)
        var options = Engine.Options(batchSize: 2, threads: 1)
        (options.precision, options.allowsEmulation) = (precision, true)
        let engine = try Engine(graph, objective: Objective(SoftmaxCrossEntropy()), options)
        for place in 0..<graph.parameterCount { engine.parameters[place] = Float(place % 7) / 100 - 0.03 }
        try engine.prepare(.sgd(momentum: 0, nesterov: false, weightDecay: 0))
        let shape = graph.inputShapes[0]
        let input: Examples.Values =
            shape.holdsTokens
            ? .tokens((0..<2 * shape.count).map { Int32($0 % 50) })
            : .floats((0..<2 * shape.count).map { Float($0 % 13) / 6 - 1 })
        let loss = engine.step(
            [0, 1], of: Examples(count: 2, inputs: [input], targets: [[0, 1]]), dropoutKey: 1,
            StepUpdate(rate: 0.01, step: 0))
        #expect(loss.isFinite)
        let slow = engine.implementations.filter { $0.contains("ref") }
        #expect(slow.isEmpty, "\(slow) of \(engine.implementations)")
    }
}
