// SPDX-License-Identifier: Apache-2.0
// Training that stops after any step and goes on from its checkpoint gives the bits of training that never stopped.

import NeuralNetworks
import Randomness
import Tensors
import Testing

@Suite struct TrainingCheckpointTests {
    private struct Stopped: Error {}

    private static let optimizers: [OptimizerSpecification] = [
        .sgd(momentum: 0, nesterov: false, weightDecay: 0), .sgd(momentum: 0.9, nesterov: true, weightDecay: 0.01),
        .adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0),
    ]

    private let network: Network
    private let features: [Float]
    private let targets: [Float]

    init() throws {
        network = try Network(
            ModelSpecification(layers: [
                Dense(6, activation: .relu), Dropout(0.3), Dense(2),
            ]), inputs: 3, head: .softmax(classes: 2))
        var generator = SeededGenerator(seed: 9, stream: "table")
        let features = (0..<17 * 3).map { _ in 2 * generator.uniformFloat() - 1 }
        self.features = features
        targets = (0..<17).map { features[3 * $0] > 0 ? 1 : 0 }
    }

    /// Trains with FedProx's and SCAFFOLD's terms, which a checkpoint must not disturb either.
    private func train(
        _ optimizer: OptimizerSpecification, from checkpoint: TrainingCheckpoint? = nil,
        saving: CheckpointSaving? = nil, stopAfter stop: Int = .max
    ) throws -> (parameters: [Float], summary: TrainingSummary) {
        let initial = network.initialParameters(seed: 1)
        var parameters = initial
        let summary = try Trainer(network: network).run(
            parameters: &parameters, examples: network.examples(features: features, targets: targets),
            plan: LocalTraining(
                optimizer: optimizer, learningRate: 0.05, schedule: .cosine(final: 0.1), batchSize: 4,
                steps: 12),
            order: BatchOrder(seed: 4, round: 2), firstGlobalStep: 12, totalGlobalSteps: 36,
            proximal: (0.1, initial), correction: initial.map { $0 / 100 }, from: checkpoint, saving: saving,
            onBatch: { step, _ in if step == stop { throw Stopped() } })
        return (parameters, summary)
    }

    @Test(arguments: optimizers) func stoppingAnywhereChangesNoBit(_ optimizer: OptimizerSpecification) throws {
        let whole = try train(optimizer)
        for stop in 0..<12 {
            var kept: TrainingCheckpoint?
            let saving = CheckpointSaving(isDue: { _ in true }, save: { kept = $0 })
            #expect(throws: Stopped.self) { try train(optimizer, saving: saving, stopAfter: stop) }
            #expect(kept?.steps ?? 0 == stop, "what was saved last is the step before the one that failed")
            let resumed = try train(optimizer, from: kept)
            #expect(resumed.parameters == whole.parameters && resumed.summary == whole.summary)
        }
    }

    @Test func aRunSavesWhenItIsDueAndNotAfterTheLastStep() throws {
        var (saved, ends): ([Int], [Bool]) = ([], [])
        _ = try train(
            Self.optimizers[0],
            saving: CheckpointSaving(
                isDue: { endsEpoch in
                    ends.append(endsEpoch)
                    return endsEpoch
                }, save: { saved.append($0.steps) }))
        // 17 rows in batches of 4: five steps an epoch.
        #expect(saved == [5, 10])
        #expect(ends == (1...11).map { $0 % 5 == 0 })
    }

    @Test func aCheckpointOfAnotherRunIsRefused() throws {
        var kept: TrainingCheckpoint?
        _ = try train(Self.optimizers[2], saving: CheckpointSaving(isDue: { _ in kept == nil }, save: { kept = $0 }))
        let good = try #require(kept)
        #expect(throws: TrainingError.wrongCount(.checkpoint, expected: 0, actual: good.optimizerState.count)) {
            try train(Self.optimizers[0], from: good)
        }
        var broken = good
        broken.parameters.removeLast()
        #expect(throws: TrainingError.self) { try train(Self.optimizers[2], from: broken) }
        broken = good
        broken.steps = 13
        #expect(throws: TrainingError.invalidPlan(.checkpoint)) { try train(Self.optimizers[2], from: broken) }
    }
}
