// SPDX-License-Identifier: Apache-2.0

import Federation
import Testing

struct EntryContentTests {
    private let study = Digest(of: [1], domain: "study")
    private let task = Digest(of: [2], domain: "task")
    private let id = RoundID(kind: .training, round: 3, attempt: 2)

    private func record(_ site: String, _ participation: Participation) throws -> ParticipationRecord {
        ParticipationRecord(site: try #require(SiteID(site)), participation: participation, uploadTime: nil)
    }

    @Test func anOpenedRoundNamesItsTaskAndItsFiles() throws {
        let model = Digest(of: [3], domain: "model")
        let task = RoundTask(
            study: study, id: id, sites: 4, inputs: [BlobReference(name: "model", digest: model, byteCount: 9)])
        let content = EntryContent.roundOpened(task)
        #expect(content.kind == .roundOpened && content.study == study)
        #expect(
            content.body == [
                "kind": .string("training"), "round": .integer(3), "attempt": .integer(2),
                "task": .string(task.hash.hex), "sites": .integer(4), "model": .string(model.hex),
            ])
    }

    @Test func aReleaseNamesSurvivorsInOrderAndCountsTheOthersByReason() throws {
        let sum = Digest(of: [4], domain: "sum")
        let model = Digest(of: [5], domain: "model")
        let content = EntryContent.roundReleased(
            id, of: study, task: task,
            participation: [
                try record("zeta", .included), try record("beta", .notConnected), try record("alpha", .included),
                try record("gamma", .stalled(.computing)), try record("delta", .notConnected),
            ], sum: sum, files: ["model": model], clipRate: 0.125)
        let names = CanonicalValue.strings(["alpha", "zeta"])
        #expect(content.body["survivors"] == .integer(2))
        #expect(content.body["sites"] == names)
        #expect(content.body["survivorsHash"] == .string(Digest(of: Array(#"["alpha","zeta"]"#.utf8), domain: "").hex))
        #expect(content.body["absent"] == .object(["notConnected": .integer(2), "stalled:computing": .integer(1)]))
        #expect(content.body["sum"] == .string(sum.hex) && content.body["model"] == .string(model.hex))
        #expect(content.body["clipRate"] == .string("0.125"))
        #expect(content.body["task"] == .string(task.hex))
    }

    /// The largest entries: longest names, as many as are named, and one more.
    @Test(arguments: [EntryContent.mostNamedSurvivors, EntryContent.mostNamedSurvivors + 1, 5_000])
    func anyNumberOfSurvivorsFits(_ count: Int) throws {
        let records = try (0..<count).map { number in
            try record(String(repeating: "x", count: 57) + "\(100_000 + number)", .included)
        }
        let words = RoundStage.allCases.flatMap { stage -> [Participation] in
            [.connectionLost(stage), .stalled(stage), .tooSlow(stage), .interrupted(stage)]
        }
        let absent = try
            (words + WithholdReason.allCases.map { .withheld($0) } + RefusalReason.allCases.map { .refused($0) })
            .enumerated().map { try record("absent-\($0)", $1) }
        let digest = Digest(of: [], domain: "")
        let content = EntryContent.roundReleased(
            id, of: study, task: task, participation: records + absent, sum: digest,
            files: ["model": digest, "controls": digest, "moments": digest], clipRate: 1.0 / 3)
        let key = try #require(StatementKey(seed: [UInt8](repeating: 1, count: 32)))
        let entry = try Entry(content, at: EntryTime(seconds: 0), signedBy: key)
        #expect(try Entry(bytes: entry.bytes) == entry)
        #expect((content.body["sites"] == nil) == (count > EntryContent.mostNamedSurvivors))
        #expect(content.body["survivors"] == .count(count))
    }

    @Test func anEndSaysWhyItIsNoSuccess() throws {
        let sites = try ["b", "c"].map { try #require(SiteID($0)) }
        let model = Digest(of: [5], domain: "model")
        #expect(
            EntryContent.studyEnded(.completed, of: study, model: model).body
                == ["outcome": .string("completed"), "model": .string(model.hex)])
        #expect(EntryContent.studyEnded(.stopped, of: study, model: nil).body == ["outcome": .string("stopped")])
        #expect(
            EntryContent.studyEnded(.degraded(.requiredSitesMissing(sites)), of: study, model: nil).body == [
                "outcome": .string("degraded"), "reason": .string("requiredSitesMissing"),
                "missing": .strings(["b", "c"]),
            ])
        #expect(
            EntryContent.studyEnded(.degraded(.roundFailed(id, .nonFiniteModel)), of: study, model: nil).body["reason"]
                == .string("roundFailed"))
    }
}
