// SPDX-License-Identifier: Apache-2.0
// Local training of one round, with what each strategy adds to it.

import ClinicalData
package import Federation
import Foundation
import NeuralNetworks

/// Makes the local update of a training round. The second implementation is a measuring one that does not train.
package protocol UpdateMaking: Sendable {
    /// - Parameters:
    ///   - parameters: the global model, `[parameterCount]`.
    ///   - controls: SCAFFOLD's (server, own) control variates, each `[parameterCount]`.
    ///   - checkpoints: where the training of this task may be kept on the way, and was.
    ///   - onProgress: called with the number of steps done; what it throws ends the training.
    /// - Throws: ``WithheldError``, or what `onProgress` throws.
    func update(
        of local: LocalStudy, preprocessing: Preprocessing, round: Int, parameters: [Float],
        controls: (server: [Float], own: [Float])?, checkpoints: CheckpointFile,
        onProgress: (Int) throws -> Void
    ) throws -> LocalUpdate
}

/// Trains on the site's own training rows.
package struct LocalTrainer: UpdateMaking {
    private let threads: Int

    /// - Parameter threads: Processors at most; the last bits of a result depend on their number.
    package init(threads: Int = ProcessInfo.processInfo.activeProcessorCount) { self.threads = threads }

    package func update(
        of local: LocalStudy, preprocessing: Preprocessing, round: Int, parameters: [Float],
        controls: (server: [Float], own: [Float])?, checkpoints: CheckpointFile,
        onProgress: (Int) throws -> Void
    ) throws -> LocalUpdate {
        let rows = local.trainingRows
        guard !rows.isEmpty else { throw WithheldError(.noUsableRows) }
        let training = local.study.training
        let steps = training.steps(rows: rows.count)
        let mu = local.study.federation.strategy.proximalWeight
        var trained = parameters
        // SCAFFOLD corrects every gradient by c − cᵢ.
        let correction = controls.map { pair in zip(pair.server, pair.own).map { $0 - $1 } }
        let summary: TrainingSummary
        do {
            summary = try Trainer(network: local.network, threads: threads).run(
                parameters: &trained,
                examples: local.network.examples(
                    features: FeatureMatrix.encode(local.table, preprocessing: preprocessing, rows: rows),
                    targets: local.labels(of: rows)),
                plan: LocalTraining(
                    optimizer: training.optimizer, learningRate: training.learningRate, schedule: training.schedule,
                    batchSize: training.batchSize, steps: steps),
                order: BatchOrder(seed: training.seed, round: round),
                firstGlobalStep: (round - 1) * steps, totalGlobalSteps: local.study.federation.rounds * steps,
                proximal: mu > 0 ? (mu, parameters) : nil, correction: correction, from: checkpoints.load(),
                saving: checkpoints.saving,
                onBatch: { step, _ in try onProgress(step + 1) })
        } catch ExampleError.notFinite {
            throw WithheldError(.nonFinite)
        } catch let error as TrainingError {
            switch error {
            case .nonFiniteLoss, .nonFiniteParameters: throw WithheldError(.nonFinite)
            default: throw error
            }
        }
        let change = zip(trained, parameters).map { $0 - $1 }
        guard let controls else {
            return LocalUpdate(change: change, summary: summary, controlChange: nil, controls: nil)
        }
        // Option II: cᵢ⁺ = cᵢ − c + (x − yᵢ) ÷ (Kη), and x − yᵢ is the negative change.
        let rate = Float(1 / summary.learningRateSum)
        let controlChange = zip(controls.server, change).map { server, change in -server - change * rate }
        return LocalUpdate(
            change: change, summary: summary, controlChange: controlChange,
            controls: zip(controls.own, controlChange).map { $0 + $1 })
    }
}
