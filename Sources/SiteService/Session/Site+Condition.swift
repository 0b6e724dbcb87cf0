// SPDX-License-Identifier: Apache-2.0
// Whether this site is able to compute at all: what the aggregator's operator needs to know, in words without detail.

import Execution
import Federation
import Logging
import Store
import Telemetry

extension Site {
    /// What keeps this site from taking part in anything, looked at now: a small file and the state of the disk.
    var obstacles: [SiteObstacle] {
        var obstacles: [SiteObstacle] = []
        if let policy = try? settings.policy() {
            if let asker, !policy.federations.contains(asker) { obstacles.append(.policyRefuses) }
            // nil is a data set that is not registered.
            let present = policy.datasets.compactMap { datasets.isPresent($0.name) }
            if present.isEmpty { obstacles.append(.noDataset) }
            if present.contains(false) { obstacles.append(.dataMissing) }
        } else {
            obstacles.append(.noPolicy)
        }
        if !vault.isWritable { obstacles.append(.diskFull) }
        return obstacles
    }
}

extension Site {
    /// Every metric as text, gauges as they are now.
    package func measurements() async throws -> String {
        metrics.gauge("connected", isConnected ? 1 : 0)
        let present = obstacles
        for obstacle in SiteObstacle.allCases {
            metrics.gauge(
                "obstacle", present.contains(obstacle) ? 1 : 0, labels: ["obstacle": obstacle.rawValue])
        }
        let running = try await store.studies().count { $0.decision == .accepted && $0.outcome == nil }
        metrics.gauge("accepted_studies", Int64(running))
        metrics.gauge("certificate_expiry_timestamp_seconds", await membership?.certificateEnd() ?? 0)
        metrics.gauge("entries", Int64(try await store.entryLog.count()))
        return metrics.text()
    }

    /// Writes the metrics to `path` again and again, until cancelled. A file that cannot be written is said once.
    package func keepMetricsFile(_ path: String) async throws {
        var isWell = true
        while true {
            do {
                try MetricsFile.write(try await measurements(), to: path)
                isWell = true
            } catch let failure as MetricsFile.Failure {
                if isWell { logger.error("the metrics are not written", metadata: ["error": "\(failure)"]) }
                isWell = false
            }
            try await clock.sleep(for: .seconds(15))
        }
    }
}
