// SPDX-License-Identifier: Apache-2.0
// The same study under several seeds: mean and spread, so that one lucky seed proves nothing.

/// Several runs of one study that differ in the seed alone.
package struct SeedComparison: Codable, Hashable, Sendable {
    /// Of one figure over the runs.
    package struct Spread: Codable, Hashable, Sendable {
        package var mean: Double
        /// Of the sample; zero for a single run.
        package var standardDeviation: Double
        package var minimum: Double
        package var maximum: Double

        /// `nil` without values.
        package init?(_ values: [Double]) {
            guard let minimum = values.min(), let maximum = values.max() else { return nil }
            let mean = values.reduce(0, +) / Double(values.count)
            let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
            self.mean = mean
            standardDeviation = values.count > 1 ? (squares / Double(values.count - 1)).squareRoot() : 0
            self.minimum = minimum
            self.maximum = maximum
        }
    }

    package struct Quality: Codable, Hashable, Sendable {
        package var accuracy: Spread?
        package var auc: Spread?
        package var rootMeanSquaredError: Spread?

        init(_ qualities: [ModelQuality]) {
            accuracy = Spread(qualities.compactMap(\.accuracy))
            auc = Spread(qualities.compactMap(\.auc))
            rootMeanSquaredError = Spread(qualities.compactMap(\.rootMeanSquaredError))
        }
    }

    package var seeds: [UInt64]
    package var global: Quality
    package var pooledReference: Quality
    package var wallSeconds: Spread?
    package var runs: [FederationReport]

    package init(runs: [FederationReport]) {
        seeds = runs.map(\.seed)
        global = Quality(runs.map(\.global))
        pooledReference = Quality(runs.compactMap(\.pooledReference))
        wallSeconds = Spread(runs.map(\.wallSeconds))
        self.runs = runs
    }
}
