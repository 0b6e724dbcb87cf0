// SPDX-License-Identifier: Apache-2.0
// The plan of a site's local training in one round, and what comes out of it.

/// What a site does with its examples in one round.
package struct LocalTraining: Hashable, Sendable {
    package var optimizer: OptimizerSpecification
    /// The base learning rate, before the schedule.
    package var learningRate: Double
    package var schedule: LearningRateSchedule
    /// Examples per step; a table with fewer examples is one batch.
    package var batchSize: Int
    /// Steps in this round.
    package var steps: Int
    /// The largest norm of a step's whole gradient; nil: any. Source: Pascanu, Mikolov & Bengio 2013, Algorithm 1.
    package var largestNorm: Double?
    /// Batches whose gradients make one step: the mean is that over all of their examples.
    package var accumulation = 1
    /// The decay of a moving average of the parameters, which is then what training gives; nil: the last parameters.
    package var averageDecay: Double?

    package init(
        optimizer: OptimizerSpecification, learningRate: Double, schedule: LearningRateSchedule = .constant,
        batchSize: Int, steps: Int, largestNorm: Double? = nil
    ) {
        self.optimizer = optimizer
        self.learningRate = learningRate
        self.schedule = schedule
        self.batchSize = batchSize
        self.steps = steps
        self.largestNorm = largestNorm
    }

    /// The steps that visit every example once: examples ÷ batch size, rounded up.
    ///
    /// - Precondition: `batchSize >= 1`.
    package static func stepsPerEpoch(examples: Int, batchSize: Int) -> Int {
        precondition(batchSize >= 1, "a batch of \(batchSize)")
        return (examples + batchSize - 1) / batchSize
    }

    /// Examples that one step sees.
    package var examplesPerStep: Int { batchSize * accumulation }

    /// Checks the numbers of the plan.
    ///
    /// - Throws: ``TrainingError/invalidPlan(_:)`` with the first part that makes no sense.
    package func check() throws(TrainingError) {
        guard batchSize >= 1 else { throw .invalidPlan(.batchSize) }
        guard steps >= 1 else { throw .invalidPlan(.steps) }
        guard learningRate > 0, learningRate.isFinite else { throw .invalidPlan(.learningRate) }
        guard schedule.isValid else { throw .invalidPlan(.schedule) }
        guard optimizer.isValid else { throw .invalidPlan(.optimizer) }
        if let largestNorm, !(largestNorm > 0) { throw .invalidPlan(.largestNorm) }
        guard accumulation >= 1, !batchSize.multipliedReportingOverflow(by: accumulation).overflow else {
            throw .invalidPlan(.accumulation)
        }
        if let averageDecay, !(averageDecay >= 0 && averageDecay < 1) { throw .invalidPlan(.averageDecay) }
    }
}

/// What one round of local training did.
package struct TrainingSummary: Hashable, Sendable {
    /// Optimiser steps taken.
    package var steps: Int
    /// Examples seen, an example counted every time a batch held it.
    package var examples: Int
    /// The mean loss over those examples, each at the parameters its step began with; without proximal term.
    package var meanLoss: Double
    /// FedNova's ‖a‖₁, the effective number of local steps; see ``GradientWeights``.
    package var normalizingWeight: Double
    /// Σ of the learning rates of the steps, what SCAFFOLD divides the update by (K·η for a constant rate).
    package var learningRateSum: Double

    package init(
        steps: Int, examples: Int, meanLoss: Double, normalizingWeight: Double, learningRateSum: Double
    ) {
        self.steps = steps
        self.examples = examples
        self.meanLoss = meanLoss
        self.normalizingWeight = normalizingWeight
        self.learningRateSum = learningRateSum
    }
}
