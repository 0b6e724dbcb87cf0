// SPDX-License-Identifier: Apache-2.0
// Crashes: what was committed is there, what was not has left no trace.

import Federation
import Foundation
import Store
import Testing

@Suite struct CrashTests {
    let directory: TestDirectory
    let sample: SampleStudy

    init() throws {
        directory = try TestDirectory()
        sample = try SampleStudy()
    }

    /// A state directory with the files of the running store as a crash leaves them, the log cut to `logBytes`.
    private func crashed(_ name: String, logBytes: Int? = nil) throws -> String {
        let log = try bytes(of: directory("\(name)-wal"))
        let length = logBytes ?? log.count
        let copy = directory("crashed-\(length)")
        try FileManager.default.createDirectory(
            atPath: copy, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        for (file, content) in [(name, try bytes(of: directory(name))), ("\(name)-wal", Array(log.prefix(length)))] {
            try write(content, to: "\(copy)/\(file)")
            try setPermissions(0o600, of: "\(copy)/\(file)")
        }
        return copy
    }

    @Test func aKilledAggregatorFindsWhatItCommitted() async throws {
        let vault = try FileVault(directory: directory.path)
        let store = try AggregatorStore.open(directory: directory.path)
        try await sample.submit(to: store)
        try await sample.open(in: store)
        let file = try storedUpload([1, 2, 3], named: "task-alpha", in: vault)
        try await store.recordUpload(taskHash: sample.task, site: sample.sites[0], file: file, at: 1)

        let reopened = try AggregatorStore.open(directory: try crashed("aggregator.sqlite"))
        #expect(try await reopened.studies() == store.studies())
        #expect(try await reopened.rounds(study: sample.hash) == store.rounds(study: sample.hash))
        #expect(try await reopened.uploads(taskHash: sample.task).map(\.file) == [file.saved])
    }

    @Test func aKilledSiteKeepsItsRoundingSeed() async throws {
        let store = try SiteStore.open(directory: directory.path)
        try await store.recordStudy(
            hash: sample.hash, name: "heart", canonicalBytes: [], decision: .accepted, dataset: nil, contentHash: nil,
            at: 0)
        let seed = try await store.roundingSeed(for: sample.hash) { (0..<32).map { UInt8($0) } }
        let reopened = try SiteStore.open(directory: try crashed("site.sqlite"))
        #expect(try await reopened.roundingSeed(for: sample.hash) { [UInt8](repeating: 0, count: 32) } == seed)
    }

    /// Cuts the log at many places inside the commit that closes a round, as a power cut may.
    @Test func aCrashWhileClosingLeavesTheRoundOpenOrWhollyClosed() async throws {
        let vault = try FileVault(directory: directory.path, durability: .lostOnPowerCutForSimulationOnly)
        let store = try AggregatorStore.open(directory: directory.path)
        try await sample.submit(to: store)
        try await sample.open(in: store)
        let upload = try storedUpload([1, 2, 3], named: "task-alpha", in: vault)
        try await store.recordUpload(taskHash: sample.task, site: sample.sites[0], file: upload, at: 1)
        let open = try await store.rounds(study: sample.hash)
        let before = try bytes(of: directory("aggregator.sqlite-wal")).count
        try await sample.close(in: store)
        let closed = try await store.rounds(study: sample.hash)
        let after = try bytes(of: directory("aggregator.sqlite-wal")).count
        try #require(after > before, "the commit is in the log, behind what was there")

        var states: Set<RoundState> = []
        for length in Array(stride(from: before, to: after, by: 1_999)) + [after - 1, after] {
            let copy = try crashed("aggregator.sqlite", logBytes: length)
            let reopened = try AggregatorStore.open(directory: copy)
            let rounds = try await reopened.rounds(study: sample.hash)
            let models = try await reopened.models(study: sample.hash)
            let state = try #require(rounds.first?.state)
            states.insert(state)
            #expect(state == .open ? rounds == open && models.isEmpty : rounds == closed && models.count == 3)
            #expect(try await reopened.uploads(taskHash: sample.task).count == 1)
            let told = try await reopened.entryLog.entries(from: 0, limit: 9).map(\.entry.kind)
            let before: [EntryKind] = [.studyProposed, .roundOpened]
            #expect(told == (state == .open ? before : before + [.roundReleased]), "no step without its entry")
        }
        #expect(states == [.open, .closed])
    }

    @Test func aFileThatWasNotFinishedIsSweptAfterTheCrash() async throws {
        let store = try AggregatorStore.open(directory: directory.path)
        let vault = try FileVault(directory: directory.path)
        try await sample.submit(to: store)
        try await sample.open(in: store)
        let noted = try storedUpload([1], named: "task-alpha", in: vault)
        try await store.recordUpload(taskHash: sample.task, site: sample.sites[0], file: noted, at: 1)
        let orphan = try vault.newFile(in: .models)
        try orphan.append(floats: [1])
        let unnamed = try orphan.finish()
        for folder in FileVault.Folder.allCases {
            try vault.removeAll(in: folder, except: try await store.neededFiles(in: folder))
        }
        #expect(exists(noted.path) && !exists(unnamed.path))
    }
}
