// SPDX-License-Identifier: Apache-2.0
// Stores with rows, as every earlier version left them: after the migration each row says what it said.

import Federation
import Foundation
import GRDB
import Store
import Testing

@Suite struct EarlierSchemaTests {
    let directory: TestDirectory

    init() throws { directory = try TestDirectory() }

    private static func dump(_ version: String) -> URL {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Schemas/\(version).sql")
    }

    /// Makes the database that a dump describes.
    private func load(_ version: String, as name: String) throws {
        let queue = try DatabaseQueue(path: directory(name))
        let text = try String(contentsOf: Self.dump(version), encoding: .utf8)
        try queue.writeWithoutTransaction { try $0.execute(sql: text) }
        try queue.close()
        try setPermissions(0o600, of: directory(name))
    }

    private func hash(_ digit: String) throws -> Digest {
        try #require(Digest(hex: String(repeating: digit, count: 64)))
    }

    /// The latest schema has no dump until the next one follows it.
    @Test func everyEarlierSchemaHasADump() {
        for version in AggregatorSchema.migrator.migrations.dropLast() + SiteSchema.migrator.migrations.dropLast() {
            #expect(FileManager.default.fileExists(atPath: Self.dump(version).path), "\(version)")
        }
    }

    @Test(arguments: SiteSchema.migrator.migrations.dropLast())
    func aSitesRowsSurvive(_ version: String) async throws {
        try load(version, as: "site.sqlite")
        let store = try SiteStore.open(directory: directory.path)
        let studies = try await store.studies()
        #expect(studies.map(\.name) == ["heart", "lungs"])
        #expect(studies.map(\.decision) == [.accepted, .declined(.notApproved)])
        let (heart, content, model) = (try hash("a"), try hash("c"), try hash("e"))
        #expect(studies[0].hash == heart && studies[0].contentHash == content)
        #expect(studies[0].outcome == "completed" && studies[0].finishedMilliseconds == 9000)
        #expect(try await store.roundingSeed(for: heart) { [] } == (0..<32).map { UInt8($0) })
        let rounds = try await store.rounds(study: heart)
        #expect(rounds.map(\.state) == [.delivered, .computing])
        #expect(rounds[0].upload?.byteCount == 40 && rounds[0].loss == 0.5 && rounds[0].rows == 303)
        #expect(rounds[0].controls?.byteCount == (version == "site-1" ? nil : 44))
        let models = try await store.models(study: heart)
        #expect(models.map(\.blob.digest) == [model] && models.allSatisfy(\.isReleased))
        #expect(try await store.metrics(study: heart, subject: .global, split: .test) == ["auc": 0.875])
        #expect(try await store.entryLog.count() == 0)
        #expect(try await !store.noticeRestore(at: 0), "an upgrade is no restore")
    }

    @Test(arguments: AggregatorSchema.migrator.migrations.dropLast())
    func anAggregatorsRowsSurvive(_ version: String) async throws {
        try load(version, as: "aggregator.sqlite")
        let store = try AggregatorStore.open(directory: directory.path)
        let studies = try await store.studies()
        #expect(studies.map(\.name) == ["heart", "lungs"])
        let (heart, lungs, task, model) = (try hash("a"), try hash("b"), try hash("2"), try hash("e"))
        #expect(studies[0].outcome == "completed" && studies[0].releasedModel == model)
        #expect(try await store.decisions(study: heart).map(\.site.rawValue) == ["alpha"])
        let round = try #require(try await store.latestRound(study: heart))
        #expect(round.summary?.loss == 0.625 && round.summary?.bytesDown == 400 && round.metrics == ["auc": 0.875])
        #expect(round.participation.map(\.word) == ["included"])
        #expect(try await store.latestRound(study: lungs)?.state == .open)
        #expect(try await store.uploads(taskHash: task).map(\.file.name) == ["two-alpha"])
        #expect(try await store.models(study: heart).map(\.isReleased) == [true])
        if version == "aggregator-3" { #expect(try memberNames() == ["alpha"]) }
        #expect(try await store.entryLog.count() == 0)
        #expect(try await !store.noticeRestore(at: 0), "an upgrade is no restore")
    }

    private func memberNames() throws -> [String] {
        try DatabaseQueue(path: directory("aggregator.sqlite")).read {
            try String.fetchAll($0, sql: "SELECT name FROM members")
        }
    }
}
