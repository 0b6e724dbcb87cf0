// SPDX-License-Identifier: Apache-2.0
// What the aggregator writes about a study while it runs: each step once, signed, whatever happens in between.

import Federation
import RingArithmetic
import Store
import Testing
import WireProtocol

@Suite(.timeLimit(.minutes(3)))
struct EntriesTests {
    /// All entries of a federation; checks numbers and signatures.
    private static func entries(_ federation: TestFederation) async throws -> [Entry] {
        let numbered = try await federation.store.entryLog.entries(from: 0, limit: 10_000)
        #expect(numbered.map(\.number) == Array(numbered.indices), "numbers have no gaps")
        for entry in numbered.map(\.entry) where entry.actor == EntryContent.aggregator {
            #expect(entry.isSigned(by: TestFederation.statementKey.publicKey))
        }
        return numbered.map(\.entry).filter { $0.actor == EntryContent.aggregator }
    }

    private static func step(_ entry: Entry) -> String {
        func word(_ key: String) -> String? {
            switch entry.body[key] {
            case .string(let text)?: text
            case .integer(let number)?: "\(number)"
            default: nil
            }
        }
        let parts = ["kind", "round", "outcome", "site"].compactMap(word)
        return ([entry.kind.rawValue] + parts).joined(separator: " ")
    }

    /// Deliveries may come in any order.
    private static let wholeStudy = [
        "job.proposed", "round.open statistics 0", "round.release statistics 0", "round.open training 1",
        "round.release training 1", "round.open evaluation 1", "round.release evaluation 1", "round.open training 2",
        "round.release training 2", "round.open evaluation 2", "round.release evaluation 2", "job.ended completed",
        "model.export a", "model.export b", "model.export c",
    ]

    private static func sorted(_ entries: [Entry]) -> [String] {
        let exports = entries.filter { $0.kind == .modelExported }.map(step).sorted()
        return entries.filter { $0.kind != .modelExported }.map(step) + exports
    }

    @Test
    func everyStepOfAStudyIsToldOnceAcrossRestarts() async throws {
        let gate = Gate()
        let plans = ["a", "b", "c"].map { SitePlan($0, updates: SteadyUpdate(0.1, gatedRound: 1, gate: gate)) }
        try await TestFederation.run(TestStudy.make(rounds: 2), plans) { federation in
            try await eventually("training has begun") { try await federation.round(.training, 1) != nil }
            // In the middle of a round, and again before anybody has delivered.
            for _ in 0..<2 {
                await federation.stopAggregator()
                federation.startAggregator()
            }
            let again = try await federation.ask(.submit(federation.study.canonicalBytes))
            #expect(again == .submitted(study: federation.hash, wasKnown: true))
            gate.open()
            try await federation.finish(deliveries: 3)
            #expect(Self.sorted(try await Self.entries(federation)) == Self.wholeStudy)
            // After the end: deliveries are remembered, and nothing is told again.
            await federation.stopAggregator()
            federation.startAggregator()
            try await eventually("everybody is back") { try await federation.status().connectedSites.count == 3 }
            #expect(try await federation.progress().deliveries == 3)
            #expect(Self.sorted(try await Self.entries(federation)) == Self.wholeStudy)
        }
    }

    @Test
    func entriesAgreeWithTheRecords() async throws {
        let plans = ["a", "b", "c"].map { SitePlan($0) }
        try await TestFederation.run(TestStudy.make(rounds: 2), plans) { federation in
            let record = try await federation.finish(deliveries: 3)
            let entries = try await Self.entries(federation)
            #expect(entries.allSatisfy { $0.study == federation.hash })
            let rounds = try await federation.rounds()
            let tasks = rounds.map { CanonicalValue.string($0.taskHash.hex) }
            #expect(entries.filter { $0.kind == .roundOpened }.map { $0.body["task"] } == tasks)
            let releases = entries.filter { $0.kind == .roundReleased }
            #expect(releases.map { $0.body["task"] } == tasks)
            for (release, round) in zip(releases, rounds) {
                #expect(release.body["sites"] == .strings(["a", "b", "c"]))
                #expect(release.body["absent"] == .object([:]))
                let rate = try #require(round.summary).clipRate
                #expect(release.body["clipRate"] == rate.map { .decimal($0) })
            }
            let models = try await federation.store.models(study: federation.hash)
                .filter { $0.record.role == .model }.map { CanonicalValue.string($0.blob.digest.hex) }
            #expect(releases.compactMap { $0.body["model"] } == models)
            let opened = entries.filter { $0.kind == .roundOpened }.map { $0.body["model"] }
            #expect(opened == [nil, models[0], models[1], models[1], models[2]])
            let released = CanonicalValue.string(try #require(record.releasedModel).hex)
            #expect(entries.first { $0.kind == .studyEnded }?.body["model"] == released)
            #expect(entries.filter { $0.kind == .modelExported }.allSatisfy { $0.body["model"] == released })
        }
    }

    @Test
    func theHashOfTheSumIsThatOfItsPackedForm() async throws {
        let study = TestStudy.make(rounds: 1, minimumSites: 2)
        try await TestFederation.run(study, [], guests: ["one", "two"]) { federation in
            // Two features that nobody has a value of, two labels each, four rows; and the same again from the other.
            let layout = try StatisticsSum(contract: study.data).layout
            var sum = RingVector(layout: layout)
            let sites = [
                try await RawSite.joining(federation, as: "one"), try await RawSite.joining(federation, as: "two"),
            ]
            for site in sites {
                var vector = RingVector(layout: layout)
                for (index, value) in [0, 0, 0, 0, 0, 0, 2, 2, 4].enumerated() {
                    vector[section: 0, index: index] = Int64(value)
                    sum[section: 0, index: index] = Int64(2 * value)
                }
                let task = try await site.task(.statistics)
                let verdict = try await site.upload(vector.packed(), task: task)
                #expect(verdict == .uploadResult(task: task.hash, refused: nil))
            }
            try await eventually("the round is closed") {
                try await federation.round(.statistics, 0)?.state == .closed
            }
            let release = try #require(try await Self.entries(federation).first { $0.kind == .roundReleased })
            #expect(release.body["sum"] == .string(Digest.blob(sum.packed()).hex))
        }
    }

    @Test
    func failedAttemptsAndAnEndInTheMiddleAreToldWithTheirReasons() async throws {
        let gate = Gate()
        let plans = ["a", "b", "c"].map { SitePlan($0, updates: SteadyUpdate(0.1, gatedRound: 1, gate: gate)) }
        try await TestFederation.run(TestStudy.make(rounds: 1), plans) { federation in
            try await eventually("training has begun") { try await federation.round(.training, 1) != nil }
            #expect(try await federation.ask(.stop(study: federation.hash)) == .stopped(study: federation.hash))
            gate.open()
            try await federation.finish(deliveries: 3)
            let entries = try await Self.entries(federation)
            let failed = try #require(entries.first { $0.kind == .roundFailed })
            #expect(failed.body["reason"] == .string(EntryContent.studyEndedReason))
            #expect(failed.body["kind"] == .string("training"))
            #expect(entries.first { $0.kind == .studyEnded }?.body["outcome"] == .string("stopped"))
            #expect(try await federation.round(.training, 1)?.state == .abandoned)
        }
    }
}
