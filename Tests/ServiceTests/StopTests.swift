// SPDX-License-Identifier: Apache-2.0
// The operator stops a study in each of its phases.

import Federation
import PeerTransport
import Store
import Testing
import WireProtocol

@Suite(.timeLimit(.minutes(3)))
struct StopTests {
    /// Stops the study, and checks what must hold afterwards whatever the phase was.
    private static func stop(_ federation: TestFederation, told sites: [String]) async throws {
        #expect(try await federation.ask(.stop(study: federation.hash)) == .stopped(study: federation.hash))
        let record = try await federation.finish()
        #expect(record.outcome == "stopped")
        #expect(try await federation.rounds().allSatisfy { $0.id.attempt == 1 })
        try await eventually("the sites know") {
            for site in sites {
                let study = try await federation[site].store.study(federation.hash)
                guard study?.outcome == "stopped", try federation.uploads(at: site).isEmpty else { return false }
            }
            return true
        }
        try await federation.spoolIsCleared()
        guard case .error(let message, let hint) = try await federation.ask(.stop(study: federation.hash)) else {
            throw TestFailure("a second stop was accepted")
        }
        #expect(message == "the study has ended already")
        #expect(!hint.isEmpty)
        // Still so after a restart.
        await federation.stopAggregator()
        federation.startAggregator()
        let phase = try await federation.progress().phase
        #expect(phase == "stopped")
    }

    @Test
    func whileItGathers() async throws {
        var absent = SitePlan("c")
        absent.approves = false
        try await TestFederation.run(TestStudy.make(), [SitePlan("a"), SitePlan("b"), absent]) { federation in
            try await eventually("two have accepted") { try await federation.progress().acceptedSites.count == 2 }
            #expect(try await federation.progress().phase == "gathering")
            try await Self.stop(federation, told: ["a", "b"])
        }
    }

    @Test
    func whileItCollectsStatistics() async throws {
        try await TestFederation.run(TestStudy.make(), ["a", "b", "c"].map { SitePlan($0) }, guests: ["idle"]) {
            federation in
            let idle = try await RawSite.joining(federation, as: "idle")
            let task = try await idle.task(.statistics)
            try await eventually("the others have delivered") {
                try await federation.store.uploads(taskHash: task.hash).count == 3
            }
            try await Self.stop(federation, told: ["a", "b", "c"])
        }
    }

    @Test
    func whileItCollectsUpdates() async throws {
        let gate = Gate()
        let plans =
            ["a", "b"].map { SitePlan($0, updates: SteadyUpdate(0.1)) }
            + [SitePlan("c", updates: SteadyUpdate(0.1, gatedRound: 2, gate: gate))]
        try await TestFederation.run(TestStudy.make(rounds: 3), plans) { federation in
            try await eventually("two have delivered in round 2") {
                guard let task = try await federation.round(.training, 2)?.taskHash else { return false }
                return try await federation.store.uploads(taskHash: task).count == 2
            }
            // The gate stays closed: the site's computation ends because the round does.
            try await Self.stop(federation, told: ["a", "b", "c"])
            let record = try #require(try await federation.store.study(federation.hash))
            #expect(record.releasedModel != nil, "the last model is kept")
        }
    }

    @Test
    func whileItWaitsForSites() async throws {
        let progress = ProgressTerms(
            joinSeconds: 60, stallSeconds: 2, stragglerFactor: 1, stragglerSeconds: 120, absenceSeconds: 120,
            attempts: 50)
        let gate = Gate()
        let plans = ["a", "b", "c"].map { SitePlan($0, updates: SteadyUpdate(0.1, gatedRound: 1, gate: gate)) }
        try await TestFederation.run(TestStudy.make(progress: progress), plans) { federation in
            try await eventually("training has begun") { try await federation.round(.training, 1) != nil }
            federation["c"].line.takeDown()
            federation.network.cut(federation["c"].identity)
            try await eventually("it waits") { try await federation.progress().phase == "waiting" }
            #expect(try await federation.ask(.stop(study: federation.hash)) == .stopped(study: federation.hash))
            let record = try await federation.finish()
            #expect(record.outcome == "stopped")
            federation["c"].line.restore()
            try await eventually("the absent site is told when it is back") {
                try await federation["c"].store.study(federation.hash)?.outcome == "stopped"
            }
        }
    }

    @Test
    func anUnknownStudyCannotBeStopped() async throws {
        try await TestFederation.run(TestStudy.make(), ["a", "b", "c"].map { SitePlan($0) }) { federation in
            guard case .error(let message, _) = try await federation.ask(.stop(study: .blob([]))) else {
                throw TestFailure("it was accepted")
            }
            #expect(message == "no study has this hash")
            try await federation.finish(deliveries: 3)
            guard case .error(let late, _) = try await federation.ask(.stop(study: federation.hash)) else {
                throw TestFailure("it was accepted")
            }
            #expect(late == "the study has ended already")
            let record = try #require(try await federation.store.study(federation.hash))
            #expect(record.outcome == "completed")
        }
    }
}
