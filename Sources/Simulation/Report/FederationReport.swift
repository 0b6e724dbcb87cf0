// SPDX-License-Identifier: Apache-2.0
// The result of a whole federation on one machine, as people and programs read it.

package import Foundation

/// What `consilium demo` and `consilium simulate` report about one run.
///
/// Privacy: ``sites`` is read from each site's own store on this machine and never crosses the wire; everything else
/// comes from sums over the sites, or is traffic that the aggregator observes anyway.
package struct FederationReport: Codable, Hashable, Sendable {
    package struct StudyName: Codable, Hashable, Sendable {
        package var name: String
        package var hash: String
    }

    /// Of the time a training round takes beyond local computing, in seconds.
    package struct Overhead: Codable, Hashable, Sendable {
        package var median: Double
        package var max: Double
    }

    package struct Model: Codable, Hashable, Sendable {
        package var sha256: String
        /// Where the file is kept; absent when the run kept nothing.
        package var path: String?
    }

    /// What went wrong on the network on purpose.
    package struct Faults: Codable, Hashable, Sendable {
        /// ``FaultProfile``.
        package var profile: String
        package var cutConnections: Int

        package init(profile: FaultProfile, cutConnections: Int) {
            self.profile = profile.rawValue
            self.cutConnections = cutConnections
        }
    }

    package var study: StudyName
    package var seed: UInt64
    /// ``StudyOutcome/word``.
    package var outcome: String
    /// Why, when the outcome is not `completed`.
    package var explanation: String?
    /// Training rounds that were completed.
    package var rounds: Int
    /// From the start of the parties to the last site's confirmation of the model.
    package var wallSeconds: Double
    /// For each training round: its seconds at the aggregator, minus the median of the sites' computing seconds.
    package var roundOverheadSeconds: Overhead?
    /// Of the final model over the test rows of all sites together, from the last evaluation round.
    package var global: ModelQuality
    /// Of a model trained on all sites' rows in one place, which the federation exists to avoid.
    package var pooledReference: ModelQuality?
    package var sites: [SiteResult]
    package var roundMetrics: [RoundMetrics]
    package var model: Model?
    /// Absent when no faults were asked for.
    package var faults: Faults?
}

/// One site's part of a report.
package struct SiteResult: Codable, Hashable, Sendable {
    package var id: String
    package var trainRows: Int
    package var testRows: Int
    /// Of a model trained on this site's rows alone, over this site's test rows.
    package var localOnly: ModelQuality
    /// Of the final model over this site's test rows.
    package var global: ModelQuality
}

/// How well a model does on test rows; what is not defined for the task or the rows is absent.
package struct ModelQuality: Codable, Hashable, Sendable {
    package var rows: Int?
    package var accuracy: Double?
    /// The middle of the bracket that the score histograms allow.
    package var auc: Double?
    package var aucLower: Double?
    package var aucUpper: Double?
    package var logLoss: Double?
    package var brier: Double?
    package var meanAbsoluteError: Double?
    package var rootMeanSquaredError: Double?
    package var rSquared: Double?

    /// Takes the metrics of an evaluation by their names.
    package init(_ metrics: [String: Double]) {
        rows = metrics["rows"].map { Int($0) }
        accuracy = metrics["accuracy"]
        auc = metrics["auc"]
        aucLower = metrics["aucLower"]
        aucUpper = metrics["aucUpper"]
        logLoss = metrics["logLoss"]
        brier = metrics["brier"]
        meanAbsoluteError = metrics["meanAbsoluteError"]
        rootMeanSquaredError = metrics["rootMeanSquaredError"]
        rSquared = metrics["rSquared"]
    }

    package init(_ metrics: [(name: String, value: Double)]) {
        self.init(Dictionary(metrics.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first }))
    }
}

/// One attempt at a round.
package struct RoundMetrics: Codable, Hashable, Sendable {
    package struct SiteParticipation: Codable, Hashable, Sendable {
        package var site: String
        /// ``Participation/word``.
        package var outcome: String
        /// From the opening of the round to the site's complete upload.
        package var seconds: Double?
    }

    /// statistics, training or evaluation.
    package var kind: String
    package var round: Int
    package var attempt: Int
    /// open, closed or abandoned.
    package var state: String
    package var seconds: Double?
    /// Weighted mean local loss.
    package var loss: Double?
    package var accuracy: Double?
    package var auc: Double?
    package var aucLower: Double?
    package var aucUpper: Double?
    /// Sites in the sum.
    package var survivors: Int
    package var participation: [SiteParticipation]
    package var bytesUp: Int
    package var bytesDown: Int
    /// The share of parameters that were clamped, in 0...1.
    package var clipRate: Double?
    package var examplesPerSecond: Double?
    /// See ``FederationReport/roundOverheadSeconds``.
    package var overheadSeconds: Double?
}

extension FederationReport {
    /// Pretty-printed JSON with sorted keys, ending in a line feed.
    package func json() throws -> Data { try JSONDocument.encode(self) }
}

/// The one form of JSON that commands write.
package enum JSONDocument {
    /// Pretty-printed, keys sorted, ending in a line feed.
    package static func encode(_ value: some Encodable) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(value) + Data("\n".utf8)
    }
}
