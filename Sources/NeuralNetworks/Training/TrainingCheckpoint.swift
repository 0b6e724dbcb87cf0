// SPDX-License-Identifier: Apache-2.0
// Local training in the middle: what a later run needs to go on with the very next step, to the bit.

/// The state of a run of ``Trainer`` between two steps.
///
/// Batch order, dropout masks, schedule and normalising weight follow from the number of steps and the plan: they are replayed, not
/// kept.
/// Privacy: holds a model that has seen one site's rows only. It never leaves the site.
package struct TrainingCheckpoint: Hashable, Sendable {
    /// Steps done.
    package var steps: Int
    /// Σ of the loss over the examples seen, in the order of the steps.
    package var lossSum: Double
    /// `[parameterCount]`.
    package var parameters: [Float]
    /// The optimiser's vectors, one after the other: `[stateVectors × parameterCount]`.
    package var optimizerState: [Float]
    /// `[parameterCount]`, the moving average of the parameters; nil where none is kept.
    package var average: [Float]?

    /// What the training gives if it ends here.
    package var result: [Float] { average ?? parameters }

    package init(
        steps: Int, lossSum: Double, parameters: [Float], optimizerState: [Float], average: [Float]? = nil
    ) {
        self.steps = steps
        self.lossSum = lossSum
        self.parameters = parameters
        self.optimizerState = optimizerState
        self.average = average
    }
}

/// When a run of ``Trainer`` gives its state away, and to whom.
package struct CheckpointSaving {
    /// Asked after each step but the last, with whether an epoch ended with it.
    package var isDue: (_ endsEpoch: Bool) -> Bool
    package var save: (TrainingCheckpoint) throws -> Void

    package init(isDue: @escaping (_ endsEpoch: Bool) -> Bool, save: @escaping (TrainingCheckpoint) throws -> Void) {
        self.isDue = isDue
        self.save = save
    }
}
