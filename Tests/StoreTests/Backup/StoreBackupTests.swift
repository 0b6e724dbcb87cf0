// SPDX-License-Identifier: Apache-2.0
// A backup holds what may be repeated and nothing else, and a restored store knows that it is one.

import Federation
import Foundation
import Store
import Testing

@Suite struct StoreBackupTests {
    let directory: TestDirectory
    let sample: SampleStudy

    init() throws {
        directory = try TestDirectory()
        sample = try SampleStudy()
    }

    private static let seed = (0..<32).map { UInt8($0 &* 7 &+ 3) }

    private func id(_ round: Int, attempt: Int = 1) -> RoundID {
        RoundID(kind: .training, round: round, attempt: attempt)
    }

    private func model(_ values: [Float], in vault: FileVault) throws -> BlobReference {
        let file = try vault.newFile(in: .models)
        try file.append(floats: values)
        return try file.finish().reference("model")
    }

    /// A site with a settled round, one whose vector waits, a rounding seed and a model.
    private func makeSite(_ path: String) async throws -> (store: SiteStore, vault: FileVault, model: BlobReference) {
        let vault = try FileVault(directory: path)
        let store = try SiteStore.open(directory: path)
        #expect(try await !store.noticeRestore(at: 0))
        try await store.recordStudy(
            hash: sample.hash, name: "heart", canonicalBytes: [1], decision: .accepted, dataset: "d", contentHash: nil,
            at: 0)
        _ = try await store.roundingSeed(for: sample.hash) { Self.seed }
        for round in 1...2 {
            let task = digest("task \(round)")
            try await store.beginRound(taskHash: task, study: sample.hash, id: id(round), at: 1)
            try await store.markPosition()
            let upload = try storedUpload(Array("vector \(round) vector".utf8), named: task.hex, in: vault)
            try await store.recordUpload(
                taskHash: task, upload: upload, loss: 1, rows: 2, computeSeconds: 3, at: 2)
        }
        try await store.finishRound(taskHash: digest("task 1"), state: .delivered, reason: nil, at: 3)
        let model = try model([1, 2, 3], in: vault)
        try await store.recordModel(study: sample.hash, round: 1, blob: model, role: .global, isReleased: true)
        return (store, vault, model)
    }

    @Test func aSitesBackupHoldsNeitherUploadsNorSeedsNorOpenRounds() async throws {
        let (store, vault, model) = try await makeSite(directory("state"))
        // Made while the store is open, as beside a running daemon.
        let summary = try StoreBackup.make(of: directory("state"), to: directory("backup"))
        #expect(summary.party == "site" && summary.studies == 1 && summary.models == 1 && summary.modelBytes == 12)
        #expect(try permissions(of: directory("backup")) == 0o600)
        #expect(try directory.names() == ["backup", "state"], "nothing is left beside it")
        let content = try Data(bytes(of: directory("backup")))
        for secret in [Self.seed, Array("vector 1 vector".utf8), Array("vector 2 vector".utf8)] {
            #expect(content.range(of: Data(secret)) == nil)
        }
        try await store.recordModel(
            study: sample.hash, round: 2, blob: try self.model([4], in: vault), role: .global, isReleased: false)

        #expect(try StoreBackup.restore(directory("backup"), to: directory("back")) == summary)
        let restored = try SiteStore.open(directory: directory("back"))
        #expect(try await restored.studies() == store.studies())
        try FileVault(directory: directory("back")).file(model).verify()
        #expect(try await restored.models(study: sample.hash).map(\.blob) == [model], "as it was then")
        let rounds = try await restored.rounds(study: sample.hash)
        #expect(rounds.map(\.state) == [.delivered, .ended])
        #expect(rounds[1].reason == "restored" && rounds[1].upload == nil)
    }

    @Test func aRestoredSiteLeavesOutWhatItMayHaveAnswered() async throws {
        let (store, _, _) = try await makeSite(directory("state"))
        #expect(try await !store.mayHaveAnswered(id(2), of: sample.hash), "a store that never went back")
        _ = try StoreBackup.make(of: directory("state"), to: directory("backup"))
        _ = try StoreBackup.restore(directory("backup"), to: directory("back"))
        let restored = try SiteStore.open(directory: directory("back"))
        #expect(try await restored.noticeRestore(at: 9))
        #expect(try await !restored.noticeRestore(at: 9), "once")
        // The first task that is seen is the border, also when it is asked for again.
        for _ in 0..<2 { #expect(try await restored.mayHaveAnswered(id(7, attempt: 2), of: sample.hash)) }
        for earlier in [id(6), id(7), RoundID(kind: .statistics, round: 0, attempt: 1)] {
            #expect(try await restored.mayHaveAnswered(earlier, of: sample.hash))
        }
        for later in [id(7, attempt: 3), id(8), RoundID(kind: .evaluation, round: 7, attempt: 1)] {
            #expect(try await !restored.mayHaveAnswered(later, of: sample.hash))
        }
        #expect(try await restored.mayHaveAnswered(id(1), of: digest("another study")), "each study has its border")
        // A new seed: what is rounded from now on is not what was rounded before.
        let fresh = [UInt8](repeating: 1, count: 32)
        #expect(try await restored.roundingSeed(for: sample.hash) { fresh } == fresh)
    }

    /// The old database is copied back by hand, under the mark that stayed.
    @Test func aDatabaseThatWentBackByHandIsNoticed() async throws {
        var store: SiteStore? = try await makeSite(directory("state")).store
        _ = try StoreBackup.make(of: directory("state"), to: directory("backup"))
        try await store?.beginRound(taskHash: digest("task 3"), study: sample.hash, id: id(3), at: 4)
        try await store?.markPosition()
        store = nil
        _ = try StoreBackup.restore(directory("backup"), to: directory("back"))
        for suffix in ["-wal", "-shm"] {
            try? FileManager.default.removeItem(atPath: directory("state/site.sqlite\(suffix)"))
        }
        try write(bytes(of: directory("back/site.sqlite")), to: directory("state/site.sqlite"))
        let reopened = try SiteStore.open(directory: directory("state"))
        #expect(try await reopened.noticeRestore(at: 9))
        #expect(try await reopened.mayHaveAnswered(id(3), of: sample.hash))
    }

    @Test func anOrdinaryRestartIsNoRestore() async throws {
        var store: SiteStore? = try await makeSite(directory("state")).store
        // A crash between the commit and the mark.
        try await store?.beginRound(taskHash: digest("task 3"), study: sample.hash, id: id(3), at: 4)
        store = nil
        for _ in 0..<2 {
            let reopened = try SiteStore.open(directory: directory("state"))
            #expect(try await !reopened.noticeRestore(at: 9))
            #expect(try await !reopened.mayHaveAnswered(id(3), of: sample.hash))
        }
    }

    @Test func anAggregatorsBackupAbandonsTheOpenRound() async throws {
        let vault = try FileVault(directory: directory("state"))
        let store = try AggregatorStore.open(directory: directory("state"))
        #expect(try await !store.noticeRestore(at: 0))
        try await sample.submit(to: store)
        try await sample.open(in: store)
        let upload = try storedUpload(Array("vector of alpha".utf8), named: "task-alpha", in: vault)
        try await store.recordUpload(taskHash: sample.task, site: sample.sites[0], file: upload, at: 1)
        _ = try StoreBackup.make(of: directory("state"), to: directory("backup"))
        #expect(try Data(bytes(of: directory("backup"))).range(of: Data("vector of alpha".utf8)) == nil)
        _ = try StoreBackup.restore(directory("backup"), to: directory("back"))
        let restored = try AggregatorStore.open(directory: directory("back"))
        #expect(try await restored.noticeRestore(at: 9))
        #expect(try await restored.latestRound(study: sample.hash)?.state == .abandoned)
        #expect(try await restored.uploads(taskHash: sample.task).isEmpty)
        #expect(try await store.latestRound(study: sample.hash)?.state == .open, "the source is as it was")
    }

    // MARK: Refusals

    @Test func whatIsThereIsNeverOverwritten() async throws {
        _ = try await makeSite(directory("state"))
        _ = try StoreBackup.make(of: directory("state"), to: directory("backup"))
        let before = try bytes(of: directory("backup"))
        _ = await expectError(.conflict) { try StoreBackup.make(of: directory("state"), to: directory("backup")) }
        #expect(try bytes(of: directory("backup")) == before)
        _ = await expectError(.conflict) { try StoreBackup.restore(directory("backup"), to: directory("state")) }
        _ = await expectError(.missing) { try StoreBackup.make(of: directory.path, to: directory("other")) }
        _ = await expectError(.missing) { try StoreBackup.restore(directory("none"), to: directory("new")) }
    }

    @Test func aFileThatIsNoBackupIsRefused() async throws {
        _ = try await makeSite(directory("state"))
        try write(Array("no database at all, but long enough to look like a file".utf8), to: directory("text"))
        _ = await expectError(.damaged) { try StoreBackup.restore(directory("text"), to: directory("one")) }
        _ = await expectError(.foreign) {
            try StoreBackup.restore(directory("state/site.sqlite"), to: directory("two"))
        }
    }

    @Test func aDamagedModelIsFoundWhenTheBackupIsMade() async throws {
        let (_, _, model) = try await makeSite(directory("state"))
        try write([9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9], to: directory("state/models/\(model.digest.hex)"))
        _ = await expectError(.wrongDigest) { try StoreBackup.make(of: directory("state"), to: directory("backup")) }
        #expect(!exists(directory("backup")) && !exists(directory("backup.partial")))
    }
}
