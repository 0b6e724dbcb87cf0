// SPDX-License-Identifier: Apache-2.0
// What the aggregator says of its sites while they are away, slow or unable; and a study that lacks one it needs.

import Federation
import Store
import Testing
import WireProtocol

@Suite(.timeLimit(.minutes(3)))
struct HealthTests {
    private static func member(_ name: String, _ federation: TestFederation) async throws -> MemberStatus? {
        try await federation.status().sites.first { $0.site == name }
    }

    @Test
    func aSiteIsHealthyOnceItSaysThatItCanCompute() async throws {
        var closed = SitePlan("b")
        closed.ownPolicy = SitePolicy()
        var stranger = SitePlan("c")
        stranger.ownPolicy = SitePlan("c").policy
        stranger.ownPolicy?.federations = ["another"]
        let plans = [SitePlan("a"), closed, stranger]
        try await TestFederation.run(TestStudy.make(), plans, guests: ["mute", "away"], isSubmitted: false) {
            federation in
            // A guest that says hello, and no more.
            let mute = try await RawSite("mute", in: federation)
            try await mute.say(.hello(versions: [1], software: "test"))
            try await eventually("all have connected and spoken") {
                let sites = try await federation.status().sites
                return sites.count { $0.isConnected } == 4 && sites.count { $0.obstacles != nil } == 3
            }
            let sites = try await federation.status().sites
            #expect(sites.map(\.site) == ["a", "away", "b", "c", "mute"])
            #expect(sites.filter(\.isHealthy).map(\.site) == ["a"])
            #expect(try await Self.member("b", federation)?.obstacles == ["policyRefuses", "noDataset"])
            #expect(try await Self.member("c", federation)?.obstacles == ["policyRefuses"])
            let awayMember = try await Self.member("away", federation)
            #expect(awayMember == MemberStatus(site: "away", isConnected: false, obstacles: nil))
            // What was said on one connection does not hold on the next.
            try await mute.say(.condition([.diskFull]))
            try await eventually("it is noted") {
                try await Self.member("mute", federation)?.obstacles == ["diskFull"]
            }
            let again = try await RawSite("mute", in: federation)
            try await again.say(.hello(versions: [1], software: "test"))
            try await eventually("it is forgotten") { try await Self.member("mute", federation)?.obstacles == nil }
            try await again.say(.condition([]))
            try await eventually("it is well") { try await Self.member("mute", federation)?.isHealthy == true }
        }
    }

    /// Every ping asks; a site whose condition has changed answers, others are silent.
    @Test
    func aSiteSaysWhenItsConditionChanges() async throws {
        let plan = SitePlan("a")
        try await LyingServer.run(plan: plan) { lies in
            let server = try await lies.welcomed()
            func condition() async throws -> SiteMessage {
                try await server.hear { if case .condition = $0 { true } else { false } }
            }
            #expect(try await condition() == .condition([]))
            for isPresent in [false, true] {
                plan.dataset.setPresent(isPresent)
                try await server.say(.ping)
                #expect(try await condition() == .condition(isPresent ? [] : [.dataMissing]))
                try await server.say(.ping)
            }
        }
    }

    @Test
    func aSlowSiteIsShownAsSlowWithItsProgress() async throws {
        let gate = Gate()
        let plans = [
            SitePlan("a"), SitePlan("b"), SitePlan("slow", updates: SteadyUpdate(0.1, gatedRound: 1, gate: gate)),
        ]
        try await TestFederation.run(TestStudy.make(rounds: 1), plans) { federation in
            try await eventually("it is shown as slow") {
                let pending = try await federation.progress().pending
                guard pending.map(\.site) == ["slow"], let site = pending.first, site.pace == "slow" else {
                    return false
                }
                #expect(site.isConnected && site.idleSeconds < 60 && site.remainingSeconds > 60)
                return site.stage == "computing" && site.count > 0
            }
            gate.open()
            try await federation.finish(deliveries: 3)
            #expect(try await federation.words(.training, 1)["slow"] == "included")
        }
    }

    @Test
    func aStudyThatLacksARequiredSiteEndsAsDegradedNotAsSuccess() async throws {
        var study = TestStudy.make(rounds: 2, minimumSites: 2)
        let required = try #require(SiteID("c"))
        study.federation.requiredSites = [required]
        var plans = ["a", "b", "c"].map { SitePlan($0) }
        plans[2].approves = false
        try await TestFederation.run(study, plans) { federation in
            let record = try await federation.finish(deliveries: 2)
            #expect(record.outcome == "degraded")
            #expect(record.explanation == "required sites missed a training round: c")
            #expect(record.releasedModel != nil)
            let entries = try await federation.store.entryLog.entries(from: 0, limit: 1_000, study: federation.hash)
            let end = try #require(entries.map(\.entry).first { $0.kind == .studyEnded })
            #expect(end.body["outcome"] == .string("degraded"))
            #expect(end.body["reason"] == .string("requiredSitesMissing"))
            #expect(end.body["missing"] == .strings(["c"]))
        }
    }
}
