// SPDX-License-Identifier: Apache-2.0
// Learned weights of losses: their gradients, where they settle, workers, patients, and what a step allocates.

import AllocationCounter
import Glibc
import NeuralNetworks
import Tensors
import Testing

@Suite struct LearnedWeightsTests {
    private static let count = 12

    /// Three outputs: values with a learned weight, values with a fixed one, classes with a learned one.
    private static func objective(_ isLearned: Bool = true) -> Objective {
        Objective([
            Objective.Term(output: 0, MeanSquaredError(), weight: 2, learnsWeight: isLearned),
            Objective.Term(output: 1, Huber(), weight: 0.7),
            Objective.Term(output: 2, SoftmaxCrossEntropy(), learnsWeight: isLearned),
        ])
    }

    private static func layers() throws -> Graph {
        try Graph(
            inputs: [Shape([4])],
            nodes: [
                Node("body", Dense(5, activation: .tanh), inputs: [0]), Node("a", Dense(1), inputs: [1]),
                Node("b", Dense(1), inputs: [1]), Node("c", Dense(3), inputs: [1]),
            ], outputs: [2, 3, 4])
    }

    private static let examples = Examples(
        count: count, inputs: [.floats(RecurrentLayerTests.values(count * 4, "x"))],
        targets: [
            RecurrentLayerTests.values(count, "a").map { 3 * $0 }, RecurrentLayerTests.values(count, "b"),
            (0..<count).map { Float($0 % 3) },
        ])

    /// First parameters with both s away from 0.
    private static func start(_ graph: Graph) -> [Float] {
        var values = graph.initialParameters(seed: 5)
        #expect(values.suffix(2) == [0, 0])
        (values[graph.parameterCount - 2], values[graph.parameterCount - 1]) = (0.4, -0.3)
        return values
    }

    private static func engine(
        _ graph: Graph, _ objective: Objective, threads: Int = 1, isPrivate: Bool = false, largestPatient: Int = 1
    ) throws -> Engine {
        var options = Engine.Options(batchSize: count, threads: threads)
        (options.usesAllThreads, options.isPrivate, options.kernels) = (true, isPrivate, .portable)
        options.largestPatient = largestPatient
        let engine = try Engine(graph, objective: objective, options)
        engine.parameters.copy(from: start(graph), at: 0)
        try engine.prepare(.sgd(momentum: 0, nesterov: false, weightDecay: 0))
        return engine
    }

    private static func step(
        _ engine: Engine, rate: Double = 1, bound: Double? = nil, patients: [Range<Int>]? = nil
    ) -> Double {
        var update = StepUpdate(rate: rate, step: 0)
        if let bound { update.privacy = (bound: bound, noise: 0, expectedPatients: Double(count)) }
        return engine.step(
            (0..<Int32(count)).map { $0 }[...], of: examples, dropoutKey: 0, patients: patients, update)
    }

    private static func moved(_ engine: Engine, _ graph: Graph) -> [Double] {
        zip(start(graph), engine.parameters.array).map { Double($0) - Double($1) }
    }

    @Test func theObjectiveIsThatOfThePaper() throws {
        let graph = Self.objective().completing(try Self.layers())
        let parameters = Self.start(graph)
        func loss(_ term: Objective.Term) throws -> Double {
            let objective = Objective([term])
            return try Predictor(try Self.layers(), objective: objective, examples: Self.count, threads: 1)
                .loss(
                    Array(parameters.dropLast(2)),
                    Examples(
                        count: Self.count, inputs: Self.examples.inputs, targets: [Self.examples.targets[term.output]]))
        }
        let a = try loss(Objective.Term(output: 0, MeanSquaredError()))
        let b = try loss(Objective.Term(output: 1, Huber()))
        let c = try loss(Objective.Term(output: 2, SoftmaxCrossEntropy()))
        let expected = 2 * (0.5 * exp(-0.4) * a + 0.2) + 0.7 * b + (exp(0.3) * c - 0.15)
        let predictor = try Predictor(graph, objective: Self.objective(), examples: Self.count, threads: 1)
        #expect(abs(predictor.loss(parameters, Self.examples) - expected) <= 1e-5)
        let engine = try Self.engine(graph, Self.objective())
        #expect(abs(Self.step(engine) - expected) <= 1e-5)
        let gradient = Self.moved(engine, graph).suffix(2)
        #expect(abs(gradient[gradient.startIndex] - 2 * (0.5 - 0.5 * exp(-0.4) * a)) <= 1e-5)
        #expect(abs(gradient[gradient.startIndex + 1] - (0.5 - exp(0.3) * c)) <= 1e-5)
    }

    @Test func gradientsAreCentralDifferences() throws {
        let graph = Self.objective().completing(try Self.layers())
        let engine = try Self.engine(graph, Self.objective())
        _ = Self.step(engine)
        let gradient = Self.moved(engine, graph)
        let predictor = try Predictor(graph, objective: Self.objective(), examples: Self.count, threads: 1)
        for place in gradient.indices {
            func loss(_ change: Float) -> Double {
                var parameters = Self.start(graph)
                parameters[place] += change
                return predictor.loss(parameters, Self.examples)
            }
            let measured = 64 * (loss(1 / 128) - loss(-1 / 128))
            #expect(abs(gradient[place] - measured) <= 1e-3, "parameter \(place): \(gradient[place]), \(measured)")
        }
    }

    // Outputs are their biases: the loss of values is the variance of the targets, and so is σ² in the end.
    @Test func varianceIsLearned() throws {
        let layers = try Graph(
            inputs: [Shape([1])], nodes: [Node("a", Dense(1), inputs: [0]), Node("b", Dense(1), inputs: [0])],
            outputs: [1, 2])
        let objective = Objective((0..<2).map { Objective.Term(output: $0, MeanSquaredError(), learnsWeight: true) })
        let graph = objective.completing(layers)
        let engine = try Engine(graph, objective: objective, Engine.Options(batchSize: 4, threads: 1))
        engine.parameters.copy(from: graph.initialParameters(seed: 5), at: 0)
        try engine.prepare(.adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0))
        let examples = Examples(
            count: 4, inputs: [.floats([0, 0, 0, 0])], targets: [[3, 3, -3, -3], [1.2, 0.8, 1.2, 0.8]])
        for number in 0..<4000 {
            _ = engine.step([0, 1, 2, 3], of: examples, dropoutKey: 0, StepUpdate(rate: 0.01, step: number))
        }
        let learned = engine.parameters.array.suffix(2).map { exp(Double($0)) }
        #expect(abs(learned[0] - 9) <= 0.05 && abs(learned[1] - 0.04) <= 1e-3, "\(learned)")
    }

    @Test func workersChangeRoundingOnlyAndTheirBitsStay() throws {
        let graph = Self.objective().completing(try Self.layers())
        let alone = try Self.engine(graph, Self.objective())
        let loss = Self.step(alone)
        for threads in [2, 3, 5] {
            let (one, again) = (
                try Self.engine(graph, Self.objective(), threads: threads),
                try Self.engine(graph, Self.objective(), threads: threads)
            )
            #expect(abs(Self.step(one) - loss) <= 1e-5)
            #expect(Self.step(again).isFinite && one.parameters.array == again.parameters.array)
            #expect(zip(one.parameters.array, alone.parameters.array).allSatisfy { abs($0 - $1) <= 1e-5 })
        }
    }

    // MARK: Private training

    private static let patients = [0..<3, 3..<4, 4..<6, 6..<9, 9..<12]

    @Test(arguments: [1, 3]) func aPrivateStepWithoutLimitIsThePlainStep(threads: Int) throws {
        let graph = Self.objective().completing(try Self.layers())
        let plain = try Self.engine(graph, Self.objective())
        let single = try Self.engine(
            graph, Self.objective(), threads: threads, isPrivate: true, largestPatient: 3)
        let loss = Self.step(plain)
        #expect(abs(Self.step(single, bound: .infinity, patients: Self.patients) - loss) <= 1e-5)
        #expect(zip(plain.parameters.array, single.parameters.array).allSatisfy { abs($0 - $1) <= 1e-5 })
    }

    // Each patient's clipped gradient, taken alone, and their sum: s counts in the norm and is clipped with the rest.
    @Test func learnedWeightsAreClippedWithTheirPatient() throws {
        let graph = Self.objective().completing(try Self.layers())
        var gradients: [[Double]] = []
        for patient in Self.patients {
            let engine = try Self.engine(graph, Self.objective(), isPrivate: true, largestPatient: 3)
            var update = StepUpdate(rate: 1, step: 0)
            update.privacy = (bound: .infinity, noise: 0, expectedPatients: 1)
            let rows = patient.map { Int32($0) }
            _ = engine.step(
                rows[...], of: Self.examples, dropoutKey: 0, patients: [0..<patient.count], update)
            gradients.append(Self.moved(engine, graph))
        }
        let norms = gradients.map { $0.reduce(0) { $0 + $1 * $1 }.squareRoot() }
        let bound = norms.sorted()[2]
        let sum = (0..<graph.parameterCount).map { place in
            zip(gradients, norms).reduce(0) { $0 + min(1, bound / $1.1) * $1.0[place] / Double(Self.count) }
        }
        for threads in [1, 2] {
            let engine = try Self.engine(
                graph, Self.objective(), threads: threads, isPrivate: true, largestPatient: 3)
            _ = Self.step(engine, bound: bound, patients: Self.patients)
            #expect(zip(Self.moved(engine, graph), sum).allSatisfy { abs($0 - $1) <= 1e-5 })
        }
    }

    // MARK: With frozen layers, rates and passes

    @Test func frozenLayersAndRatesLeaveTheWeightsTrained() throws {
        let rates = LayerRates(["body": 0, "a": 0.5])
        let graph = Self.objective().completing(try Self.layers().applying(rates))
        #expect(graph.slices == Self.objective().completing(try Self.layers()).applying(rates).slices)
        let body = graph.slices[0].count + graph.slices[1].count
        #expect(graph.frozenRanges == [0..<body])
        #expect(graph.trainedParts.map(\.rateFactor) == [0.5, 1])
        #expect(graph.trainedParts.last?.range.upperBound == graph.parameterCount)
        let plain = Self.objective().completing(try Self.layers())
        let (some, all) = (try Self.engine(graph, Self.objective()), try Self.engine(plain, Self.objective()))
        #expect(Self.step(some) == Self.step(all))
        let (start, end) = (Self.start(graph), some.parameters.array)
        #expect(end[..<body] == start[..<body])
        #expect(end.suffix(2) == all.parameters.array.suffix(2) && end.suffix(2) != start.suffix(2))
        // Nothing but the weights of the losses is trained.
        let only = Self.objective().completing(
            try Self.layers().applying(LayerRates(["body": 0, "a": 0, "b": 0, "c": 0])))
        let weights = try Self.engine(only, Self.objective())
        _ = Self.step(weights)
        #expect(weights.parameters.array.dropLast(2) == start.dropLast(2))
        #expect(weights.parameters.array.suffix(2) == end.suffix(2))
    }

    // The penalty s/2 counts once in a step, in however many passes it is taken.
    @Test(arguments: [(5, 1), (4, 2), (7, 3)]) func passesAreOneStep(capacity: Int, threads: Int) throws {
        let graph = Self.objective().completing(try Self.layers())
        let whole = try Self.engine(graph, Self.objective())
        var options = Engine.Options(batchSize: capacity, threads: threads)
        (options.usesAllThreads, options.kernels) = (true, .portable)
        let passes = try Engine(graph, objective: Self.objective(), options)
        passes.parameters.copy(from: Self.start(graph), at: 0)
        let plain = OptimizerSpecification.sgd(momentum: 0, nesterov: false, weightDecay: 0)
        try passes.prepare(plain, averageDecay: 0.5)
        #expect(abs(Self.step(passes) - Self.step(whole)) <= 1e-5)
        #expect(zip(passes.parameters.array, whole.parameters.array).allSatisfy { abs($0 - $1) <= 1e-5 })
        #expect(passes.averageValues?.count == graph.parameterCount)
        let average = try #require(passes.averageValues).suffix(2)
        #expect(average.allSatisfy(\.isFinite) && average.contains { $0 != 0 })
    }

    // MARK: Edges

    // A batch without a target of a task says nothing about its weight.
    @Test func aTaskWithoutTargetsKeepsItsWeight() throws {
        let objective = Objective([
            Objective.Term(output: 0, MeanSquaredError(), learnsWeight: true),
            Objective.Term(output: 2, SoftmaxCrossEntropy(), learnsWeight: true),
        ])
        let graph = objective.completing(try Self.layers())
        let engine = try Self.engine(graph, objective)
        let examples = Examples(
            count: Self.count, inputs: Self.examples.inputs,
            targets: [Self.examples.targets[0], .init(repeating: -1, count: Self.count)])
        _ = engine.step(
            (0..<Int32(Self.count)).map { $0 }[...], of: examples, dropoutKey: 0, StepUpdate(rate: 1, step: 0))
        let learned = engine.parameters.array.suffix(2)
        #expect(learned.first != 0.4 && learned.last == -0.3)
    }

    @Test func aGraphWithoutTheParametersIsRefused() throws {
        let graph = try Self.layers()
        #expect(throws: ShapeError.self) {
            try Engine(graph, objective: Self.objective(), Engine.Options(batchSize: 2, threads: 1))
        }
        #expect(throws: ShapeError.self) {
            try Predictor(graph, objective: Self.objective(), examples: 2, threads: 1)
        }
        let whole = Self.objective().completing(graph)
        #expect(whole.slices.last?.name == "loss.logVariances" && whole.slices.last?.shape == [2])
        #expect(whole.trainedRanges == [0..<graph.parameterCount + 2])
        #expect(Self.objective(false).completing(graph).parameterCount == graph.parameterCount)
    }

    @Test(.enabled(if: isOptimized), arguments: [false, true]) func aSteadyStepAllocatesNothing(
        isPrivate: Bool
    ) throws {
        let graph = Self.objective().completing(try Self.layers())
        let engine = try Self.engine(graph, Self.objective(), isPrivate: isPrivate, largestPatient: 3)
        let rows = (0..<Int32(Self.count)).map { $0 }
        var update = StepUpdate(rate: 0.01, step: 0)
        if isPrivate { update.privacy = (bound: 1, noise: 0, expectedPatients: 5) }
        let patients = isPrivate ? Self.patients : nil
        func step() { _ = engine.step(rows[...], of: Self.examples, dropoutKey: 0, patients: patients, update) }
        for _ in 0..<3 { step() }
        let before = consilium_allocations_of_this_thread()
        for _ in 0..<3 { step() }
        #expect(consilium_allocations_of_this_thread() - before == 0)
    }

    /// Unoptimised code allocates for its closures; the claim is about the code that ships.
    private static var isOptimized: Bool {
        #if DEBUG
        false
        #else
        true
        #endif
    }
}
