// SPDX-License-Identifier: Apache-2.0
// What one site's own store says about a study it took part in.

package import Federation
package import Store

/// A site's rows, its own judgements, and how long it computed. Read on the machine where the store lies.
package struct SiteRecords: Hashable, Sendable {
    package var site: SiteID
    package var trainRows: Int
    package var testRows: Int
    package var localOnly: [String: Double]
    package var global: [String: Double]
    /// By the hash of the round's task.
    package var computeSeconds: [Digest: Double]

    package init(
        site: SiteID, trainRows: Int, testRows: Int, localOnly: [String: Double], global: [String: Double],
        computeSeconds: [Digest: Double]
    ) {
        self.site = site
        self.trainRows = trainRows
        self.testRows = testRows
        self.localOnly = localOnly
        self.global = global
        self.computeSeconds = computeSeconds
    }

    /// Reads what `store` holds about the study.
    ///
    /// - Throws: ``StoreError``
    package init(_ store: SiteStore, site: SiteID, study: Digest) async throws {
        self.site = site
        trainRows = 0
        testRows = 0
        computeSeconds = [:]
        for round in try await store.rounds(study: study) {
            if let rows = round.rows {
                switch round.id.kind {
                case .statistics, .training: trainRows = rows
                case .evaluation: testRows = rows
                }
            }
            computeSeconds[round.taskHash] = round.computeSeconds
        }
        localOnly = [:]
        global = [:]
        for evaluation in try await store.evaluations(study: study) where evaluation.split == .test {
            switch evaluation.subject {
            case .localOnly: localOnly = evaluation.metrics
            case .global: global = evaluation.metrics
            }
        }
    }
}
