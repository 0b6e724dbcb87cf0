// SPDX-License-Identifier: Apache-2.0
// Follows one study from its submission to the last site's confirmation, whatever carries the questions.

package import Federation
package import Store
package import WireProtocol

/// What has become known of a study since the last look.
package struct FederationMoment: Sendable {
    package var status: StudyStatus
    /// Sites connected to the aggregator.
    package var connectedSites: [String]
    /// Rounds that closed or were abandoned since the last look.
    package var endedRounds: [RoundRecord]

    package init(status: StudyStatus, connectedSites: [String], endedRounds: [RoundRecord]) {
        self.status = status
        self.connectedSites = connectedSites
        self.endedRounds = endedRounds
    }
}

/// Watches a study until it has ended and its sites have confirmed the model.
///
/// The same code follows the simulation in this process and the daemons of a demo.
package struct StudyWatch: Sendable {
    package let study: Digest
    package let minimumSites: Int
    /// The sites that are going to decide about the study; when all have, waiting for more is vain.
    package let expectedSites: Set<SiteID>
    package let store: AggregatorStore
    package let interval: Duration
    /// How long sites may take to fetch and judge the model once the study has ended.
    package let patience: Duration

    package init(
        study: Digest, minimumSites: Int, expectedSites: Set<SiteID>, store: AggregatorStore, interval: Duration,
        patience: Duration = .seconds(30)
    ) {
        self.study = study
        self.minimumSites = minimumSites
        self.expectedSites = expectedSites
        self.store = store
        self.interval = interval
        self.patience = patience
    }

    /// Looks again and again; returns once every site that accepted has confirmed the model, or patience has run out.
    ///
    /// - Parameters:
    ///   - ask: gives the aggregator's present status.
    ///   - onChange: is called after every look.
    /// - Throws: ``SimulationError`` `tooFewSites`; what `ask` and the store throw.
    package func follow(
        ask: @Sendable () async throws -> FederationStatus, onChange: @Sendable (FederationMoment) async -> Void
    ) async throws {
        var reported: Set<Digest> = []
        var seen: Stage?
        var ended: ContinuousClock.Instant?
        while true {
            let status = try await ask()
            if let own = status.studies.first(where: { $0.study == study }) {
                var fresh: [RoundRecord] = []
                // Reading every round of hundreds of sites at every look would cost more than the rounds.
                if seen != Stage(own) || own.isFinished {
                    seen = Stage(own)
                    fresh = try await store.rounds(study: study)
                        .filter { $0.state != .open && !reported.contains($0.taskHash) }
                    reported.formUnion(fresh.map(\.taskHash))
                }
                await onChange(
                    FederationMoment(status: own, connectedSites: status.connectedSites, endedRounds: fresh))
                if own.phase == "gathering" { try await checkDecisions() }
                if own.isFinished {
                    let since = ended ?? .now
                    ended = since
                    let isConfirmed = own.deliveries >= own.acceptedSites.count
                    if isConfirmed || ContinuousClock.now - since > patience { return }
                }
            }
            try await Task.sleep(for: interval)
        }
    }

    /// Where a study stands; while it stays there, no round has ended.
    private struct Stage: Equatable {
        var phase: String
        var kind: String
        var round: Int
        var attempt: Int

        init(_ status: StudyStatus) {
            phase = status.phase
            kind = status.roundKind
            round = status.round
            attempt = status.attempt
        }
    }

    /// Gives up when nobody is left who could accept.
    private func checkDecisions() async throws {
        let decisions = try await store.decisions(study: study)
        guard expectedSites.isSubset(of: decisions.map(\.site)),
            decisions.count(where: \.isAccepted) < minimumSites
        else { return }
        let reasons = decisions.sorted { $0.site < $1.site }.compactMap { record -> String? in
            if case .declined(let reason) = record.decision { "\(record.site): \(reason.explanation)" } else { nil }
        }
        let accepted = decisions.count(where: \.isAccepted)
        throw SimulationError(
            .tooFewSites,
            "\(accepted) of at least \(minimumSites) sites accept the study; \(reasons.joined(separator: "; "))",
            hint: "check each site with `consilium data check`, and `approve` in its policy.yaml")
    }
}
