// SPDX-License-Identifier: Apache-2.0
// A study: everything a site must know to decide whether to take part, and then to do its half of it.

package import NeuralNetworks

/// A study as a value. It is data, never code, and its SHA-256 is its identity.
///
/// Reading order: ``DataContract`` says what goes in, ``model`` and ``training`` what is done with it at a site,
/// ``federation`` how the sites' results become one model, ``evaluation`` how it is judged.
package struct Study: Hashable, Sendable {
    /// A short name in the alphabet of ``SiteID``; used in file names.
    package var name: String
    package var title: String
    /// Why the data is used, in the words that an ethics board approved.
    package var purpose: String
    package var task: LearningTask
    package var data: DataContract
    package var model: ModelSpecification
    package var training: TrainingPlan
    package var federation: FederationTerms
    package var evaluation: EvaluationTerms

    package init(
        name: String, title: String, purpose: String, task: LearningTask, data: DataContract,
        model: ModelSpecification, training: TrainingPlan, federation: FederationTerms, evaluation: EvaluationTerms
    ) {
        self.name = name
        self.title = title
        self.purpose = purpose
        self.task = task
        self.data = data
        self.model = model
        self.training = training
        self.federation = federation
        self.evaluation = evaluation
    }
}

/// What is learned. More kinds (survival, treatment) join here.
package enum LearningTask: Hashable, Sendable {
    case binary
    case multiclass(classes: Int)
    case regression

    /// The loss and shape of the model's last layer.
    package var head: Head {
        switch self {
        case .binary: .logistic
        case .multiclass(let classes): .softmax(classes: classes)
        case .regression: .linear
        }
    }
}

/// How a site trains between two sums.
package struct TrainingPlan: Hashable, Sendable {
    package enum LocalWork: Hashable, Sendable {
        /// So many batches a round at every site.
        case steps(Int)
        /// So many passes a round over the site's own rows.
        case epochs(Int)
    }

    package var optimizer: OptimizerSpecification
    package var learningRate: Double
    package var schedule: LearningRateSchedule
    package var batchSize: Int
    package var localWork: LocalWork
    /// Seeds initial weights, batch order and dropout of this non-private study.
    package var seed: UInt64
    /// Layers with a rate of their own, and frozen ones, which stay as the seed made them.
    package var layerRates: LayerRates

    package init(
        optimizer: OptimizerSpecification, learningRate: Double, schedule: LearningRateSchedule, batchSize: Int,
        localWork: LocalWork, seed: UInt64, layerRates: LayerRates = .none
    ) {
        self.optimizer = optimizer
        self.learningRate = learningRate
        self.schedule = schedule
        self.batchSize = batchSize
        self.localWork = localWork
        self.seed = seed
        self.layerRates = layerRates
    }

    /// Batches a site with `rows` training rows runs in one round.
    package func steps(rows: Int) -> Int {
        switch localWork {
        case .steps(let steps): steps
        case .epochs(let epochs): epochs * ((rows + batchSize - 1) / batchSize)
        }
    }
}

/// How the sites work together.
package struct FederationTerms: Hashable, Sendable {
    package var strategy: Strategy
    package var rounds: Int
    /// A round whose sum would cover fewer sites is not summed.
    package var minimumSites: Int
    /// Sites without which the study ends as degraded, whatever else succeeds.
    package var requiredSites: [SiteID]
    /// The share of the enrolled sites asked in each training round, in `0 < p <= 1`; 1 asks all.
    package var participation: Double
    package var progress: ProgressTerms
    package var numbers: NumberTerms

    package init(
        strategy: Strategy, rounds: Int, minimumSites: Int, requiredSites: [SiteID], participation: Double,
        progress: ProgressTerms, numbers: NumberTerms
    ) {
        self.strategy = strategy
        self.rounds = rounds
        self.minimumSites = minimumSites
        self.requiredSites = requiredSites
        self.participation = participation
        self.progress = progress
        self.numbers = numbers
    }
}

/// When a round stops waiting. Work that goes on is waited for; silence is not.
package struct ProgressTerms: Hashable, Sendable {
    /// How long the start of the study waits for further sites once the minimum has accepted.
    package var joinSeconds: Double
    /// A site that shows no progress for so long counts as lost for this round.
    package var stallSeconds: Double
    /// Once the minimum has uploaded, a site still working is waited for until this multiple of the median time.
    package var stragglerFactor: Double
    /// The least time given to stragglers, so that rounds of milliseconds do not drop sites for a hiccup.
    package var stragglerSeconds: Double
    /// How long a study waits for enough sites to be present before it ends as degraded.
    package var absenceSeconds: Double
    /// How often one round may be tried.
    package var attempts: Int

    package init(
        joinSeconds: Double, stallSeconds: Double, stragglerFactor: Double, stragglerSeconds: Double,
        absenceSeconds: Double, attempts: Int
    ) {
        self.joinSeconds = joinSeconds
        self.stallSeconds = stallSeconds
        self.stragglerFactor = stragglerFactor
        self.stragglerSeconds = stragglerSeconds
        self.absenceSeconds = absenceSeconds
        self.attempts = attempts
    }

    package static let standard = ProgressTerms(
        joinSeconds: 5, stallSeconds: 60, stragglerFactor: 4, stragglerSeconds: 10, absenceSeconds: 600, attempts: 5)
}

/// How real numbers become integers of the ring, see ``UpdateSum``.
package struct NumberTerms: Hashable, Sendable {
    /// Bits of one quantised value, sign included.
    package var valueBits: Int
    /// Updates are clamped to `-clip...clip` for each parameter.
    package var clip: Double
    /// Sample counts are rounded up to multiples of this, so that sums over few sites reveal less.
    package var weightUnit: Int
    /// The largest weight in units; larger sites count as this large.
    package var maximumWeight: Int

    package init(valueBits: Int, clip: Double, weightUnit: Int, maximumWeight: Int) {
        self.valueBits = valueBits
        self.clip = clip
        self.weightUnit = weightUnit
        self.maximumWeight = maximumWeight
    }

    package static let standard = NumberTerms(valueBits: 16, clip: 1, weightUnit: 32, maximumWeight: 64)

    /// A site's weight: its training rows in units, rounded up.
    package func weight(rows: Int) -> UInt32 {
        UInt32(min(maximumWeight, max(1, (rows + weightUnit - 1) / weightUnit)))
    }
}

/// How the model is judged.
package struct EvaluationTerms: Hashable, Sendable {
    /// An evaluation round follows every so many training rounds and always the last one.
    package var everyRounds: Int
    /// Bins of the score histograms.
    package var bins: Int

    package init(everyRounds: Int, bins: Int) {
        self.everyRounds = everyRounds
        self.bins = bins
    }

    package static let standard = EvaluationTerms(everyRounds: 5, bins: 1_024)
}
