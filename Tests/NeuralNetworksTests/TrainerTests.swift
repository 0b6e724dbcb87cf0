// SPDX-License-Identifier: Apache-2.0
// Local training: its arithmetic, its reproducibility, and how it ends when something is wrong.

import AllocationCounter
import NeuralNetworks
import Randomness
import Tensors
import Testing

@Suite struct TrainerTests {
    private static let sgd = OptimizerSpecification.sgd(momentum: 0, nesterov: false, weightDecay: 0)
    private static let adam = OptimizerSpecification.adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0)

    private static func perceptron(dropout: Double = 0) throws -> Network {
        try Network(
            ModelSpecification(layers: [
                Dense(16, activation: .relu), Dropout(dropout), Dense(8, activation: .tanh),
                Dense(2),
            ]), inputs: 5, head: .softmax(classes: 2))
    }

    private static func table(rows: Int, inputs: Int = 5) -> (features: [Float], targets: [Float]) {
        var generator = SeededGenerator(seed: 9, stream: "table")
        let features = (0..<rows * inputs).map { _ in 2 * generator.uniformFloat() - 1 }
        let targets = (0..<rows).map { features[$0 * inputs] + features[$0 * inputs + 1] > 0 ? Float(1) : 0 }
        return (features, targets)
    }

    // MARK: Reproducibility

    @Test(arguments: [0.0, 0.3]) func theSameSeedGivesTheSameBits(dropout: Double) throws {
        let network = try Self.perceptron(dropout: dropout)
        let (features, targets) = Self.table(rows: 70)
        let plan = LocalTraining(optimizer: Self.adam, learningRate: 0.01, batchSize: 16, steps: 23)
        func train(_ trainer: Trainer, round: Int) throws -> [Float] {
            var parameters = network.initialParameters(seed: 1)
            _ = try trainer.run(
                parameters: &parameters, examples: network.examples(features: features, targets: targets), plan: plan,
                order: BatchOrder(seed: 4, round: round), totalGlobalSteps: 23)
            return parameters
        }
        let trainer = Trainer(network: network)
        let first = try train(trainer, round: 0)
        // A used trainer, whose memory is full of the first run, and a fresh one.
        #expect(try train(trainer, round: 0) == first)
        #expect(try train(Trainer(network: network), round: 0) == first)
        #expect(try train(trainer, round: 1) != first)
    }

    /// The number of workers follows from the batch, not from what the trainer did before.
    @Test func aTrainerUsedForLargerBatchesGivesTheSameBits() throws {
        let network = try Network(
            ModelSpecification(layers: [Dense(64, activation: .tanh), Dense(1)]), inputs: 100, head: .linear)
        func train(_ trainer: Trainer, batchSize: Int) throws -> [Float] {
            let (features, targets) = Self.table(rows: 512, inputs: 100)
            var parameters = network.initialParameters(seed: 1)
            _ = try trainer.run(
                parameters: &parameters, examples: network.examples(features: features, targets: targets),
                plan: LocalTraining(optimizer: Self.adam, learningRate: 0.01, batchSize: batchSize, steps: 6),
                order: BatchOrder(seed: 4, round: 0), totalGlobalSteps: 6)
            return parameters
        }
        let used = Trainer(network: network, threads: 2)
        _ = try train(used, batchSize: 512)
        let fresh = try train(Trainer(network: network, threads: 2), batchSize: 16)
        #expect(try train(used, batchSize: 16) == fresh)
    }

    /// Pins the bits: no kernel regroups or fuses what it adds, so every machine and every build gives them.
    @Test func trainingGivesTheseBitsOnEveryMachine() throws {
        let network = try Self.perceptron(dropout: 0.25)
        let (features, targets) = Self.table(rows: 70)
        var parameters = network.initialParameters(seed: 1)
        _ = try Trainer(network: network, kernels: .portable).run(
            parameters: &parameters, examples: network.examples(features: features, targets: targets),
            plan: LocalTraining(optimizer: Self.adam, learningRate: 0.01, batchSize: 16, steps: 40),
            order: BatchOrder(seed: 4, round: 0), totalGlobalSteps: 40)
        // FNV-1a over the 32-bit words.
        let hash = parameters.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { hash, value in
            (hash ^ UInt64(value.bitPattern)) &* 0x0000_0100_0000_01B3
        }
        #expect(hash == 0x0D34_D4E8_6FD2_B6CC)
    }

    @Test func dropoutChangesTraining() throws {
        let (features, targets) = Self.table(rows: 70)
        let plan = LocalTraining(optimizer: Self.sgd, learningRate: 0.1, batchSize: 16, steps: 5)
        let results = try [0.0, 0.5].map { rate in
            let network = try Self.perceptron(dropout: rate)
            var parameters = network.initialParameters(seed: 1)
            _ = try Trainer(network: network).run(
                parameters: &parameters, examples: network.examples(features: features, targets: targets), plan: plan,
                order: BatchOrder(seed: 4, round: 0), totalGlobalSteps: 5)
            return parameters
        }
        #expect(results[0] != results[1])
    }

    // MARK: Arithmetic

    /// Every step by hand in double precision, with the oracle's gradient, over batches of the whole table.
    @Test func stepsFollowGradientProximalTermAndCorrection() throws {
        let problem = try RandomProblem(seed: 1, rows: 6)
        let (network, oracle) = (problem.network, ReferenceNetwork(network: problem.network))
        let correction = problem.parameters.indices.map { Float($0 % 5) / 50 - 0.04 }
        let reference = problem.parameters.map { $0 + 0.3 }
        let (features, targets) = (problem.features.map(Double.init), problem.targets.map(Double.init))
        let (rate, mu) = (0.05, 0.4)

        var exact = problem.parameters.map(Double.init)
        var losses: [Double] = []
        for _ in 0..<4 {
            losses.append(oracle.loss(exact, features, targets))
            let gradient = oracle.gradient(exact, features, targets)
            for i in exact.indices {
                exact[i] -= rate * (gradient[i] + mu * (exact[i] - Double(reference[i])) + Double(correction[i]))
            }
        }

        var parameters = problem.parameters
        var reported: [Double] = []
        let plan = LocalTraining(optimizer: Self.sgd, learningRate: rate, batchSize: 100, steps: 4)
        let summary = try Trainer(network: network).run(
            parameters: &parameters, examples: network.examples(features: problem.features, targets: problem.targets),
            plan: plan,
            order: BatchOrder(seed: 0, round: 0), totalGlobalSteps: 4, proximal: (mu, reference),
            correction: correction
        ) { step, loss in
            #expect(step == reported.count)
            reported.append(loss)
        }
        #expect(zip(parameters, exact).allSatisfy { abs(Double($0) - $1) < 1e-5 })
        #expect(reported.count == 4 && zip(reported, losses).allSatisfy { abs($0 - $1) < 1e-5 })
        #expect(summary.steps == 4 && summary.examples == 24)
        #expect(abs(summary.meanLoss - losses.reduce(0, +) / 4) < 1e-5)
        #expect(abs(summary.learningRateSum - 0.2) < 1e-12)
        // α = rate·μ = 0.02: 1 + 0.98 + 0.98² + 0.98³.
        #expect(abs(summary.normalizingWeight - 3.881592) < 1e-9)
    }

    @Test func shortBatchesWeighByTheirExamples() throws {
        // Constant zero weights: the loss of a row is its squared target, whatever the batch.
        let network = try Network(
            ModelSpecification(layers: [Dense(1)]), inputs: 1, head: .linear)
        var parameters: [Float] = [0, 0]
        let plan = LocalTraining(optimizer: Self.sgd, learningRate: 1e-30, batchSize: 2, steps: 2)
        let summary = try Trainer(network: network).run(
            parameters: &parameters, examples: network.examples(features: [1, 1, 1], targets: [1, 2, 3]), plan: plan,
            order: BatchOrder(seed: 0, round: 0), totalGlobalSteps: 2)
        #expect(summary.examples == 3)
        #expect(abs(summary.meanLoss - 14.0 / 3) < 1e-6)
    }

    @Test func theScheduleGoesOnFromTheGlobalStep() throws {
        let network = try Self.perceptron()
        let (features, targets) = Self.table(rows: 8)
        let plan = LocalTraining(
            optimizer: Self.sgd, learningRate: 0.1, schedule: .step(every: 10, factor: 0.5), batchSize: 8, steps: 2)
        func rateSum(from step: Int) throws -> Double {
            var parameters = network.initialParameters(seed: 1)
            return try Trainer(network: network).run(
                parameters: &parameters, examples: network.examples(features: features, targets: targets), plan: plan,
                order: BatchOrder(seed: 0, round: 0), firstGlobalStep: step, totalGlobalSteps: 30
            ).learningRateSum
        }
        #expect(abs(try rateSum(from: 0) - 0.2) < 1e-12)
        #expect(abs(try rateSum(from: 9) - 0.15) < 1e-12)
        #expect(abs(try rateSum(from: 20) - 0.05) < 1e-12)
    }

    /// A hidden unit that is dropped neither learns nor is learned from: its row in the layer before and its column in
    /// the layer after keep their values together.
    @Test func droppedUnitsKeepTheirWeights() throws {
        let units = 40
        let network = try Network(
            ModelSpecification(layers: [
                Dense(units, activation: .tanh), Dropout(0.5), Dense(1),
            ]), inputs: 1, head: .linear)
        let before = network.initialParameters(seed: 1)
        var after = before
        let plan = LocalTraining(optimizer: Self.sgd, learningRate: 0.1, batchSize: 1, steps: 1)
        _ = try Trainer(network: network).run(
            parameters: &after, examples: network.examples(features: [1], targets: [5]), plan: plan,
            order: BatchOrder(seed: 0, round: 0),
            totalGlobalSteps: 1)
        let changed = before.indices.filter { before[$0] != after[$0] }
        let rows = changed.filter { $0 < units }
        // Layout: weights of 40 units, their biases, 40 weights of the output, its bias.
        #expect(changed.filter { (units..<2 * units).contains($0) } == rows.map { $0 + units })
        #expect(changed.filter { (2 * units..<3 * units).contains($0) } == rows.map { $0 + 2 * units })
        #expect((5...35).contains(rows.count))
    }

    // MARK: Learning

    @Test(arguments: [sgd, adam, .sgd(momentum: 0.9, nesterov: true, weightDecay: 1e-4)])
    func logisticRegressionSeparatesWhatIsSeparable(optimizer: OptimizerSpecification) throws {
        let network = try Network(
            ModelSpecification(layers: [Dense(1)]), inputs: 5, head: .logistic)
        let (features, targets) = Self.table(rows: 400)
        var parameters = network.initialParameters(seed: 2)
        let plan = LocalTraining(optimizer: optimizer, learningRate: 0.1, batchSize: 16, steps: 1000)
        let summary = try Trainer(network: network).run(
            parameters: &parameters, examples: network.examples(features: features, targets: targets), plan: plan,
            order: BatchOrder(seed: 0, round: 0), totalGlobalSteps: 1000)
        let predictions = network.outputs(parameters: parameters, features: features, rows: 400)
        let correct = zip(predictions, targets).count { ($0 > 0.5) == ($1 > 0.5) }
        #expect(correct >= 390)
        #expect(try network.loss(parameters: parameters, features: features, targets: targets, rows: 400) < 0.2)
        #expect(summary.meanLoss < 0.5)
    }

    @Test func perceptronsLearnWhatNoLineSeparates() throws {
        let network = try Network(
            ModelSpecification(layers: [
                Dense(16, activation: .tanh), Dense(2),
            ]), inputs: 2, head: .softmax(classes: 2))
        let features: [Float] = [0, 0, 0, 1, 1, 0, 1, 1]
        let targets: [Float] = [0, 1, 1, 0]
        var parameters = network.initialParameters(seed: 2)
        let plan = LocalTraining(optimizer: Self.adam, learningRate: 0.02, batchSize: 4, steps: 800)
        _ = try Trainer(network: network).run(
            parameters: &parameters, examples: network.examples(features: features, targets: targets), plan: plan,
            order: BatchOrder(seed: 0, round: 0), totalGlobalSteps: 800)
        let predictions = network.outputs(parameters: parameters, features: features, rows: 4)
        for (row, target) in targets.enumerated() { #expect(predictions[2 * row + Int(target)] > 0.9) }
    }

    // MARK: Memory

    /// Unoptimised code allocates for its closures; the claim is about the code that ships.
    private static var isOptimized: Bool {
        #if DEBUG
        false
        #else
        true
        #endif
    }

    @Test(.enabled(if: isOptimized)) func aSteadyStepAllocatesNothing() throws {
        let network = try Self.perceptron(dropout: 0.2)
        let (features, targets) = Self.table(rows: 70)
        let reference = network.initialParameters(seed: 3)
        var parameters = network.initialParameters(seed: 1)
        // Three epochs of five batches, the last of each short.
        let plan = LocalTraining(optimizer: Self.adam, learningRate: 0.01, batchSize: 16, steps: 15)
        var counts: [Int] = []
        counts.reserveCapacity(15)
        _ = try Trainer(network: network).run(
            parameters: &parameters, examples: network.examples(features: features, targets: targets), plan: plan,
            order: BatchOrder(seed: 4, round: 0), totalGlobalSteps: 15, proximal: (0.1, reference),
            correction: reference
        ) { _, _ in counts.append(consilium_allocations_of_this_thread()) }
        #expect(counts.count == 15)
        // The first epoch meets every size of batch once and makes what it needs.
        #expect(counts[14] - counts[4] == 0)
        let probe = [Int](repeating: 0, count: 1000 + counts.count)
        #expect(consilium_allocations_of_this_thread() > counts[14], "the counter sees \(probe.count) integers")
    }

    // MARK: Things that go wrong

    private static func run(
        features: [Float]? = nil, targets: [Float]? = nil, parameters: [Float]? = nil,
        plan: LocalTraining = LocalTraining(optimizer: sgd, learningRate: 0.1, batchSize: 4, steps: 3),
        proximal: (mu: Double, reference: [Float])? = nil, correction: [Float]? = nil,
        onBatch: (Int, Double) throws -> Void = { _, _ in }
    ) throws {
        let network = try perceptron()
        let table = table(rows: 8)
        var values = parameters ?? network.initialParameters(seed: 1)
        _ = try Trainer(network: network).run(
            parameters: &values,
            examples: network.examples(features: features ?? table.features, targets: targets ?? table.targets),
            plan: plan,
            order: BatchOrder(seed: 0, round: 0), totalGlobalSteps: 3, proximal: proximal, correction: correction,
            onBatch: onBatch)
    }

    @Test func anEmptyTableIsRefused() {
        #expect(throws: TrainingError.noExamples) { try Self.run(features: [], targets: []) }
    }

    @Test func shapesThatDisagreeAreRefused() throws {
        let count = try Self.perceptron().parameterCount
        #expect(throws: TrainingError.wrongCount(.features, expected: 40, actual: 39)) {
            try Self.run(features: .init(repeating: 0, count: 39))
        }
        #expect(throws: TrainingError.wrongCount(.parameters, expected: count, actual: 1)) {
            try Self.run(parameters: [0])
        }
        #expect(throws: TrainingError.wrongCount(.proximalReference, expected: count, actual: 2)) {
            try Self.run(proximal: (0.1, [0, 0]))
        }
        #expect(throws: TrainingError.wrongCount(.correction, expected: count, actual: 0)) {
            try Self.run(correction: [])
        }
    }

    @Test func plansOutOfRangeAreRefused() {
        let good = LocalTraining(optimizer: Self.sgd, learningRate: 0.1, batchSize: 4, steps: 3)
        func refused(_ field: TrainingError.PlanField, _ change: (inout LocalTraining) -> Void) {
            var plan = good
            change(&plan)
            #expect(throws: TrainingError.invalidPlan(field)) { try Self.run(plan: plan) }
        }
        refused(.batchSize) { $0.batchSize = 0 }
        refused(.steps) { $0.steps = 0 }
        for rate in [0, -1, Double.nan, .infinity] { refused(.learningRate) { $0.learningRate = rate } }
        refused(.schedule) { $0.schedule = .step(every: 0, factor: 0.5) }
        refused(.schedule) { $0.schedule = .cosine(final: -1) }
        refused(.optimizer) { $0.optimizer = .sgd(momentum: 1, nesterov: false, weightDecay: 0) }
        refused(.optimizer) { $0.optimizer = .sgd(momentum: 0, nesterov: true, weightDecay: 0) }
        refused(.optimizer) { $0.optimizer = .adam(beta1: 0.9, beta2: 0.999, epsilon: 0, weightDecay: 0) }
        #expect(throws: TrainingError.invalidPlan(.proximalTerm)) { try Self.run(proximal: (-1, [])) }
    }

    /// Pooling and ReLU of oneDNN pass over a NaN, so it must not come in.
    @Test func aFeatureThatIsNotANumberIsRefused() {
        var features = Self.table(rows: 8).features
        features[17] = .nan
        let plan = LocalTraining(optimizer: Self.sgd, learningRate: 0.1, batchSize: 8, steps: 3)
        #expect(throws: ExampleError.notFinite(input: 0, example: 3)) { try Self.run(features: features, plan: plan) }
    }

    @Test func divergenceIsNoticed() {
        let plan = LocalTraining(optimizer: Self.sgd, learningRate: 1e38, batchSize: 8, steps: 1)
        #expect(throws: TrainingError.nonFiniteParameters) {
            try Self.run(plan: plan, correction: .init(repeating: 1e10, count: try Self.perceptron().parameterCount))
        }
        let longer = LocalTraining(optimizer: Self.sgd, learningRate: 1e38, batchSize: 8, steps: 100)
        #expect(throws: TrainingError.self) { try Self.run(plan: longer) }
    }

    @Test func whatTheCallerThrowsEndsTheRun() {
        struct Cancelled: Error {}
        var steps = 0
        #expect(throws: Cancelled.self) {
            try Self.run { step, _ in
                steps += 1
                if step == 1 { throw Cancelled() }
            }
        }
        #expect(steps == 2)
    }
}
