// SPDX-License-Identifier: Apache-2.0
// Training at its edges: values that are no numbers, data without anything to learn, shares without examples.

import Foundation
import NeuralNetworks
import Tensors
import Testing

@Suite struct FaultTests {
    private static let sgd = OptimizerSpecification.sgd(momentum: 0, nesterov: false, weightDecay: 0)

    private static func values(_ count: Int, _ seed: Int = 1) -> [Float] {
        (0..<count).map { Float((($0 + seed) * 2_654_435_761) % 10_007) / 5_003 - 1 }
    }

    /// Convolution, ReLU and max pooling, where kernels may lose a NaN.
    private static func convolutional() throws -> Graph {
        try Graph(
            input: Shape([3, 9, 9]),
            layers: [
                Convolve.twoD(16, kernel: 3, activation: .relu), Pool.max2D(2), Reshape.flatten,
                Dense(8, activation: .relu), Dense(3),
            ])
    }

    private static func images(_ graph: Graph, _ count: Int = 6) -> Examples {
        Examples(
            count: count, inputs: [.floats(values(count * graph.inputShapes[0].count))],
            targets: [(0..<count).map { Float($0 % 3) }])
    }

    private static func train(
        _ graph: Graph, _ examples: Examples, parameters: [Float]? = nil, loss: any Loss = SoftmaxCrossEntropy(),
        steps: Int = 2, kernels: KernelSet
    ) throws -> (summary: TrainingSummary, parameters: [Float]) {
        var parameters = parameters ?? graph.initialParameters(seed: 1)
        let summary = try Trainer(graph, objective: Objective(loss), kernels: kernels).run(
            parameters: &parameters, examples: examples,
            plan: LocalTraining(optimizer: sgd, learningRate: 0.1, batchSize: 4, steps: steps),
            order: BatchOrder(seed: 1, round: 0), totalGlobalSteps: steps)
        return (summary, parameters)
    }

    // MARK: Values that are no numbers

    @Test(arguments: KernelSet.all, [Float.nan, .infinity, -.infinity]) func anInputThatIsNoNumberIsRefused(
        kernels: KernelSet, value: Float
    ) throws {
        let graph = try Self.convolutional()
        var examples = Self.images(graph)
        var pixels = Self.values(6 * 243)
        pixels[2 * 243 + 100] = value
        examples.inputs = [.floats(pixels)]
        #expect(throws: ExampleError.notFinite(input: 0, example: 2)) {
            try Self.train(graph, examples, kernels: kernels)
        }
    }

    @Test(arguments: KernelSet.all, [Float.nan, .infinity]) func aParameterThatIsNoNumberIsRefused(
        kernels: KernelSet, value: Float
    ) throws {
        let graph = try Self.convolutional()
        for slice in graph.slices {
            var parameters = graph.initialParameters(seed: 1)
            parameters[slice.offset + slice.count / 2] = value
            #expect(throws: TrainingError.nonFiniteParameters, "\(slice.name)") {
                try Self.train(graph, Self.images(graph), parameters: parameters, kernels: kernels)
            }
        }
    }

    // What kernels lose on the way to the loss, the parameters still show: no optimiser makes a number of a NaN.
    @Test(arguments: KernelSet.all) func aParameterThatStopsBeingANumberIsNoticed(kernels: KernelSet) throws {
        let graph = try Self.convolutional()
        var correction = [Float](repeating: 0, count: graph.parameterCount)
        correction[3] = 3e38
        var parameters = graph.initialParameters(seed: 1)
        #expect(throws: TrainingError.self) {
            try Trainer(graph, objective: Objective(SoftmaxCrossEntropy()), kernels: kernels).run(
                parameters: &parameters, examples: Self.images(graph),
                plan: LocalTraining(optimizer: Self.sgd, learningRate: 10, batchSize: 4, steps: 3),
                order: BatchOrder(seed: 1, round: 0), totalGlobalSteps: 3, correction: correction)
        }
    }

    // MARK: Examples that do not fit

    @Test func labelsAndTokensOutOfRangeAreRefused() throws {
        let graph = try Self.convolutional()
        for label in [Float(3), -2, 0.5, .nan] {
            var examples = Self.images(graph)
            examples.targets[0][4] = label
            #expect(throws: ExampleError.targetOutOfRange(term: 0, example: 4)) {
                try Self.train(graph, examples, kernels: .portable)
            }
        }
        let text = try Graph(input: .tokens(3), layers: [Embedding(5, width: 4), MeanOverTime(), Dense(3)])
        for token in [Int32(5), -1, .max] {
            let examples = Examples(
                count: 2, inputs: [.tokens([0, 1, 2, 3, token, 4])], targets: [[0, 1]])
            #expect(throws: ExampleError.tokenOutOfRange(input: 0, example: 1, vocabulary: 5)) {
                try Self.train(text, examples, kernels: .portable)
            }
        }
    }

    @Test func sequencesWithoutStepsTrain() throws {
        for layer in [LSTM(4), GRU(4, bidirectional: true), RNN(4)] as [any Layer] {
            let graph = try Graph(input: .tokens(3), layers: [Embedding(5, width: 4), layer, LastStep(), Dense(3)])
            let examples = Examples(
                count: 4, inputs: [.tokens(.init(repeating: 1, count: 12))], lengths: [[0, 0, 0, 0]],
                targets: [[0, 1, 2, 0]])
            let (summary, parameters) = try Self.train(graph, examples, kernels: .portable)
            let start = graph.initialParameters(seed: 1)
            // Only the last bias learns.
            #expect(summary.meanLoss.isFinite && parameters.dropLast(3) == start.dropLast(3))
            #expect(parameters.suffix(3) != start.suffix(3))
        }
    }

    @Test(arguments: KernelSet.all) func targetsThatAreAllIgnoredTeachNothing(kernels: KernelSet) throws {
        let graph = try Self.convolutional()
        var examples = Self.images(graph)
        examples.targets = [.init(repeating: -1, count: 6)]
        let (summary, parameters) = try Self.train(graph, examples, kernels: kernels)
        #expect(summary.meanLoss == 0 && parameters == graph.initialParameters(seed: 1))
    }

    @Test(arguments: KernelSet.all) func constantColumnsTrain(kernels: KernelSet) throws {
        let graph = try Graph(
            input: Shape([4]),
            layers: [BatchNorm(), Dense(6, activation: .tanh), LayerNorm(), Dense(16), BatchNorm(relu: true), Dense(3)])
        for value in [Float(0), 7, 1e6] {
            let examples = Examples(
                count: 6, inputs: [.floats(.init(repeating: value, count: 24))], targets: [[0, 1, 2, 0, 1, 2]])
            let (summary, _) = try Self.train(graph, examples, steps: 20, kernels: kernels)
            #expect(summary.meanLoss.isFinite && summary.meanLoss < 3)
        }
        let one = Examples(count: 1, inputs: [.floats([1, 2, 3, 4])], targets: [[1]])
        #expect(try Self.train(graph, one, kernels: kernels).summary.meanLoss.isFinite, "a batch of one")
    }

    // MARK: Models that do not fit

    @Test func whatDoesNotFitNamesTheLayer() throws {
        func problem(_ shape: Shape, _ layers: [any Layer]) -> ShapeError? {
            #expect(throws: ShapeError.self) { try Graph(input: shape, layers: layers) }
        }
        let convolution = problem(Shape([1, 6, 6]), [Pool.max2D(2), Convolve.twoD(4, kernel: 5)])
        #expect(convolution?.layer == "1" && convolution?.problem.contains("the image must be larger") == true)
        let pool = problem(Shape([1, 2, 2]), [Pool.max2D(3)])
        #expect(pool?.layer == "0" && pool?.problem.contains("the map must be larger") == true)
        var builder = GraphBuilder()
        let input = builder.input(Shape([1 << 20]))
        let large = #expect(throws: ShapeError.self) { try builder.add("large", Dense(1 << 20), input) }
        #expect(large?.layer == "large" && large?.problem.contains("parameters") == true)
    }

    @Test func privateTrainingRefusesWhatMixesPatients() throws {
        var options = Engine.Options(batchSize: 4, threads: 1)
        options.isPrivate = true
        let normalized = try Graph(input: Shape([4]), layers: [Dense(4), BatchNorm(), Dense(3)])
        let layer = #expect(throws: ShapeError.self) {
            try Engine(normalized, objective: Objective(SoftmaxCrossEntropy()), options)
        }
        #expect(layer?.layer == "1")
        let plain = try Graph(input: Shape([4]), layers: [Dense(1)])
        let loss = #expect(throws: ShapeError.self) {
            try Engine(plain, objective: Objective(CoxPartialLikelihood()), options)
        }
        #expect(loss?.layer == "loss")
    }

    // Dropout and reshaping hand their input's memory on: each output is still predicted by its own loss.
    @Test(arguments: KernelSet.all) func outputsOfOneMemoryArePredictedApart(kernels: KernelSet) throws {
        let nodes = [
            Node("dense", Dense(3), inputs: [0]), Node("dropout", Dropout(0.5), inputs: [1]),
            Node("reshape", Reshape([3]), inputs: [1]),
        ]
        let graph = try Graph(inputs: [Shape([2])], nodes: nodes, outputs: [1, 2, 3])
        let objective = Objective([
            Objective.Term(output: 0, SoftmaxCrossEntropy()), Objective.Term(output: 1, SoftmaxCrossEntropy()),
        ])
        let predictor = try Predictor(graph, objective: objective, examples: 4, threads: 1, kernels: kernels)
        let predictions = predictor.predictions(
            graph.initialParameters(seed: 1), Examples(count: 4, inputs: [.floats(Self.values(8))]))
        let logits = predictions[2]
        for example in 0..<4 {
            let own = logits[3 * example..<3 * example + 3].map { Double($0) }
            let exponentials = own.map { exp($0) }
            let expected = exponentials.map { $0 / exponentials.reduce(0, +) }
            for output in 0..<2 {
                let actual = Array(predictions[output][3 * example..<3 * example + 3])
                #expect(Closeness.distance(actual, expected) < 1e-5, "output \(output)")
            }
        }
    }
}
