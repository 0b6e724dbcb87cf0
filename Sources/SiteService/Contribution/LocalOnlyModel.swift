// SPDX-License-Identifier: Apache-2.0
// The model a set of rows gives without the federation: the honest comparison for every federated result.

import ClinicalData
package import Federation
import NeuralNetworks

extension LocalStudy {
    /// Trains on these rows alone: own preprocessing, own steps, as much work as the study's rounds together.
    ///
    /// - Returns: nil when the rows cannot train a finite model.
    package func trainAlone() throws -> (parameters: [Float], preprocessing: Preprocessing)? {
        guard !trainingRows.isEmpty else { return nil }
        let moments = TableMoments.vector(of: table, rows: trainingRows)
        guard let result = try? StatisticsSum(contract: study.data).result(of: moments) else { return nil }
        let training = study.training
        let steps = training.steps(rows: trainingRows.count) * study.federation.rounds
        var parameters = network.initialParameters(seed: training.seed)
        do {
            _ = try Trainer(network: network).run(
                parameters: &parameters,
                examples: network.examples(
                    features: FeatureMatrix.encode(table, preprocessing: result.preprocessing, rows: trainingRows),
                    targets: labels(of: trainingRows)),
                plan: LocalTraining(
                    optimizer: training.optimizer, learningRate: training.learningRate, schedule: training.schedule,
                    batchSize: training.batchSize, steps: steps),
                order: BatchOrder(seed: training.seed, round: 1), totalGlobalSteps: steps)
        } catch is TrainingError, is ExampleError {
            return nil
        }
        return (parameters, result.preprocessing)
    }
}
