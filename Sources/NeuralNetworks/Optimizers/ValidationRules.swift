// SPDX-License-Identifier: Apache-2.0
// Rules of local training that watch a validation metric: lower the learning rate on a plateau, and stop early.

/// Which values of a metric are the better ones.
package enum MetricGoal: Hashable, Sendable {
    case lower
    case higher
}

/// Lowers the learning rate when a metric has stopped getting better.
///
/// For training at one site only: in a federated round the metric would have to leave the site.
/// Source: torch.optim.lr_scheduler.ReduceLROnPlateau with relative thresholds.
package struct ReduceOnPlateau: Hashable, Sendable {
    package var goal: MetricGoal
    /// What each reduction multiplies the rate with.
    package var step: Double
    /// Epochs without improvement that are borne; the next one reduces.
    package var patience: Int
    /// An improvement is a change by more than this share of the best value.
    package var threshold: Double
    /// Epochs after a reduction that do not count as bad.
    package var cooldown: Int
    package var minimumFactor: Double

    /// What every learning rate of the schedule is multiplied with now.
    package private(set) var factor = 1.0
    private var best: Double?
    private var badEpochs = 0
    private var cooldownLeft = 0

    package init(
        goal: MetricGoal = .lower, step: Double = 0.1, patience: Int = 10, threshold: Double = 1e-4, cooldown: Int = 0,
        minimumFactor: Double = 0
    ) {
        precondition(
            step > 0 && step < 1 && patience >= 0 && threshold >= 0 && cooldown >= 0, "a senseless plateau rule")
        self.goal = goal
        self.step = step
        self.patience = patience
        self.threshold = threshold
        self.cooldown = cooldown
        self.minimumFactor = minimumFactor
    }

    /// Takes the metric of one epoch; a NaN counts as no improvement.
    package mutating func record(_ metric: Double) {
        if isImprovement(metric) {
            best = metric
            badEpochs = 0
        } else {
            badEpochs += 1
        }
        if cooldownLeft > 0 {
            cooldownLeft -= 1
            badEpochs = 0
        }
        guard badEpochs > patience else { return }
        factor = max(factor * step, min(factor, minimumFactor))
        cooldownLeft = cooldown
        badEpochs = 0
    }

    private func isImprovement(_ metric: Double) -> Bool {
        guard let best else { return !metric.isNaN }
        return switch goal {
        case .lower: metric < best * (1 - threshold)
        case .higher: metric > best * (1 + threshold)
        }
    }
}

/// Ends training when a metric has not got better for some epochs, and remembers which epoch was the best.
///
/// For training at one site only, as ``ReduceOnPlateau``.
package struct EarlyStopping: Hashable, Sendable {
    package var goal: MetricGoal
    /// So many epochs in a row without improvement end training.
    package var patience: Int
    /// An improvement is a change by more than this.
    package var minimumChange: Double

    /// The best metric so far; nil before the first epoch.
    package private(set) var best: Double?
    /// The epoch it came from, counted from zero.
    package private(set) var bestEpoch: Int?
    private var epochs = 0
    private var badEpochs = 0

    package init(goal: MetricGoal = .lower, patience: Int, minimumChange: Double = 0) {
        precondition(patience >= 1 && minimumChange >= 0, "a senseless rule for stopping")
        self.goal = goal
        self.patience = patience
        self.minimumChange = minimumChange
    }

    package var shouldStop: Bool { badEpochs >= patience }

    /// Takes the metric of the next epoch; a NaN counts as no improvement.
    ///
    /// - Returns: Whether it is the best so far: the parameters to keep.
    @discardableResult
    package mutating func record(_ metric: Double) -> Bool {
        defer { epochs += 1 }
        guard isImprovement(metric) else {
            badEpochs += 1
            return false
        }
        best = metric
        bestEpoch = epochs
        badEpochs = 0
        return true
    }

    private func isImprovement(_ metric: Double) -> Bool {
        guard let best else { return !metric.isNaN }
        return switch goal {
        case .lower: metric < best - minimumChange
        case .higher: metric > best + minimumChange
        }
    }
}
