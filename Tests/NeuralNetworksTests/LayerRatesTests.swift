// SPDX-License-Identifier: Apache-2.0
// Layers with rates of their own and frozen ones, against plain formulas in double.

import NeuralNetworks
import Tensors
import Testing

@Suite struct LayerRatesTests {
    private typealias Distance = EngineTests.Distance

    /// Layers 0, 1, 4 and 6 have parameters.
    private static func graph(_ factors: [String: Double] = [:]) throws -> Graph {
        try Graph(
            input: Shape([2, 8, 8]),
            layers: [
                Convolve.twoD(4, kernel: 3, padding: .same), BatchNorm(relu: true), Pool.max2D(2), Reshape.flatten,
                Dense(8, activation: .tanh), LayerNorm(), Dense(3),
            ]
        ).applying(LayerRates(factors))
    }

    /// The parameters after one step, and what came before.
    private static func step(
        _ graph: Graph, _ optimizer: OptimizerSpecification, rate: Double, clip: Double? = nil, threads: Int = 2,
        steps: Int = 1
    ) throws -> (before: [Float], after: [Float], loss: Double) {
        var options = Engine.Options(batchSize: 12, threads: threads)
        (options.usesAllThreads, options.kernels) = (true, .portable)
        let engine = try Engine(graph, objective: Objective(Distance()), options)
        var before = graph.initialParameters(seed: 3)
        // No tensor of zeros, and running statistics as after some steps.
        for place in before.indices { before[place] += 0.03 * Float(place % 5) }
        engine.parameters.copy(from: before, at: 0)
        try engine.prepare(optimizer)
        var loss = 0.0
        for number in 0..<steps {
            var update = StepUpdate(rate: rate, step: number)
            update.largestNorm = clip
            loss = engine.step(
                (0..<12).map { Int32($0) }[...], of: EngineTests.examples(12, graph: graph), dropoutKey: 1, update)
        }
        return (before, engine.parameters.array, loss)
    }

    private static func slice(_ graph: Graph, _ name: String) throws -> Range<Int> {
        let slice = try #require(graph.slices.first { $0.name == name })
        return slice.offset..<slice.offset + slice.count
    }

    private static let plain = OptimizerSpecification.sgd(momentum: 0, nesterov: false, weightDecay: 0)

    @Test func longestNameCounts() {
        let rates = LayerRates(["encoder": 0.5, "encoder.1": 2, "enc*": 0, "head": 3])
        #expect(rates.factor(of: "encoder") == 0.5 && rates.factor(of: "encoder.0.attention") == 0.5)
        #expect(rates.factor(of: "encoder.1") == 2 && rates.factor(of: "encoder.1.norm") == 2)
        #expect(rates.factor(of: "encoder.10") == 0.5 && rates.factor(of: "encoder2") == 0)
        #expect(rates.factor(of: "head") == 3 && rates.factor(of: "headache") == 1)
        #expect(LayerRates(["a": 2, "a*": 3]).factor(of: "a") == 2)
    }

    @Test func partsCoverWhatIsTrainedAndNothingElse() throws {
        let whole = try Self.graph()
        #expect(whole.trainedParts.map(\.range) == whole.trainedRanges && whole.frozenRanges.isEmpty)
        let graph = try Self.graph(["0": 0, "1": 0, "4": 0.5])
        #expect(graph.slices.map(\.offset) == whole.slices.map(\.offset))
        #expect(graph.trainedParts.map(\.rateFactor) == [0.5, 1])
        let frozen = try Self.slice(graph, "0.weight").lowerBound..<Self.slice(graph, "1.running_var").upperBound
        #expect(graph.frozenRanges == [frozen])
        #expect(graph.trainedRanges == [frozen.upperBound..<graph.parameterCount])
        #expect(graph.slices.filter(\.isFrozen).allSatisfy { $0.name.hasPrefix("0.") || $0.name.hasPrefix("1.") })
    }

    @Test(arguments: [1, 2, 3]) func aLayersStepIsTheFactorTimesThePlainOne(threads: Int) throws {
        let (rate, decay) = (0.05, 0.3)
        let base = try Self.step(Self.graph(), Self.plain, rate: 1, threads: threads)
        let graph = try Self.graph(["4": 0.25, "6": 3])
        let decayed = OptimizerSpecification.sgd(momentum: 0, nesterov: false, weightDecay: decay)
        let step = try Self.step(graph, decayed, rate: rate, threads: threads)
        for part in graph.trainedParts {
            for place in part.range {
                let w = Double(base.before[place])
                let gradient = w - Double(base.after[place]) + decay * w
                let expected = w - rate * part.rateFactor * gradient
                #expect(abs(Double(step.after[place]) - expected) < 1e-5)
            }
        }
    }

    static let optimizers: [OptimizerSpecification] = [
        .sgd(momentum: 0.9, nesterov: true, weightDecay: 0.1),
        .adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1, amsgrad: true),
        .adamW(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1),
        .rmsprop(alpha: 0.99, epsilon: 1e-8, momentum: 0.5, centered: true, weightDecay: 0.1),
        .adagrad(epsilon: 1e-10, learningRateDecay: 0.1, weightDecay: 0.1),
        .lamb(beta1: 0.9, beta2: 0.999, epsilon: 1e-6, weightDecay: 0.1),
    ]

    @Test(arguments: optimizers) func frozenLayersKeepEveryBit(_ optimizer: OptimizerSpecification) throws {
        for names in [["0", "1"], ["1", "4"], ["6"]] {
            let graph = try Self.graph(Dictionary(uniqueKeysWithValues: names.map { ($0, 0) }))
            let step = try Self.step(graph, optimizer, rate: 0.01, clip: 1, steps: 4)
            for range in graph.frozenRanges {
                #expect(step.before[range].map(\.bitPattern) == step.after[range].map(\.bitPattern))
            }
            for range in graph.trainedRanges {
                #expect(range.filter { step.before[$0] != step.after[$0] }.count > range.count / 2)
            }
        }
    }

    @Test(arguments: [1, 3]) func clippingMeasuresWhatIsTrained(threads: Int) throws {
        let graph = try Self.graph(["0": 0, "4": 0])
        let base = try Self.step(graph, Self.plain, rate: 1, threads: threads)
        let gradient = graph.trainedRanges.flatMap { $0 }.map { Double(base.before[$0]) - Double(base.after[$0]) }
        let norm = gradient.reduce(0) { $0 + $1 * $1 }.squareRoot()
        let clipped = try Self.step(graph, Self.plain, rate: 1, clip: norm / 4, threads: threads)
        for (place, slope) in zip(graph.trainedRanges.flatMap { $0 }, gradient) {
            let expected = Double(clipped.before[place]) - slope / 4
            #expect(abs(Double(clipped.after[place]) - expected) < 1e-5)
        }
    }

    /// Frozen, it does in training what it does in predictions, whose loss has central differences.
    @Test func aFrozenBatchNormalisationUsesItsRunningStatistics() throws {
        let graph = try Self.graph(["1": 0])
        let examples = EngineTests.examples(12, graph: graph)
        let step = try Self.step(graph, Self.plain, rate: 1)
        let predictor = try Predictor(
            graph, objective: Objective(Distance()), examples: 12, threads: 1, kernels: .portable)
        #expect(abs(predictor.loss(step.before, examples) - step.loss) < 1e-5 * step.loss)
        let convolution = try Self.slice(graph, "0.weight")
        let scale = convolution.map { abs(step.before[$0] - step.after[$0]) }.max() ?? 0
        for place in convolution {
            func loss(_ shift: Float) -> Double {
                var moved = step.before
                moved[place] += shift
                return predictor.loss(moved, examples)
            }
            let slope = (loss(1e-3) - loss(-1e-3)) / 2e-3
            #expect(abs(slope - Double(step.before[place] - step.after[place])) < 0.02 * Double(scale))
        }
    }

    @Test func namesThatStandForNothingAreTold() throws {
        let graph = try Self.graph()
        #expect(LayerRates.names(graph) == ["0", "1", "4", "5", "6"])
        #expect(LayerRates.name("4", isIn: graph) && !LayerRates.name("2", isIn: graph))
        #expect(LayerRates.name("*", isIn: graph) && !LayerRates.name("7", isIn: graph))
    }
}
