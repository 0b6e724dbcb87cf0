// SPDX-License-Identifier: Apache-2.0
// Each step of a study and its entry exist together or not at all.

import Federation
import GRDB
import Store
import Testing

@Suite struct AggregatorStoreEntriesTests {
    let directory: TestDirectory
    let store: AggregatorStore
    let sample: SampleStudy

    init() throws {
        directory = try TestDirectory()
        store = try AggregatorStore.open(directory: directory.path)
        sample = try SampleStudy()
    }

    private func kinds() async throws -> [EntryKind] {
        let entries = try await store.entryLog.entries(from: 0, limit: 100)
        #expect(entries.map(\.number) == Array(entries.indices))
        return entries.map(\.entry.kind)
    }

    private func finish() async throws {
        try await store.finishStudy(
            hash: sample.hash, outcome: "completed", explanation: "", releasedModel: digest("model 1"),
            entries: [try sampleEntry(.studyEnded, study: sample.hash)], at: 4_000)
    }

    private func deliver(_ study: Digest) async throws {
        try await store.recordDelivery(
            study: study, site: sample.sites[0], entry: try sampleEntry(.modelExported, study: study), at: 5_000)
    }

    @Test func everyStepIsToldInOrder() async throws {
        try await sample.submit(to: store)
        try await sample.open(in: store)
        try await sample.close(in: store)
        try await finish()
        try await deliver(sample.hash)
        #expect(try await kinds() == [.studyProposed, .roundOpened, .roundReleased, .studyEnded, .modelExported])
        #expect(try await store.deliveries(study: sample.hash) == [sample.sites[0]])
    }

    @Test func aStepThatChangesNothingIsNotToldAgain() async throws {
        try await sample.submit(to: store)
        try await sample.submit(to: store)
        try await deliver(sample.hash)
        try await deliver(sample.hash)
        #expect(try await kinds() == [.studyProposed, .modelExported])
    }

    @Test func aStepThatIsRefusedLeavesNoEntry() async throws {
        _ = await expectError(.unknown) { try await sample.open(in: store) }
        _ = await expectError(.unknown) { try await deliver(digest("other")) }
        #expect(try await kinds().isEmpty)
        try await sample.submit(to: store)
        try await sample.open(in: store)
        _ = await expectError(.conflict) { try await sample.open(in: store) }
        _ = await expectError(.unknown, "its model is not stored") { try await finish() }
        try await sample.close(in: store)
        _ = await expectError(.conflict) { try await sample.close(in: store) }
        _ = await expectError(.conflict) {
            try await store.abandonRound(
                study: sample.hash, id: sample.opened, reason: "tooFewSites", participation: [],
                entry: try sampleEntry(.roundFailed, study: sample.hash), at: 1)
        }
        #expect(try await kinds() == [.studyProposed, .roundOpened, .roundReleased])
    }

    /// Another connection to the same file forbids entries: then the steps themselves must fail.
    @Test func aStepWhoseEntryCannotBeWrittenDoesNotHappen() async throws {
        try await sample.submit(to: store)
        try await sample.open(in: store)
        let queue = try DatabaseQueue(path: directory("aggregator.sqlite"))
        try await queue.write {
            try $0.execute(
                sql: "CREATE TRIGGER noEntries BEFORE INSERT ON entries BEGIN SELECT RAISE(ABORT, 'full'); END")
        }
        try queue.close()
        await #expect(throws: StoreError.self) { try await sample.close(in: store) }
        await #expect(throws: StoreError.self) { try await deliver(sample.hash) }
        await #expect(throws: StoreError.self) {
            try await store.finishStudy(
                hash: sample.hash, outcome: "stopped", explanation: "", releasedModel: nil,
                entries: [try sampleEntry(.roundFailed), try sampleEntry(.studyEnded)], at: 4_000)
        }
        await #expect(throws: StoreError.self) {
            try await store.submit(
                study: digest("other"), name: "", canonicalBytes: [], entry: try sampleEntry(.studyProposed), at: 0)
        }
        #expect(try await store.latestRound(study: sample.hash)?.state == .open)
        #expect(try await store.models(study: sample.hash).isEmpty)
        #expect(try await store.deliveries(study: sample.hash).isEmpty)
        #expect(try await store.study(sample.hash)?.outcome == nil)
        #expect(try await store.studies().count == 1)
        #expect(try await kinds() == [.studyProposed, .roundOpened])
    }
}
