// SPDX-License-Identifier: Apache-2.0
// Tasks: one spelling each, a hash that every field changes, and the tasks that no study asks for.

import Federation
import Testing

@Suite struct RoundTaskTests {
    private static let digest = Digest(of: [1], domain: "test\n")
    private static let model = BlobReference(name: "model", digest: digest, byteCount: 1_234)
    private static let controls = BlobReference(name: "controls", digest: digest, byteCount: 99)
    private let task = RoundTask(
        study: digest, id: RoundID(kind: .training, round: 3, attempt: 2), sites: 4, inputs: [model, controls])

    @Test func canonicalBytesReadBack() throws {
        let tasks = [
            task,
            RoundTask(
                study: Self.digest, id: RoundID(kind: .statistics, round: 0, attempt: 1), sites: 1, inputs: []),
            RoundTask(
                study: Self.digest, id: RoundID(kind: .evaluation, round: 1_000_000, attempt: 1_000_000),
                sites: 1_000_000, inputs: [Self.model]),
        ]
        for task in tasks { #expect(try RoundTask(canonicalBytes: task.canonicalBytes) == task) }
        #expect(task.input("controls") == Self.controls)
        #expect(task.input("moments") == nil)
    }

    @Test func theBytesAndTheHashAreThoseOfTheSpecification() {
        let task = RoundTask(
            study: Digest(of: [], domain: ""), id: RoundID(kind: .training, round: 1, attempt: 1), sites: 4,
            inputs: [BlobReference(name: "model", digest: Digest(of: [], domain: ""), byteCount: 3_548)])
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        #expect(
            String(decoding: task.canonicalBytes, as: UTF8.self)
                == #"{"attempt":1,"inputs":[{"bytes":3548,"name":"model","sha256":"\#(empty)"}],"kind":"training","#
                + #""round":1,"sites":4,"study":"\#(empty)"}"#)
        #expect(task.hash.hex == "246bfbbf852f6379a0892f575b55658f2240b75fa574051645049a9a9b3dc024")
    }

    @Test func everyFieldChangesTheHash() {
        var hashes: Set<Digest> = [task.hash]
        let changes: [(inout RoundTask) -> Void] = [
            { $0.study = Digest(of: [2], domain: "test\n") }, { $0.id.kind = .evaluation }, { $0.id.round = 4 },
            { $0.id.attempt = 1 }, { $0.sites = 5 }, { $0.inputs = [] }, { $0.inputs[0].name = "other" },
            { $0.inputs[0].digest = Digest(of: [2], domain: "test\n") }, { $0.inputs[0].byteCount += 1 },
            { $0.inputs.reverse() }, { $0.inputs.removeLast() },
        ]
        for (index, change) in changes.enumerated() {
            var changed = task
            change(&changed)
            #expect(hashes.insert(changed.hash).inserted, "change \(index)")
        }
    }

    @Test func anotherSpellingIsRefused() {
        let text = String(decoding: task.canonicalBytes, as: UTF8.self)
        let spellings = [
            " " + text, text + "\n", text.replacing("\"round\":3", with: "\"round\":\"3\""),
            text.replacing("\"round\":3", with: "\"round\":03"), text.replacing("\"round\":3", with: "\"round\":+3"),
            text.replacing("\"round\":3", with: "\"round\": 3"),
            text.replacing("{\"attempt\":2,", with: "{").replacing("}", with: ",\"attempt\":2}"),
            text.replacing("\"training\"", with: "\"train\\u0069ng\""), text.replacing(",\"sites\":4", with: ""),
            text.replacing("\"sites\":4", with: "\"sites\":4,\"size\":4"), text.uppercased(), "", "[]", "7", "{}",
        ]
        for spelling in spellings {
            #expect(throws: (any Error).self, "\(spelling)") {
                try RoundTask(canonicalBytes: Array(spelling.utf8))
            }
        }
    }

    @Test func truncatedBytesAreRefused() {
        let bytes = task.canonicalBytes
        for count in 0..<bytes.count {
            #expect(throws: (any Error).self, "\(count) bytes") {
                try RoundTask(canonicalBytes: Array(bytes.prefix(count)))
            }
        }
    }

    @Test func valuesOutOfRangeAreRefused() {
        let changes: [(inout RoundTask) -> Void] = [
            { $0.id.round = 0 }, { $0.id.round = -1 }, { $0.id.round = 1_000_001 }, { $0.id.attempt = 0 },
            { $0.id.attempt = 1_000_001 }, { $0.sites = 0 }, { $0.sites = 1_000_001 },
            { $0.id.kind = .statistics }, { $0.inputs[0].byteCount = -1 },
            { $0.inputs[0].byteCount = BlobReference.largestByteCount + 1 }, { $0.inputs[0].name = "moments" },
            { $0.inputs[1].name = "model" },
        ]
        for (index, change) in changes.enumerated() {
            var changed = task
            change(&changed)
            #expect(throws: DocumentError.self, "change \(index)") {
                try RoundTask(canonicalBytes: changed.canonicalBytes)
            }
        }
    }

    @Test func aSiteWorksOnlyOnTasksOfItsStudy() throws {
        var study = try Study.sample { $0.rounds = 3 }
        func fits(_ kind: RoundKind, _ round: Int, attempt: Int = 1, sites: Int = 4, _ inputs: [BlobReference]) -> Bool
        {
            RoundTask(
                study: study.hash, id: RoundID(kind: kind, round: round, attempt: attempt), sites: sites, inputs: inputs
            ).fits(study)
        }
        #expect(fits(.statistics, 0, []))
        #expect(!fits(.statistics, 1, []))
        #expect(!fits(.statistics, 0, [Self.model]))
        for round in 1...3 { #expect(fits(.training, round, [Self.model])) }
        for round in [-1, 0, 4] { #expect(!fits(.training, round, [Self.model])) }
        #expect(!fits(.training, 1, []))
        #expect(!fits(.training, 2, [Self.model, Self.controls]))
        // Fewer sites than the study's minimum would show a smaller sum than was approved.
        #expect(!fits(.training, 1, sites: 1, [Self.model]))
        #expect(fits(.training, 1, sites: study.federation.numbers.siteCapacity, [Self.model]))
        #expect(!fits(.training, 1, sites: study.federation.numbers.siteCapacity + 1, [Self.model]))
        #expect(fits(.training, 1, attempt: 5, [Self.model]))
        #expect(!fits(.training, 1, attempt: 6, [Self.model]))
        // Every second round is judged, and the last.
        #expect((1...4).map { fits(.evaluation, $0, [Self.model]) } == [false, true, true, false])
        #expect(!fits(.evaluation, 2, []))
        study.federation.strategy = .scaffold(learningRate: 1)
        #expect(fits(.training, 2, [Self.model, Self.controls]))
        #expect(!fits(.training, 1, [Self.model, Self.controls]))
        #expect(!fits(.training, 2, [Self.controls, Self.model]))
        #expect(!fits(.evaluation, 2, [Self.model, Self.controls]))
    }
}
