// SPDX-License-Identifier: Apache-2.0
// Entries made by another program, from the specification alone: read, checked, and written the same.

import Federation
import Testing

struct EntryGoldenTests {
    private struct Vectors: Decodable {
        struct Refused: Decodable {
            var why: String
            var bytes: String
        }

        var seed: String
        var key: String
        var entries: [String]
        var refused: [Refused]
        var wronglySigned: [String]
    }

    private let vectors: Vectors
    private let key: StatementKey

    init() throws {
        vectors = try GoldenFiles.decode(Vectors.self, from: "entries/entries.json")
        let seed = try #require([UInt8](hex: vectors.seed))
        key = try #require(StatementKey(seed: seed))
    }

    private func named(_ text: String) -> Digest { Digest(of: Array(text.utf8), domain: "") }

    private func record(_ site: String, _ participation: Participation) throws -> ParticipationRecord {
        ParticipationRecord(site: try #require(SiteID(site)), participation: participation, uploadTime: nil)
    }

    @Test func entriesOfOthersAreReadAndTheirSignerRecognised() throws {
        #expect(key.publicKey.bytes.hex == vectors.key)
        #expect(vectors.entries.count >= 5)
        for text in vectors.entries {
            let entry = try Entry(bytes: Array(text.utf8))
            #expect(entry.isSigned(by: key.publicKey))
            #expect(entry.bytes == Array(text.utf8))
        }
    }

    /// Ed25519 has one signature for one message and key, so that the bytes are the same to the last one.
    @Test func theSameStepsGiveTheSameBytes() throws {
        let study = named("study")
        let id = RoundID(kind: .training, round: 2, attempt: 1)
        let participation = [
            try record("long-beach", .notConnected), try record("cleveland", .included),
            try record("zurich-basel", .stalled(.computing)), try record("budapest", .included),
        ]
        let unusable = try ["a", "b"].map { try record($0, .withheld(.noUsableRows)) }
        let contents: [EntryContent] = [
            .studyProposed(study),
            .roundReleased(
                id, of: study, task: named("task"), participation: participation, sum: named("sum"),
                files: ["model": named("model")], clipRate: 0.125),
            .roundFailed(id, of: study, task: named("task"), participation: unusable, reason: "tooFewSites"),
            .studyEnded(
                .degraded(.requiredSitesMissing([try #require(SiteID("long-beach"))])), of: study,
                model: named("model")),
            .modelExported(named("model"), of: study, to: try #require(SiteID("cleveland"))),
        ]
        let time = try #require(EntryTime(text: "2026-01-31T08:05:00Z"))
        let made = try contents.map { try Entry($0, at: time, signedBy: key) }
        #expect(made.map { String(decoding: $0.bytes, as: UTF8.self) } == vectors.entries)
    }

    @Test func otherSpellingsAreRefused() {
        #expect(vectors.refused.count >= 10)
        for refused in vectors.refused {
            #expect(throws: (any Error).self, "\(refused.why)") { try Entry(bytes: Array(refused.bytes.utf8)) }
        }
    }

    @Test func changedEntriesDoNotVerify() throws {
        #expect(!vectors.wronglySigned.isEmpty)
        for text in vectors.wronglySigned {
            #expect(!(try Entry(bytes: Array(text.utf8))).isSigned(by: key.publicKey))
        }
    }
}
