// SPDX-License-Identifier: Apache-2.0
// A site's journal of rounds: no vector is lost, none is said to be delivered that was not.

import Federation
import Store
import Testing

@Suite struct SiteStoreRoundsTests {
    let directory: TestDirectory
    let vault: FileVault
    let store: SiteStore
    let study = digest("study")
    let task = digest("task")
    let id = RoundID(kind: .training, round: 3, attempt: 2)

    init() async throws {
        directory = try TestDirectory()
        vault = try FileVault(directory: directory.path, durability: .lostOnPowerCutForSimulationOnly)
        store = try .inMemory()
        try await store.recordStudy(
            hash: study, name: "heart", canonicalBytes: [], decision: .accepted, dataset: nil, contentHash: nil, at: 0)
    }

    private func compute(_ content: [UInt8] = [1, 2, 3]) async throws -> StoredFile {
        let file = try storedUpload(content, named: task.hex, in: vault)
        try await store.recordUpload(
            taskHash: task, upload: file, loss: 0.5, rows: 12, computeSeconds: 0.25, at: 20)
        return file
    }

    private func finish(_ state: SiteRoundState, _ reason: String? = nil, at milliseconds: Int64) async throws {
        try await store.finishRound(taskHash: task, state: state, reason: reason, at: milliseconds)
    }

    private func state() async throws -> SiteRoundState? { try await store.round(taskHash: task)?.state }

    @Test func aRoundIsRecordedFromTaskToDelivery() async throws {
        var expected = try await store.beginRound(taskHash: task, study: study, id: id, at: 10)
        #expect(expected.taskHash == task && expected.study == study && expected.id == id)
        #expect(expected.state == .computing && expected.startedMilliseconds == 10 && expected.upload == nil)
        #expect(try await store.upload(taskHash: task) == nil)

        let file = try await compute()
        expected.state = .ready
        expected.upload = file.saved
        expected.loss = 0.5
        expected.rows = 12
        expected.computeSeconds = 0.25
        expected.readyMilliseconds = 20
        #expect(try await store.round(taskHash: task) == expected)
        #expect(try await store.upload(taskHash: task) == file.saved)
        #expect(try await store.unfinishedRounds() == [expected])
        #expect(try await store.neededFiles(in: .uploads) == [file.saved.name])

        try await finish(.delivered, at: 30)
        expected.state = .delivered
        expected.finishedMilliseconds = 30
        #expect(try await store.rounds(study: study) == [expected])
        #expect(try await store.unfinishedRounds().isEmpty)
        #expect(try await store.neededFiles(in: .uploads) == [])
    }

    @Test func aTaskAskedForAgainIsNotComputedAgain() async throws {
        try await store.beginRound(taskHash: task, study: study, id: id, at: 10)
        let file = try await compute()
        let again = try await store.beginRound(taskHash: task, study: study, id: id, at: 99)
        #expect(again.state == .ready && again.upload == file.saved && again.startedMilliseconds == 10)
        try await finish(.delivered, at: 30)
        #expect(try await store.beginRound(taskHash: task, study: study, id: id, at: 99).state == .delivered)
    }

    @Test(arguments: [SiteRoundState.withheld, .ended])
    func aRoundThatCameToNothingCanBeginAgain(_ end: SiteRoundState) async throws {
        try await store.beginRound(taskHash: task, study: study, id: id, at: 10)
        try await finish(end, "localFailure", at: 15)
        let ended = try #require(try await store.round(taskHash: task))
        #expect(ended.state == end && ended.reason == "localFailure" && ended.finishedMilliseconds == 15)
        let again = try await store.beginRound(taskHash: task, study: study, id: id, at: 40)
        #expect(again.state == .computing && again.startedMilliseconds == 40)
        #expect(again.reason == nil && again.finishedMilliseconds == nil)
    }

    @Test func whatIsSettledStaysExceptThatADeliveryCounts() async throws {
        try await store.beginRound(taskHash: task, study: study, id: id, at: 10)
        _ = try await compute()
        try await finish(.ended, at: 30)
        #expect(try await store.upload(taskHash: task) == nil, "nobody waits for it any more")
        try await finish(.withheld, "stopped", at: 40)
        #expect(try await state() == .ended)
        try await finish(.delivered, at: 50)
        #expect(try await state() == .delivered)
        try await finish(.ended, at: 60)
        try await finish(.delivered, at: 70)
        let round = try #require(try await store.round(taskHash: task))
        #expect(round.state == .delivered && round.finishedMilliseconds == 50)
    }

    @Test func nothingIsDeliveredWithoutAVector() async throws {
        try await store.beginRound(taskHash: task, study: study, id: id, at: 10)
        _ = await expectError(.conflict) { try await finish(.delivered, at: 20) }
        #expect(try await state() == .computing)
    }

    @Test func aRoundThatIsNotStoredIsLeftAlone() async throws {
        try await finish(.ended, at: 20)
        #expect(try await store.round(taskHash: task) == nil)
        _ = await expectError(.unknown) { try await compute() }
        _ = await expectError(.unknown) {
            try await store.beginRound(taskHash: task, study: digest("other"), id: id, at: 0)
        }
    }

    @Test func aNewVectorReplacesAnEarlierOne() async throws {
        try await store.beginRound(taskHash: task, study: study, id: id, at: 10)
        _ = try await compute([1])
        let second = try await compute([2, 2])
        #expect(try await store.upload(taskHash: task) == second.saved)
        #expect(second.byteCount == 2)
    }

    @Test(arguments: [true, false])
    func controlsArePendingUntilTheEndOfTheirRoundIsKnown(_ isKept: Bool) async throws {
        let controls = BlobReference(name: "controls", digest: digest("controls"), byteCount: 12)
        try await store.beginRound(taskHash: task, study: study, id: id, at: 10)
        let file = try storedUpload([1], named: task.hex, in: vault)
        try await store.recordUpload(
            taskHash: task, upload: file, controls: controls, loss: 0.5, rows: 12, computeSeconds: 0.25, at: 20)
        try await finish(.delivered, at: 30)
        #expect(try await store.round(taskHash: task)?.controls == controls)
        #expect(try await store.latestModel(study: study, role: .controls) == nil)
        #expect(try await store.neededFiles(in: .models) == [controls.digest.hex])

        #expect(try await store.settleControls(taskHash: task, isKept: isKept) == controls)
        let kept = try await store.latestModel(study: study, role: .controls)
        #expect(kept?.blob == (isKept ? controls : nil))
        #expect(kept?.round == (isKept ? 3 : nil))
        #expect(try await store.neededFiles(in: .models) == (isKept ? [controls.digest.hex] : []))

        // News that comes twice, or late and different, changes nothing.
        #expect(try await store.settleControls(taskHash: task, isKept: !isKept) == nil)
        #expect(try await store.latestModel(study: study, role: .controls) == kept)
        #expect(try await store.settleControls(taskHash: digest("unknown"), isKept: true) == nil)
    }

    @Test func roundsAreListedInTheOrderOfTheirStart() async throws {
        let tasks = ["c", "a", "b"].map { digest($0) }
        for (index, task) in tasks.enumerated() {
            try await store.beginRound(
                taskHash: task, study: study, id: RoundID(kind: .evaluation, round: index, attempt: 1), at: 0)
        }
        #expect(try await store.rounds(study: study).map(\.taskHash) == tasks)
        #expect(try await store.rounds(study: digest("other")).isEmpty)
    }
}
