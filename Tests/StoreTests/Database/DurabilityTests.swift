// SPDX-License-Identifier: Apache-2.0
// What is reported as stored is on the device: the syncs are counted, not believed.

import Federation
import PowerCut
import Store
import Testing

@Suite struct DurabilityTests {
    let directory: TestDirectory
    let sample: SampleStudy

    init() throws {
        directory = try TestDirectory()
        sample = try SampleStudy()
    }

    private func syncs(_ body: () async throws -> Void) async rethrows -> Int {
        let recording = DiskRecording(of: directory.path)
        try await body()
        return recording.syncCount
    }

    @Test func everyCommitIsSyncedOnce() async throws {
        let store = try AggregatorStore.open(directory: directory.path)
        #expect(try await store.synchronousLevel() == 2)
        #expect(try await syncs { try await sample.submit(to: store) } == 1)
        #expect(try await syncs { try await sample.open(in: store) } == 1)
        #expect(try await syncs { try await sample.close(in: store) } == 1)
        #expect(try await syncs { _ = try await store.rounds(study: sample.hash) } == 0)
    }

    @Test func aRoundingSeedIsSyncedBeforeItIsReturned() async throws {
        let store = try SiteStore.open(directory: directory.path)
        #expect(try await store.synchronousLevel() == 2)
        try await store.recordStudy(
            hash: sample.hash, name: "heart", canonicalBytes: [], decision: .accepted, dataset: nil, contentHash: nil,
            at: 0)
        let seed: @Sendable () -> [UInt8] = { [UInt8](repeating: 1, count: 32) }
        #expect(try await syncs { _ = try await store.roundingSeed(for: sample.hash, makeIfAbsent: seed) } == 1)
        #expect(try await syncs { _ = try await store.roundingSeed(for: sample.hash, makeIfAbsent: seed) } == 0)
    }

    @Test func aFinishedFileAndItsNameAreSynced() async throws {
        let vault = try FileVault(directory: directory.path)
        let file = try vault.newFile(in: .models)
        #expect(try await syncs { try file.append(floats: [1, 2, 3]) } == 0)
        #expect(try await syncs { _ = try file.finish() } == 2, "the file, then its folder")
    }

    @Test func whatIsForSimulationsOnlySyncsNothing() async throws {
        let store = try AggregatorStore.open(
            directory: directory.path, durability: .lostOnPowerCutForSimulationOnly)
        let vault = try FileVault(directory: directory.path, durability: .lostOnPowerCutForSimulationOnly)
        #expect(try await store.synchronousLevel() == 0)
        let counted = try await syncs {
            try await sample.submit(to: store)
            try await sample.open(in: store)
            try await sample.close(in: store)
            _ = try storedUpload([1], named: "up", in: vault)
        }
        #expect(counted == 0)
    }
}
