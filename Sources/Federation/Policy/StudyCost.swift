// SPDX-License-Identifier: Apache-2.0
// What a study takes of a site's machine in one round, said before anything of it is done.

package import NeuralNetworks

/// What a site's machine gives to training.
package struct SiteMachine: Hashable, Sendable {
    /// Processors that training uses at most.
    package var threads: Int
    /// All the memory that the site's process could ever have.
    package var memoryBytes: Int

    package init(threads: Int, memoryBytes: Int) {
        self.threads = threads
        self.memoryBytes = memoryBytes
    }
}

/// The memory and the arithmetic of a study's rounds at one site, apart from its table. Time is not promised: it depends
/// on the machine and on what else it does.
package struct StudyCost: Hashable, Sendable {
    private let training: TrainingCost
    private let setting: TrainingCost.Setting
    private let localWork: TrainingPlan.LocalWork
    private let features: Int

    /// - Parameter threads: Processors that train.
    /// - Throws: ``ModelError`` for a model that does not fit its table; no study that was read from a document has one.
    package init(_ study: Study, threads: Int) throws(ModelError) {
        features = study.data.features.count
        training = TrainingCost(try study.model.graph(inputs: features, head: study.task.head))
        localWork = study.training.localWork
        var setting = TrainingCost.Setting(
            batchSize: study.training.batchSize, threads: threads,
            stateVectors: study.training.optimizer.stateVectors)
        // SCAFFOLD's two controls and their difference.
        if study.federation.strategy.usesControls { setting.furtherVectors = 3 }
        self.setting = setting
    }

    /// About so many bytes a round takes at its highest, training or evaluation: more rather than less.
    package var memoryBytes: Int { max(training.memoryBytes(setting), evaluationBytes) }

    /// The same of an evaluation round alone.
    package var evaluationBytes: Int { training.predictionBytes }

    /// About so many bytes a round of this kind takes on so many rows, the rows encoded for the model among them.
    package func memoryBytes(of kind: RoundKind, rows: Int) -> Int {
        let model =
            switch kind {
            case .statistics: 0
            case .training: training.memoryBytes(setting)
            case .evaluation: evaluationBytes
            }
        let (encoded, overflows) = (MemoryLayout<Float>.stride * features).multipliedReportingOverflow(by: rows)
        let (sum, sumOverflows) = model.addingReportingOverflow(encoded)
        return overflows || sumOverflows ? .max : sum
    }

    /// Multiplications and additions of one training round.
    ///
    /// - Parameter rows: The site's training rows; nil where they are not known.
    /// - Returns: nil for a study in epochs whose rows are not known.
    package func operationsPerRound(rows: Int?) -> Int? {
        let (examples, overflows): (Int, Bool)
        switch localWork {
        case .steps(let steps): (examples, overflows) = steps.multipliedReportingOverflow(by: setting.batchSize)
        case .epochs(let epochs):
            guard let rows else { return nil }
            (examples, overflows) = epochs.multipliedReportingOverflow(by: rows)
        }
        return overflows ? .max : training.operations(examples: examples)
    }

    // MARK: What would fit

    /// The largest batch whose round takes at most so many bytes; nil: no batch does.
    func largestBatch(within bytes: Int) -> Int? {
        evaluationBytes <= bytes ? training.largestBatch(setting, within: bytes) : nil
    }

    /// The most examples of a round that take at most so many operations.
    func mostExamples(within operations: Int) -> Int { operations / max(training.operationsOfExample, 1) }
}
