// SPDX-License-Identifier: Apache-2.0
// A store of every earlier version is brought up to date; one of a later version is left alone.

import Federation
import GRDB
import Store
import Testing

@Suite struct MigrationTests {
    let directory: TestDirectory
    let sample: SampleStudy

    init() throws {
        directory = try TestDirectory()
        sample = try SampleStudy()
    }

    /// Makes the database as the program that ended with `migration` left it.
    private func make(_ name: String, identifier: Int32, migrator: DatabaseMigrator, upTo migration: String?) throws {
        let queue = try DatabaseQueue(path: directory(name))
        try queue.write { try $0.execute(sql: "PRAGMA application_id = \(identifier)") }
        if let migration { try migrator.migrate(queue, upTo: migration) }
        try queue.close()
        try setPermissions(0o600, of: directory(name))
    }

    @Test func migrationsAreOnlyEverAdded() {
        #expect(
            AggregatorSchema.migrator.migrations == ["aggregator-1", "aggregator-2", "aggregator-3", "aggregator-4"])
        #expect(SiteSchema.migrator.migrations == ["site-1", "site-2", "site-3", "site-4", "site-5"])
    }

    @Test(arguments: [nil] + AggregatorSchema.migrator.migrations.map(Optional.some))
    func anAggregatorOfEveryEarlierVersionIsBroughtUpToDate(_ version: String?) async throws {
        try make("aggregator.sqlite", identifier: 0x436E_4167, migrator: AggregatorSchema.migrator, upTo: version)
        let store = try AggregatorStore.open(directory: directory.path)
        try await sample.submit(to: store)
        try await sample.open(in: store)
        try await sample.close(in: store)
        #expect(try await store.latestRound(study: sample.hash)?.summary == sample.summary)
    }

    @Test(arguments: [nil] + SiteSchema.migrator.migrations.map(Optional.some))
    func aSiteOfEveryEarlierVersionIsBroughtUpToDate(_ version: String?) async throws {
        try make("site.sqlite", identifier: 0x436E_5369, migrator: SiteSchema.migrator, upTo: version)
        let store = try SiteStore.open(directory: directory.path)
        try await store.recordStudy(
            hash: sample.hash, name: "heart", canonicalBytes: [], decision: .accepted, dataset: nil, contentHash: nil,
            at: 0)
        #expect(try await store.studies().map(\.hash) == [sample.hash])
    }

    @Test func aNewerStoreIsRefusedAndLeftAsItIs() async throws {
        var newer = AggregatorSchema.migrator
        newer.registerMigration("aggregator-of-the-future") { try $0.execute(sql: "CREATE TABLE future (x)") }
        let last = try #require(newer.migrations.last)
        try make("aggregator.sqlite", identifier: 0x436E_4167, migrator: newer, upTo: last)
        let before = try bytes(of: directory("aggregator.sqlite"))
        let error = try #require(
            await expectError(.newerSchema) { try AggregatorStore.open(directory: directory.path) })
        #expect(error.hint.contains("install"))
        _ = await expectError(.newerSchema) { try AggregatorStore.openReadOnly(directory: directory.path) }
        #expect(try bytes(of: directory("aggregator.sqlite")) == before)
    }

    @Test func anOlderStoreIsNotReadWithoutItsDaemon() async throws {
        try make("site.sqlite", identifier: 0x436E_5369, migrator: SiteSchema.migrator, upTo: nil)
        let error = try #require(
            await expectError(.olderSchema) { try SiteStore.openReadOnly(directory: directory.path) })
        #expect(error.hint.contains("start the site once"))
    }
}
