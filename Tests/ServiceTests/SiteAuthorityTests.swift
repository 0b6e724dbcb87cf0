// SPDX-License-Identifier: Apache-2.0
// The hospital decides: policy, officers, pause and withdrawal, against a real aggregator.

import ClinicalData
import Federation
import PeerTransport
import SiteService
import Store
import Synchronization
import Testing
import WireProtocol

@Suite(.timeLimit(.minutes(3)))
struct SiteAuthorityTests {
    private static let officer = StatementKey(seed: [UInt8](repeating: 9, count: 32))
    private static let impatient = ProgressTerms(
        joinSeconds: 0.2, stallSeconds: 120, stragglerFactor: 1_000, stragglerSeconds: 120, absenceSeconds: 120,
        attempts: 3)

    /// A site whose officer must approve.
    private static func plan(_ name: String) throws -> SitePlan {
        var plan = SitePlan(name)
        plan.approves = false
        var policy = plan.policy
        policy.officers = [SitePolicy.Officer(name: "dpo", key: try #require(officer).publicKey)]
        plan.ownPolicy = policy
        return plan
    }

    private static func approval(
        _ site: TestSite, _ study: Study, policy: SitePolicy? = nil, officer name: String = "dpo",
        expires: EntryTime = EntryTime(seconds: .max)
    ) throws -> Approval {
        Approval(
            study: study.hash, site: site.id, dataset: TestStudy.dataset,
            contentHash: try site.plan.dataset.table(named: TestStudy.dataset, for: study.data).contentHash,
            policyHash: (policy ?? site.plan.policy).hash, officer: name, expires: expires)
    }

    private static func offered(_ federation: TestFederation, to site: String) async throws {
        try await eventually("the study is offered") {
            try await federation[site].store.study(federation.hash) != nil
        }
    }

    // MARK: Policy

    @Test(arguments: [
        "federations", "tasks", "layers", "datasets", "minimumSites", "compute.rounds", "compute.stepsPerRound",
        "compute.parameters", "compute.memory", "compute.operationsPerRound", "exposesIndividualUpdates",
    ])
    func aStudyThatAsksForMoreThanThePolicyAllowsIsDeclined(_ key: String) async throws {
        var plan = SitePlan("strict")
        var policy = plan.policy
        switch key {
        case "federations": policy.federations = ["elsewhere"]
        case "tasks": policy.tasks = [.regression]
        case "layers": policy.layers = ["dropout"]
        case "datasets": policy.datasets = [SitePolicy.DatasetRule(name: TestStudy.dataset, minimumRows: 1_000)]
        case "minimumSites": policy.minimumSites = 4
        case "compute.rounds": policy.compute.rounds = 1
        case "compute.stepsPerRound": policy.compute.stepsPerRound = 9
        case "compute.parameters": policy.compute.parameters = 2
        case "compute.memory": policy.compute.memoryBytes = 100
        case "compute.operationsPerRound": policy.compute.operationsPerRound = 100
        default: policy.exposesIndividualUpdates = false
        }
        plan.ownPolicy = policy
        let plans = [plan] + ["a", "b", "c"].map { SitePlan($0) }
        try await TestFederation.run(TestStudy.make(progress: Self.impatient), plans) { federation in
            #expect(try await federation.finish(deliveries: 3).outcome == "completed")
            let record = try #require(try await federation["strict"].store.study(federation.hash))
            #expect(record.decision == .declined(.refusedByPolicy))
            #expect(federation["strict"].line.sent.allSatisfy { $0.kind == .control })
        }
    }

    @Test func aPolicyThatIsTightenedEndsTheSitesPartAtTheNextRound() async throws {
        let gate = Gate()
        let plans = ["a", "b", "c", "d"].map { SitePlan($0, updates: SteadyUpdate(0.1, gatedRound: 1, gate: gate)) }
        try await TestFederation.run(TestStudy.make(rounds: 2, progress: Self.impatient), plans) { federation in
            try await eventually("training has begun") { try await federation.round(.training, 1) != nil }
            federation["d"].policy.withLock { $0.tasks = [] }
            gate.open()
            #expect(try await federation.finish(deliveries: 4).outcome == "completed")
            #expect(try await federation.words(.training, 2)["d"] == "withheld:notPermitted")
        }
    }

    @Test func roundsRunOnlyInTheAllowedHours() async throws {
        var plan = SitePlan("nocturnal")
        var policy = plan.policy
        // A minute of a day that is neither today nor tomorrow.
        let (today, _) = Site.localTime(wallMilliseconds())
        let days = TimeWindow.Day.allCases
        let index = try #require(days.firstIndex(of: today))
        policy.hours = [TimeWindow(days: [days[(index + 3) % 7]], from: 0, to: 1)]
        plan.ownPolicy = policy
        let plans = [plan] + ["a", "b", "c"].map { SitePlan($0) }
        try await TestFederation.run(TestStudy.make(rounds: 1), plans) { federation in
            let record = try await federation.finish(deliveries: 4)
            #expect(record.outcome == "completed")
            #expect(try await federation.words(.training, 1)["nocturnal"] == "withheld:outsideHours")
            #expect(federation["nocturnal"].line.sent.allSatisfy { $0.kind == .control })
        }
    }

    @Test func aSiteWithoutTheMemoryWithholdsUntilItHasItAgain() async throws {
        var plan = SitePlan("small")
        let free = Mutex(100)
        plan.freeMemory = { free.withLock { $0 } }
        let gate = Gate()
        let others = ["a", "b", "c"].map { SitePlan($0, updates: SteadyUpdate(0.1, gatedRound: 1, gate: gate)) }
        let study = TestStudy.make(rounds: 2, progress: Self.impatient)
        try await TestFederation.run(study, [plan] + others) { federation in
            try await eventually("the site has withheld") {
                try await federation["small"].store.rounds(study: federation.hash).contains {
                    $0.state == .withheld && $0.reason == "notEnoughMemory"
                }
            }
            free.withLock { $0 = 1 << 40 }
            gate.open()
            #expect(try await federation.finish(deliveries: 4).outcome == "completed")
            #expect(try await federation.words(.statistics, 0)["small"] == "included")
            #expect(try await federation.words(.training, 1)["small"] == "withheld:notEnoughMemory")
            #expect(try await federation.words(.training, 2)["small"] == "included")
        }
    }

    @Test func aStudyTooLargeForTheMachineIsDeclinedUnderAnyPolicy() async throws {
        var plan = SitePlan("small")
        plan.machine = SiteMachine(threads: 1, memoryBytes: 1_000)
        let plans = [plan] + ["a", "b", "c"].map { SitePlan($0) }
        try await TestFederation.run(TestStudy.make(progress: Self.impatient), plans) { federation in
            #expect(try await federation.finish(deliveries: 3).outcome == "completed")
            let record = try #require(try await federation["small"].store.study(federation.hash))
            #expect(record.decision == .declined(.refusedByPolicy))
            #expect(federation["small"].line.sent.allSatisfy { $0.kind == .control })
        }
    }

    // MARK: Approval

    @Test func nothingRunsBeforeAnOfficerHasApproved() async throws {
        let plans = try ["a", "b", "c"].map { try Self.plan($0) }
        let study = TestStudy.make(rounds: 1)
        try await TestFederation.run(study, plans) { federation in
            for site in federation.sites {
                try await Self.offered(federation, to: site.plan.name)
                #expect(try await site.store.study(federation.hash)?.decision == .declined(.notApproved))
            }
            #expect(try await federation.rounds().isEmpty)
            for site in federation.sites {
                let signed = try SignedApproval(
                    try Self.approval(site, study), signedBy: try #require(Self.officer))
                #expect(try await site.ask(.approve(signed)) == .decided(study: federation.hash, .accepted))
            }
            #expect(try await federation.finish(deliveries: 3).outcome == "completed")
            for site in federation.sites {
                let entries = try await site.store.entryLog.entries(from: 0, limit: 100)
                #expect(entries.map(\.entry.kind) == [.studyDeclined, .studyApproved])
                let key = try #require(StatementKey(seed: SitePlan.statementSeed)).publicKey
                #expect(entries.allSatisfy { $0.entry.isSigned(by: key) && $0.entry.actor == site.plan.name })
                #expect(entries.last?.entry.body["officer"] == .string("dpo"))
            }
        }
    }

    @Test(arguments: ApprovalObjection.allCases)
    func anApprovalThatDoesNotHoldIsRefused(_ objection: ApprovalObjection) async throws {
        let study = TestStudy.make(rounds: 1)
        try await TestFederation.run(study, [try Self.plan("a")], guests: ["b", "c"]) { federation in
            try await Self.offered(federation, to: "a")
            let site = federation["a"]
            var approval = try Self.approval(site, study)
            let officer = try #require(Self.officer)
            var signer = officer
            switch objection {
            case .otherSite: approval.site = try TestFederation.id("b")
            case .otherStudy: approval.study = TestStudy.make(rounds: 2).hash
            case .unknownOfficer: approval.officer = "nobody"
            case .badSignature: signer = try #require(StatementKey(seed: [UInt8](repeating: 1, count: 32)))
            case .expired: approval.expires = EntryTime(seconds: 1)
            case .policyChanged: approval.policyHash = Digest(of: [], domain: "other")
            case .dataChanged: approval.contentHash = Digest(of: [], domain: "other")
            }
            let reply = try await site.ask(.approve(try SignedApproval(approval, signedBy: signer)))
            switch objection {
            case .dataChanged:
                // The signature holds; that the table is another one shows when it is read.
                #expect(reply == .decided(study: federation.hash, .declined(.notApproved)))
            default:
                guard case .error = reply else { throw TestFailure("\(reply)") }
            }
            #expect(try await site.store.study(federation.hash)?.decision == .declined(.notApproved))
        }
    }

    @Test func anApprovalIsStaleOnceThePolicyChanges() async throws {
        let gate = Gate()
        var plan = try Self.plan("d")
        plan.updates = SteadyUpdate(0.1, gatedRound: 1, gate: gate)
        let plans =
            ["a", "b", "c"].map { SitePlan($0, updates: SteadyUpdate(0.1, gatedRound: 1, gate: gate)) } + [plan]
        let study = TestStudy.make(rounds: 2)
        try await TestFederation.run(study, plans) { federation in
            try await Self.offered(federation, to: "d")
            let signed = try SignedApproval(
                try Self.approval(federation["d"], study), signedBy: try #require(Self.officer))
            #expect(try await federation["d"].ask(.approve(signed)) == .decided(study: federation.hash, .accepted))
            try await eventually("training has begun") { try await federation.round(.training, 1) != nil }
            // Even a looser policy is another one: the officer has not seen it.
            federation["d"].policy.withLock { $0.compute.rounds += 1 }
            gate.open()
            #expect(try await federation.finish(deliveries: 4).outcome == "completed")
            #expect(try await federation.words(.training, 2)["d"] == "withheld:notPermitted")
        }
    }

    // MARK: Pause and withdrawal

    @Test func aPausedSiteSendsNothingUntilItIsResumedAlsoAfterARestart() async throws {
        let gate = Gate()
        let plans = ["a", "b", "c", "d"].map { SitePlan($0, updates: SteadyUpdate(0.1, gatedRound: 2, gate: gate)) }
        try await TestFederation.run(TestStudy.make(rounds: 4, everyRounds: 4), plans) { federation in
            let site = federation["d"]
            try await eventually("round 2 has begun") { try await federation.round(.training, 2) != nil }
            #expect(
                try await site.ask(.decide(study: federation.hash, .pause))
                    == .decided(
                        study: federation.hash, .accepted))
            await site.stop()
            site.start()
            gate.open()
            try await eventually("a round has gone on without it") {
                let words = try await federation.rounds().flatMap(\.participation).filter { $0.site == site.id }.map(
                    \.word)
                return words.contains("withheld:paused")
            }
            #expect(
                try await site.ask(.decide(study: federation.hash, .resume))
                    == .decided(
                        study: federation.hash, .accepted))
            #expect(try await federation.finish(deliveries: 4).outcome == "completed")
            let kinds = try await site.store.entryLog.entries(from: 0, limit: 100).map(\.entry.kind)
            #expect(kinds == [.studyApproved, .studyPaused, .studyResumed])
        }
    }

    @Test func aSiteThatWithdrawsIsOutForGood() async throws {
        let gate = Gate()
        let plans = ["a", "b", "c", "d"].map { SitePlan($0, updates: SteadyUpdate(0.1, gatedRound: 1, gate: gate)) }
        try await TestFederation.run(TestStudy.make(rounds: 2), plans) { federation in
            let site = federation["d"]
            try await eventually("training has begun") { try await federation.round(.training, 1) != nil }
            let reply = try await site.ask(.decide(study: federation.hash, .withdraw))
            #expect(reply == .decided(study: federation.hash, .declined(.withdrawn)))
            gate.open()
            await site.stop()
            site.start()
            #expect(try await federation.finish(deliveries: 3).outcome == "completed")
            #expect(try await federation.words(.training, 2)["d"] != "included")
            for action in SiteControlRequest.StudyAction.allCases {
                guard case .error = try await site.ask(.decide(study: federation.hash, action)) else {
                    throw TestFailure("\(action) after withdrawal")
                }
            }
        }
    }

    @Test func anUnknownStudyIsAnErrorAndTheStatusTellsTheConnection() async throws {
        try await TestFederation.run(TestStudy.make(), [SitePlan("a")], guests: ["b", "c"]) { federation in
            try await Self.offered(federation, to: "a")
            let site = federation["a"]
            let unknown = Digest(of: [], domain: "unknown")
            guard case .error = try await site.ask(.decide(study: unknown, .pause)) else {
                throw TestFailure("an unknown study was paused")
            }
            guard case .status(let status) = try await site.ask(.status) else { throw TestFailure("no status") }
            #expect(status.site == "a" && status.isConnected && status.federation == "memory" && status.trouble.isEmpty)
        }
    }
}
