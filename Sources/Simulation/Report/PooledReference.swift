// SPDX-License-Identifier: Apache-2.0
// Training on all rows in one place: the yardstick that no federation should fall much below.

package import ClinicalData
package import Federation
import NeuralNetworks

/// The model that the same study would give without a federation, on the rows of all tables together.
///
/// Same standardisation, model, initial parameters, optimiser and amount of work: as many local steps as one site takes
/// in all rounds (for a study that counts epochs: as many epochs over the pooled rows).
package enum PooledReference {
    /// Trains on all training rows and judges the model on all test rows.
    ///
    /// - Throws: ``SumError``, ``TrainingError`` when the pooled rows cannot train a finite model.
    package static func compute(study: Study, tables: [EncodedTable]) throws -> ModelQuality {
        let network = try Network(
            study.model, inputs: study.data.features.count, head: study.task.head,
            layerRates: study.training.layerRates)
        let moments = tables.map { TableMoments.vector(of: $0, rows: $0.rows(in: .train)) }
        guard var total = moments.first else { return ModelQuality([:]) }
        for moment in moments.dropFirst() { for index in total.indices { total[index] += moment[index] } }
        let preprocessing = try StatisticsSum(contract: study.data).result(of: total).preprocessing

        let training = try pool(.train, of: tables, preprocessing: preprocessing)
        let plan = study.training
        let steps = plan.steps(rows: training.labels.count) * study.federation.rounds
        var parameters = network.initialParameters(seed: plan.seed)
        _ = try Trainer(network: network).run(
            parameters: &parameters, examples: network.examples(features: training.features, targets: training.labels),
            plan: LocalTraining(
                optimizer: plan.optimizer, learningRate: plan.learningRate, schedule: plan.schedule,
                batchSize: plan.batchSize, steps: steps),
            order: BatchOrder(seed: plan.seed, round: 1), totalGlobalSteps: steps)

        let test = try pool(.test, of: tables, preprocessing: preprocessing)
        let outputs = network.outputs(parameters: parameters, features: test.features, rows: test.labels.count)
        return try ModelQuality(judging: outputs, labels: test.labels, study: study)
    }

    private static func pool(
        _ part: EncodedTable.Split, of tables: [EncodedTable], preprocessing: Preprocessing
    ) throws -> (features: [Float], labels: [Float]) {
        var features: [Float] = []
        var labels: [Float] = []
        for table in tables {
            let rows = table.rows(in: part)
            features += try FeatureMatrix.encode(table, preprocessing: preprocessing, rows: rows)
            labels += rows.map { table.labels[Int($0)] }
        }
        return (features, labels)
    }
}

extension ModelQuality {
    /// Judges predictions by the counts that an evaluation round sums.
    ///
    /// Shapes: `outputs` is `[rows, study.task.head.outputs]`, `labels` is `[rows]`.
    package init(judging outputs: [Float], labels: [Float], study: Study) throws {
        let sum = try EvaluationSum(task: study.task, bins: study.evaluation.bins)
        var range = (minimum: 0.0, maximum: 1.0)
        if case .number(_, let minimum, let maximum)? = study.data.label?.kind { range = (minimum, maximum) }
        let counts = sum.counts(outputs: outputs, labels: labels, labelRange: range)
        self.init(try sum.metrics(of: counts, labelRange: range).named)
    }
}
