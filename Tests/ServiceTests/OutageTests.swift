// SPDX-License-Identifier: Apache-2.0
// The network or the aggregator is away for longer than a round; nothing is lost and nothing is done twice.

import Federation
import PeerTransport
import Store
import Testing
import WireProtocol

@Suite(.timeLimit(.minutes(3)))
struct OutageTests {
    private static func updates(_ gate: Gate? = nil, round: Int = 1) -> [SteadyUpdate] {
        [0.1, 0.2, 0.3].map { SteadyUpdate($0, gatedRound: round, gate: gate) }
    }

    private static func plans(_ updates: [SteadyUpdate]) -> [SitePlan] {
        zip(["a", "b", "c"], updates).map { SitePlan($0, updates: $1) }
    }

    @Test
    func anOutageLongerThanARoundDelaysTheStudyOnly() async throws {
        let updates = Self.updates()
        try await TestFederation.run(TestStudy.make(rounds: 3), Self.plans(updates)) { federation in
            try await eventually("training has begun") { try await federation.round(.training, 1) != nil }
            // Every site loses its line and cannot come back for far longer than a round takes.
            for site in federation.sites { federation.network.cut(site.identity, outage: .milliseconds(700)) }
            let record = try await federation.finish(deliveries: 3)
            #expect(record.outcome == "completed")
            for round in try await federation.rounds() {
                #expect(round.id.attempt == 1)
                #expect(round.summary?.survivors == 3)
            }
            for update in updates { #expect(update.rounds == [1, 2, 3]) }
        }
    }

    @Test
    func allSitesGoneAndBackGoOnWithTheRound() async throws {
        let gate = Gate()
        let updates = Self.updates(gate)
        try await TestFederation.run(TestStudy.make(rounds: 2), Self.plans(updates)) { federation in
            try await eventually("everybody computes") { updates.allSatisfy { $0.rounds == [1] } }
            for site in federation.sites { site.line.takeDown() }
            for site in federation.sites { federation.network.cut(site.identity) }
            try await eventually("nobody is connected") { try await federation.status().connectedSites.isEmpty }
            gate.open()
            // The vectors become ready while there is no network.
            try await eventually("all vectors are ready") {
                for site in federation.sites {
                    let rounds = try await site.store.rounds(study: federation.hash)
                    guard rounds.contains(where: { $0.id.kind == .training && $0.state == .ready }) else {
                        return false
                    }
                }
                return true
            }
            for site in federation.sites { site.line.restore() }
            let record = try await federation.finish(deliveries: 3)
            #expect(record.outcome == "completed")
            for update in updates { #expect(update.rounds == [1, 2]) }
            #expect(try await federation.rounds().allSatisfy { $0.id.attempt == 1 && $0.summary?.survivors == 3 })
        }
    }

    @Test
    func aStudyWithoutSitesForTooLongEndsAsDegraded() async throws {
        let progress = ProgressTerms(
            joinSeconds: 60, stallSeconds: 6, stragglerFactor: 1, stragglerSeconds: 120, absenceSeconds: 0.5,
            attempts: 5)
        let plans = Self.plans(Self.updates(Gate()))
        try await TestFederation.run(TestStudy.make(rounds: 1, progress: progress), plans) { federation in
            try await eventually("training has begun") { try await federation.round(.training, 1) != nil }
            for site in federation.sites { site.line.takeDown() }
            for site in federation.sites { federation.network.cut(site.identity) }
            let record = try await federation.finish()
            #expect(record.outcome == "degraded")
            #expect(record.explanation == "0 of at least 3 sites were present for too long")
            try await federation.spoolIsCleared()
        }
    }

    @Test
    func anAggregatorThatComesBackGoesOnWithTheUploadsItHas() async throws {
        let gate = Gate()
        let updates = [SteadyUpdate(0.1), SteadyUpdate(0.2), SteadyUpdate(0.3, gatedRound: 1, gate: gate)]
        try await TestFederation.run(TestStudy.make(rounds: 2), Self.plans(updates)) { federation in
            try await eventually("two have delivered, the third computes") {
                guard let task = try await federation.round(.training, 1)?.taskHash else { return false }
                let uploads = try await federation.store.uploads(taskHash: task)
                return uploads.map(\.site.rawValue) == ["a", "b"] && updates[2].rounds == [1]
            }
            let task = try #require(try await federation.round(.training, 1)?.taskHash)
            let error = await federation.stopAggregator()
            #expect(error == nil)
            federation.startAggregator()
            try await eventually("everybody is back") { try await federation.status().connectedSites.count == 3 }
            #expect(try await federation.progress().phase == "collecting")
            #expect(try await federation.progress().pending.map(\.site) == ["c"])
            gate.open()
            let record = try await federation.finish(deliveries: 3)
            #expect(record.outcome == "completed")
            #expect(try await federation.round(.training, 1)?.taskHash == task, "the same task went on")
            for update in updates { #expect(update.rounds == [1, 2]) }
            #expect(try await federation.rounds().allSatisfy { $0.id.attempt == 1 && $0.summary?.survivors == 3 })
            let weights = try await federation.weights(["a", "b", "c"])
            let mean = zip(weights, [0.1, 0.2, 0.3]).map { $0 * $1 }.reduce(0, +) / weights.reduce(0, +)
            for pair in zip(try await federation.parameters(after: 0), try await federation.parameters(after: 1)) {
                #expect(abs(Double(pair.1 - pair.0) - mean) < 1 / 32_767)
            }
        }
    }

    @Test(arguments: TestTransport.allCases)
    func anAggregatorThatGoesAwayAgainAndAgainStillFinishes(_ transport: TestTransport) async throws {
        let updates = Self.updates()
        try await TestFederation.run(TestStudy.make(rounds: 12), Self.plans(updates), over: transport) { federation in
            var restarts = 0
            while try await !federation.progress().isFinished {
                let error = await federation.stopAggregator()
                #expect(error == nil)
                federation.startAggregator()
                restarts += 1
                let rounds = try await federation.rounds().filter { $0.state == .closed }.count
                try await eventually("a round closes") {
                    let closed = try await federation.rounds().filter { $0.state == .closed }.count
                    let isFinished = try await federation.store.study(federation.hash)?.outcome != nil
                    return closed > rounds || isFinished
                }
            }
            #expect(restarts > 5)
            let record = try await federation.finish(deliveries: 3)
            #expect(record.outcome == "completed")
            for update in updates { #expect(update.rounds == Array(1...12), "nothing is computed twice") }
            for round in try await federation.rounds() {
                #expect(round.id.attempt == 1, "\(round.reason ?? "")")
                #expect(round.state == .closed && round.summary?.survivors == 3, "\(round.participation.map(\.word))")
            }
            try await federation.spoolIsCleared()
        }
    }

    @Test
    func aSiteThatIsStartedAgainDeliversWhatItHadComputed() async throws {
        let gate = Gate()
        let updates = [SteadyUpdate(0.1), SteadyUpdate(0.2), SteadyUpdate(0.3)]
        let plans = Self.plans(updates)
        try await TestFederation.run(TestStudy.make(rounds: 1), plans, isSubmitted: false) { federation in
            let site = federation["c"]
            let isTraining = LockedValue(false)
            site.line.cutWhen { passing in
                if case .fromAggregator(.roundOpen(let task)) = passing { isTraining.set(task.id.kind == .training) }
                if case .fromSite(.uploadOffer) = passing, isTraining.get() { return .cut }
                return .pass
            }
            try await federation.submit()
            try await eventually("its line is down") { site.line.isDown }
            await site.stop()
            site.line.restore()
            site.start()
            let record = try await federation.finish(deliveries: 3)
            #expect(record.outcome == "completed")
            #expect(updates[2].rounds == [1])
            #expect(try await federation.words(.training, 1)["c"] == "included")
            gate.open()
        }
    }
}
