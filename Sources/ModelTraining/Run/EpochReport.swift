// SPDX-License-Identifier: Apache-2.0
// What is known after each epoch.

/// One epoch in numbers. A number that is not finite is absent.
package struct EpochReport: Hashable, Sendable, Codable {
    /// From 1.
    package let epoch: Int
    /// The mean loss over the epoch's batches, each at the parameters its step began with.
    package let loss: Double?
    package let validation: TaskQuality?
    /// Whether its validation loss is the lowest so far.
    package let isBest: Bool
    /// What the plateau's rule multiplies the learning rates from the next step on with; absent without such a rule.
    package let rateFactor: Double?
}

/// How fast an epoch went, and how long the rest may take.
package struct EpochPace: Hashable, Sendable, Codable {
    package let examplesPerSecond: Double
    /// If all epochs are needed and last as long as those so far.
    package let secondsLeft: Double
}
