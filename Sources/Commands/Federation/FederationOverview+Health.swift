// SPDX-License-Identifier: Apache-2.0
// An overview as a value that says what is wrong.

import Federation
import Simulation

extension FederationOverview {
    /// What the aggregator knows, without figures.
    var health: FederationHealth {
        FederationHealth(
            isRunning: isRunning,
            sites: sites.map { member in
                FederationHealth.Site(
                    name: member.site, isConnected: member.isConnected,
                    obstacles: member.obstacles.map { $0.compactMap(SiteObstacle.init(rawValue:)) })
            }, studies: studies.map(\.state))
    }
}

extension FederationOverview.StudyView {
    /// The latest round that is not open.
    var latestEnded: RoundMetrics? { roundMetrics.last { $0.state != "open" } }

    fileprivate var state: FederationHealth.StudyState {
        var state = FederationHealth.StudyState(name: name, phase: phase)
        state.explanation = explanation ?? ""
        state.minimumSites = minimumSites
        state.requiredSites = requiredSites
        state.accepted = acceptedSites
        state.declined = declinedSites.compactMapValues(DeclineReason.init(rawValue:))
        state.deliveries = deliveries ?? 0
        state.awaited = pending.map { site in
            FederationHealth.Awaited(
                site: site.site, stage: site.stage, count: site.count,
                pace: AwaitedSite.Pace(rawValue: site.pace) ?? .working, idleSeconds: site.idleSeconds,
                remainingSeconds: site.remainingSeconds)
        }
        state.absences = latestAbsences.sorted { $0.key < $1.key }
            .map { FederationHealth.Absence(site: $0.key, explanation: $0.value) }
        state.failure = latestFailure
        return state
    }
}
