// SPDX-License-Identifier: Apache-2.0
// Refuses a training before it takes memory that there is not, and says what would fit.

package import NeuralNetworks

/// The memory of a training apart from its data.
package enum TrainingMemory {
    /// Refuses a training that would take more than `limit` bytes.
    ///
    /// - Throws: ``LocalModelError`` with both numbers and the batch that would fit.
    package static func check(
        _ cost: TrainingCost, _ setting: TrainingCost.Setting, limit: Int
    ) throws(LocalModelError) {
        let bytes = cost.memoryBytes(setting)
        guard bytes > limit else { return }
        let hint =
            cost.largestBatch(setting, within: limit).map { "a batch of \($0) would fit: lower `batchSize`" }
            ?? "not even a batch of 1 would fit: choose a smaller model"
        throw LocalModelError(
            .tooLarge, "training would take about \(bytes) bytes, \(limit) are allowed",
            hint: hint + ", or raise --memory where the machine has more")
    }
}

extension TrainingFile {
    /// What a training takes.
    package var cost: TrainingCost { TrainingCost(graph) }

    /// How the file's training runs on so many threads.
    package func costSetting(threads: Int) -> TrainingCost.Setting {
        var setting = TrainingCost.Setting(
            batchSize: training.batchSize, threads: threads, stateVectors: training.optimizer.stateVectors)
        // The average, and the checkpoint's copy of it.
        if training.averageDecay != nil { setting.furtherVectors = 2 }
        return setting
    }

    /// The model's size for a batch.
    ///
    /// - Parameter batchSize: nil: that of the training.
    package func summary(batchSize: Int? = nil) throws(ModelError) -> ModelSummary {
        var features: Int?
        if case .table(let source) = data.source { features = source.featureCount }
        return try ModelSummary(
            model, features: features, layerRates: training.layerRates,
            stateVectors: training.optimizer.stateVectors, batchSize: batchSize ?? training.batchSize)
    }
}
