// SPDX-License-Identifier: Apache-2.0
// Several passes in one step are one large batch, and the average of the weights is the plain formula.

import NeuralNetworks
import Randomness
import Tensors
import Testing

@Suite struct AccumulationTests {
    private static let adam = OptimizerSpecification.adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0)

    /// Weighted classes, ignored targets and dropout, but nothing that mixes examples.
    private static let graph = Result {
        try Graph(
            input: Shape([1, 6, 6]),
            layers: [
                Convolve.twoD(3, kernel: 3, activation: .relu), Reshape.flatten, Dropout(0.3),
                Dense(8, activation: .tanh), LayerNorm(), Dense(3),
            ])
    }
    private static let objective = Objective(SoftmaxCrossEntropy(classWeights: [1, 3, 0.5]))
    private static let examples: Examples = {
        var generator = SeededGenerator(seed: 4, stream: "examples")
        return Examples(
            count: 43, inputs: [.floats((0..<43 * 36).map { _ in 2 * generator.uniformFloat() - 1 })],
            targets: [(0..<43).map { $0 % 7 == 0 ? -1 : Float($0 * 5 % 3) }])
    }()

    private static func train(
        batch: Int, accumulation: Int, threads: Int, optimizer: OptimizerSpecification, steps: Int = 5
    ) throws -> (parameters: [Float], losses: [Double], summary: TrainingSummary) {
        let graph = try graph.get()
        var plan = LocalTraining(optimizer: optimizer, learningRate: 0.02, batchSize: batch, steps: steps)
        (plan.accumulation, plan.largestNorm) = (accumulation, 0.5)
        var (parameters, losses) = (graph.initialParameters(seed: 2), [Double]())
        let summary = try Trainer(graph, objective: objective, threads: threads, kernels: .portable).run(
            parameters: &parameters, examples: examples, plan: plan, order: BatchOrder(seed: 1, round: 1),
            totalGlobalSteps: 5, onBatch: { _, loss in losses.append(loss) })
        return (parameters, losses, summary)
    }

    @Test(arguments: [(16, 2), (4, 8), (11, 3), (1, 32)]) func severalBatchesAreOneLargeOne(
        batch: Int, accumulation: Int
    ) throws {
        let optimizer = OptimizerSpecification.sgd(momentum: 0.9, nesterov: false, weightDecay: 0.01)
        // 43 rows: the second step of an epoch is a short one.
        let whole = try Self.train(batch: batch * accumulation, accumulation: 1, threads: 1, optimizer: optimizer)
        let parts = try Self.train(
            batch: batch, accumulation: accumulation, threads: 1, optimizer: optimizer)
        #expect(zip(whole.losses, parts.losses).allSatisfy { abs($0 - $1) < 1e-5 })
        #expect(zip(whole.parameters, parts.parameters).allSatisfy { abs($0 - $1) < 2e-5 })
        #expect(whole.summary.examples == parts.summary.examples && whole.summary.steps == parts.summary.steps)
    }

    @Test(arguments: [1, 2, 3]) func workersShareEachPass(threads: Int) throws {
        let graph = try EngineTests.graph()
        let examples = EngineTests.examples(20, graph: graph)
        var results: [[Float]] = []
        for _ in 0..<2 {
            var options = Engine.Options(batchSize: 6, threads: threads)
            options.usesAllThreads = true
            let engine = try Engine(graph, objective: Objective(EngineTests.Distance()), options)
            engine.parameters.copy(from: graph.initialParameters(seed: 3), at: 0)
            try engine.prepare(Self.adam)
            for step in 0..<4 {
                let loss = engine.step(
                    (0..<20).map { Int32($0) }[...], of: examples, dropoutKey: UInt64(step),
                    StepUpdate(rate: 0.01, step: step))
                #expect(loss.isFinite)
            }
            results.append(engine.parameters.array)
        }
        #expect(results[0] == results[1])
    }

    /// Losses that compare examples do so within a pass; the sum is the mean over all events.
    @Test func mixingLossesAreAveragedOverThePasses() throws {
        let graph = try Graph(input: Shape([2]), layers: [Dense(1, bias: false)])
        let features: [Float] = [1, 0.5, -0.3, 2, 0.7, -1, 1.5, 0.2, -0.4, 0.9, 0.1, 0.3]
        let targets: [Float] = [3, 1, 2, 1, 5, 0, 1, 1, 4, 1, 6, 1]
        func loss(_ rows: Range<Int32>, capacity: Int) throws -> Double {
            let engine = try Engine(
                graph, objective: Objective(CoxPartialLikelihood()), .init(batchSize: capacity, threads: 1))
            engine.parameters.copy(from: [0.4, -0.2], at: 0)
            try engine.prepare(Self.adam)
            return engine.step(
                rows.map { $0 }[...],
                of: Examples(count: 6, inputs: [.floats(features)], targets: [targets]), dropoutKey: 0,
                StepUpdate(rate: 0, step: 0))
        }
        // Two events in the first pass of three, three in the second.
        let expected = (2 * (try loss(0..<3, capacity: 3)) + 3 * (try loss(3..<6, capacity: 3))) / 5
        #expect(abs(try loss(0..<6, capacity: 3) - expected) < 1e-6)
    }

    @Test(arguments: [1, 3], [0, 0.5, 0.99]) func theAverageIsThePlainFormula(threads: Int, decay: Double) throws {
        let graph = try EngineTests.graph()
        var plan = LocalTraining(optimizer: Self.adam, learningRate: 0.02, batchSize: 6, steps: 9)
        plan.averageDecay = decay
        var (parameters, states) = (graph.initialParameters(seed: 2), [TrainingCheckpoint]())
        let saving = CheckpointSaving(isDue: { _ in true }, save: { states.append($0) })
        func run(from checkpoint: TrainingCheckpoint? = nil) throws {
            _ = try Trainer(graph, objective: Objective(EngineTests.Distance()), threads: threads).run(
                parameters: &parameters, examples: EngineTests.examples(20, graph: graph), plan: plan,
                order: BatchOrder(seed: 1, round: 1), totalGlobalSteps: 9, from: checkpoint, saving: saving)
        }
        try run()
        #expect(states.count == 8)
        var average = states[0].parameters.map(Double.init)
        for state in states {
            for place in average.indices {
                average[place] = decay * average[place] + (1 - decay) * Double(state.parameters[place])
            }
            let actual = try #require(state.average)
            #expect(zip(actual, average).allSatisfy { abs(Double($0) - $1) < 1e-5 })
        }
        #expect(decay == 0 || states[7].average != states[7].parameters)
        let whole = parameters
        // From each checkpoint to the same bits.
        for state in states.prefix(8) {
            parameters = graph.initialParameters(seed: 2)
            try run(from: state)
            #expect(parameters.map(\.bitPattern) == whole.map(\.bitPattern))
        }
        var broken = states[0]
        broken.average = nil
        #expect(throws: TrainingError.invalidPlan(.checkpoint)) { try run(from: broken) }
    }

    @Test func theFactorOnTheRateIsAskedForEachStep() throws {
        let graph = try Self.graph.get()
        var parameters = graph.initialParameters(seed: 2)
        let plan = LocalTraining(
            optimizer: Self.adam, learningRate: 0.02, schedule: .warmup(steps: 2), batchSize: 16, steps: 5)
        let summary = try Trainer(graph, objective: Self.objective).run(
            parameters: &parameters, examples: Self.examples, plan: plan, order: BatchOrder(seed: 1, round: 1),
            totalGlobalSteps: 5, rateFactor: { $0 < 3 ? 1 : 0.25 })
        #expect(abs(summary.learningRateSum - 0.02 * (0.5 + 1 + 1 + 0.25 + 0.25)) < 1e-12)
    }

    @Test func plansThatMakeNoSenseAreRefused() throws {
        let good = LocalTraining(optimizer: Self.adam, learningRate: 0.02, batchSize: 16, steps: 5)
        for (accumulation, decay, field) in [
            (0, 0.5, TrainingError.PlanField.accumulation), (.max, 0.5, .accumulation), (1, 1, .averageDecay),
            (1, -0.1, .averageDecay), (1, .nan, .averageDecay),
        ] {
            var plan = good
            (plan.accumulation, plan.averageDecay) = (accumulation, decay)
            #expect(throws: TrainingError.invalidPlan(field)) { try plan.check() }
        }
    }
}
