// SPDX-License-Identifier: Apache-2.0
// A report from the stores of all parties.

import Federation
package import Store

extension FederationReport {
    /// Puts together what the aggregator's store and the sites' own stores say about a study that has ended.
    ///
    /// - Parameters:
    ///   - rounds: all attempts at all rounds, in the order of their opening.
    ///   - modelPath: where the released model is kept, if it is.
    package init(
        study record: StudyRecord, rounds: [RoundRecord], sites: [SiteRecords], seed: UInt64, wallSeconds: Double,
        pooledReference: ModelQuality?, modelPath: String? = nil
    ) {
        let metrics = rounds.map { RoundMetrics($0, sites: sites) }
        let evaluation = rounds.last { $0.id.kind == .evaluation && $0.state == .closed }
        self.init(
            study: StudyName(name: record.name, hash: record.hash.hex), seed: seed,
            outcome: record.outcome ?? "unfinished", explanation: record.explanation.flatMap { $0.isEmpty ? nil : $0 },
            rounds: rounds.count { $0.id.kind == .training && $0.state == .closed }, wallSeconds: wallSeconds,
            roundOverheadSeconds: Overhead(metrics.compactMap(\.overheadSeconds)),
            global: ModelQuality(evaluation?.metrics ?? [:]), pooledReference: pooledReference,
            sites: sites.sorted { $0.site < $1.site }.map { site in
                SiteResult(
                    id: site.site.rawValue, trainRows: site.trainRows, testRows: site.testRows,
                    localOnly: ModelQuality(site.localOnly), global: ModelQuality(site.global))
            },
            roundMetrics: metrics,
            model: record.releasedModel.map { Model(sha256: $0.hex, path: modelPath) })
    }
}

extension FederationReport.Overhead {
    init?(_ seconds: [Double]) {
        guard let median = medianValue(of: seconds), let max = seconds.max() else { return nil }
        self.init(median: median, max: max)
    }
}

extension RoundMetrics {
    /// - Parameter sites: whose computing is taken off the round's time; empty when it is not known.
    package init(_ record: RoundRecord, sites: [SiteRecords] = []) {
        let summary = record.summary
        let computing = medianValue(of: sites.compactMap { $0.computeSeconds[record.taskHash] })
        self.init(
            kind: record.id.kind.rawValue, round: record.id.round, attempt: record.id.attempt,
            state: record.state.rawValue, seconds: summary?.seconds, loss: summary?.loss,
            accuracy: record.metrics["accuracy"], auc: record.metrics["auc"], aucLower: record.metrics["aucLower"],
            aucUpper: record.metrics["aucUpper"], survivors: summary?.survivors ?? 0,
            participation: record.participation.map {
                SiteParticipation(site: $0.site.rawValue, outcome: $0.word, seconds: $0.uploadSeconds)
            },
            bytesUp: summary?.bytesUp ?? 0, bytesDown: summary?.bytesDown ?? 0, clipRate: summary?.clipRate,
            examplesPerSecond: summary.flatMap { summary in
                summary.examples.map { Double($0) / max(summary.seconds, 1e-9) }
            },
            overheadSeconds: nil)
        if record.id.kind == .training, let seconds = summary?.seconds, let computing {
            overheadSeconds = max(0, seconds - computing)
        }
    }
}

/// The middle value, or the mean of the two middle ones.
func medianValue(of values: [Double]) -> Double? {
    guard !values.isEmpty else { return nil }
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
