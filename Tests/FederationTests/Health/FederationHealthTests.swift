// SPDX-License-Identifier: Apache-2.0

import Federation
import Testing

struct FederationHealthTests {
    private typealias Site = FederationHealth.Site
    private typealias StudyState = FederationHealth.StudyState

    private static let ready = ["a", "b", "c"].map { Site(name: $0, isConnected: true, obstacles: []) }

    private static func running(_ change: (inout StudyState) -> Void = { _ in }) -> StudyState {
        var study = StudyState(name: "heart", phase: "collecting")
        study.minimumSites = 2
        study.accepted = ["a", "b", "c"]
        change(&study)
        return study
    }

    private static func subjects(
        _ studies: [StudyState], sites: [Site] = ready, isRunning: Bool = true
    ) -> [String] {
        let findings = FederationHealth(isRunning: isRunning, sites: sites, studies: studies).findings
        for finding in findings { #expect(!finding.problem.isEmpty && !finding.remedy.isEmpty) }
        return findings.map { "\($0.subject): \($0.problem)" }
    }

    @Test func nothingIsWrongWhenAllAreReadyAndWork() {
        let awaited = FederationHealth.Awaited(
            site: "c", stage: "computing", count: 3, pace: .working, idleSeconds: 1, remainingSeconds: 59)
        #expect(Self.subjects([Self.running { $0.awaited = [awaited] }]).isEmpty)
        #expect(Self.subjects([Self.running { ($0.phase, $0.deliveries) = ("completed", 3) }]).isEmpty)
    }

    @Test func connectedIsNotHealthyUnlessTheSiteSaysSo() {
        #expect(Site(name: "a", isConnected: true, obstacles: []).isHealthy)
        for site in [
            Site(name: "a", isConnected: true, obstacles: nil), Site(name: "a", isConnected: false, obstacles: []),
        ] + SiteObstacle.allCases.map({ Site(name: "a", isConnected: true, obstacles: [$0]) }) {
            #expect(!site.isHealthy)
            #expect(Self.subjects([], sites: [site]).count == 1)
        }
    }

    @Test(arguments: SiteObstacle.allCases)
    func anObstacleIsNamedWithItsRemedy(_ obstacle: SiteObstacle) {
        let health = FederationHealth(
            isRunning: true, sites: [Site(name: "a", isConnected: true, obstacles: [obstacle])], studies: [])
        #expect(health.findings.map(\.subject) == ["a"])
        #expect(health.findings[0].problem == "cannot compute: \(obstacle.explanation)")
        #expect(health.findings[0].remedy == obstacle.remedy)
    }

    @Test func aSlowSiteIsNotALostOne() {
        func finding(_ pace: AwaitedSite.Pace) -> String {
            let awaited = FederationHealth.Awaited(
                site: "c", stage: "computing", count: 40, pace: pace, idleSeconds: 3, remainingSeconds: 57)
            let found = Self.subjects([Self.running { $0.awaited = [awaited] }])
            #expect(found.count == 1)
            return found.first ?? ""
        }
        #expect(finding(.slow) == "c: slow, not lost: computing, at 40, last progress 3 s ago")
        #expect(finding(.silent).hasPrefix("c: silent: computing"))
        #expect(finding(.away).hasPrefix("c: lost its connection in heart: computing"))
    }

    @Test func aMissingRequiredSiteIsSaidBeforeTheEnd() {
        let study = Self.running { $0.requiredSites = ["a", "d"] }
        #expect(Self.subjects([study]) == ["heart: will end as degraded without its required site d"])
        // Accepted, but not here.
        let gone = [Site(name: "a", isConnected: false, obstacles: nil)] + Self.ready.dropFirst()
        let found = Self.subjects([Self.running { $0.requiredSites = ["a"] }], sites: gone)
        #expect(found.contains("heart: will end as degraded without its required site a"))
        #expect(found.contains("a: not connected"))
    }

    @Test func aDegradedStudyIsNeverWell() {
        let study = Self.running {
            ($0.phase, $0.explanation, $0.deliveries) = ("degraded", "required sites missed a training round: c", 3)
        }
        #expect(Self.subjects([study]) == ["heart: ended as degraded: required sites missed a training round: c"])
    }

    @Test func absencesAndRefusalsAreNamedWithTheirReasons() {
        let study = Self.running {
            $0.phase = "waiting"
            $0.accepted = ["a"]
            $0.declined = ["b": .notApproved]
            $0.failure = "tooFewSites"
            $0.absences = [FederationHealth.Absence(site: "c", explanation: "withheld: it has no usable rows")]
        }
        #expect(
            Self.subjects([study]) == [
                "heart: waits: 1 of at least 2 sites have accepted and are connected",
                "heart: its latest round failed: tooFewSites",
                "b: declined heart: \(DeclineReason.notApproved.explanation)",
                "c: not in the latest round of heart: withheld: it has no usable rows",
            ])
    }

    @Test func aStoppedAggregatorComesFirstAndSitesAreNotBlamed() {
        let found = Self.subjects(
            [Self.running { $0.phase = "paused" }], sites: [Site(name: "a", isConnected: false, obstacles: nil)],
            isRunning: false)
        #expect(found == ["aggregator: it is not running; no round goes on"])
    }

    @Test func undeliveredModelsAreNoticed() {
        let study = Self.running { ($0.phase, $0.deliveries) = ("completed", 1) }
        #expect(Self.subjects([study]) == ["heart: 2 of 3 sites have not confirmed the released model"])
    }
}
