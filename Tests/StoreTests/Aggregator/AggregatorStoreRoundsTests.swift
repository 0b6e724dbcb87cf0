// SPDX-License-Identifier: Apache-2.0
// The journal of rounds: what is opened, delivered, closed and abandoned, and what is refused.

import Federation
import Store
import Testing

@Suite struct AggregatorStoreRoundsTests {
    let directory: TestDirectory
    let vault: FileVault
    let store: AggregatorStore
    let sample: SampleStudy

    init() async throws {
        directory = try TestDirectory()
        vault = try FileVault(directory: directory.path, durability: .lostOnPowerCutForSimulationOnly)
        store = try .inMemory()
        sample = try SampleStudy()
        try await sample.submit(to: store)
    }

    private func upload(_ text: String, from site: SiteID) throws -> StoredFile {
        try storedUpload(Array(text.utf8), named: "\(sample.task.hex)-\(site)", in: vault)
    }

    @Test func anOpenRoundComesBackWithItsTaskAndUploads() async throws {
        try await sample.open(in: store)
        let round = try #require(try await store.latestRound(study: sample.hash))
        #expect(round.study == sample.hash && round.id == sample.opened && round.state == .open)
        #expect(round.taskHash == sample.task && round.taskBytes == [4, 5] && round.cohort == sample.sites)
        #expect(round.openedMilliseconds == 2000 && round.closedMilliseconds == nil)
        #expect(round.summary == nil && round.reason == nil && round.participation.isEmpty && round.metrics.isEmpty)

        let file = try upload("vector", from: sample.sites[1])
        try await store.recordUpload(taskHash: sample.task, site: sample.sites[1], file: file, at: 2500)
        let uploads = try await store.uploads(taskHash: sample.task)
        #expect(uploads.map(\.site) == [sample.sites[1]] && uploads[0].receivedMilliseconds == 2500)
        #expect(uploads[0].file == file.saved)
        #expect(try vault.file(uploads[0].file) == file)
    }

    @Test func aClosedRoundComesBackWhole() async throws {
        try await sample.open(in: store)
        try await sample.close(in: store)
        let round = try #require(try await store.latestRound(study: sample.hash))
        #expect(round.state == .closed && round.closedMilliseconds == 3000)
        #expect(round.summary == sample.summary)
        #expect(round.metrics == ["accuracy": 0.75, "auc": 0.875])
        #expect(round.participation.map(\.site) == sample.sites)
        #expect(round.participation.map(\.word) == ["included", "connectionLost:uploading", "included"])
        #expect(round.participation.map(\.explanation) == sample.participation.map(\.participation.explanation))
        #expect(round.participation.map(\.uploadSeconds) == [1.5, nil, 0.25])
        #expect(try await store.rounds(study: sample.hash) == [round])
    }

    @Test func optionalNumbersMayBeAbsentOrNaN() async throws {
        try await sample.open(in: store)
        let summary = RoundSummary(
            seconds: 0, overheadSeconds: 0, survivors: 0, bytesUp: 0, bytesDown: 0, loss: .nan, clipRate: .infinity)
        try await store.closeRound(
            study: sample.hash, id: sample.opened, summary: summary, participation: [], metrics: [], models: [],
            entry: try sampleEntry(), at: 1)
        let stored = try #require(try await store.latestRound(study: sample.hash)?.summary)
        #expect(stored.loss == nil && stored.examples == nil && stored.clipRate == .infinity)
    }

    @Test func everyWayToTakePartComesBackAsItsWord() async throws {
        var all: [Participation] = [.included, .notConnected, .notSampled]
        all += WithholdReason.allCases.map { .withheld($0) } + RefusalReason.allCases.map { .refused($0) }
        all += RoundStage.allCases.flatMap { [.connectionLost($0), .stalled($0), .tooSlow($0)] }
        let records = try all.enumerated().map { index, participation in
            ParticipationRecord(site: try site("site-\(100 + index)"), participation: participation, uploadTime: nil)
        }
        try await sample.open(in: store)
        try await store.closeRound(
            study: sample.hash, id: sample.opened, summary: sample.summary, participation: records.reversed(),
            metrics: [], models: [], entry: try sampleEntry(), at: 1)
        let lines = try #require(try await store.latestRound(study: sample.hash)?.participation)
        #expect(lines.map(\.site) == records.map(\.site), "in the order of names")
        #expect(lines.map(\.word) == all.map(\.word))
    }

    @Test func attemptsAreListedInOrderEachWithItsOwnRecords() async throws {
        try await sample.open(in: store)
        try await store.abandonRound(
            study: sample.hash, id: sample.opened, reason: "tooFewSites",
            participation: [ParticipationRecord(site: sample.sites[0], participation: .notConnected, uploadTime: nil)],
            entry: try sampleEntry(), at: 2100)
        var second = sample.opened
        second.attempt = 2
        try await store.openRound(
            study: sample.hash, id: second, taskHash: digest("task 2"), taskBytes: [], cohort: [],
            entry: try sampleEntry(), at: 2200)
        try await store.closeRound(
            study: sample.hash, id: second, summary: sample.summary, participation: sample.participation,
            metrics: sample.metrics, models: [], entry: try sampleEntry(), at: 2300)
        let rounds = try await store.rounds(study: sample.hash)
        #expect(rounds.map(\.state) == [.abandoned, .closed])
        #expect(rounds.map(\.reason) == ["tooFewSites", nil])
        #expect(rounds.map(\.participation.count) == [1, 3])
        #expect(rounds.map(\.metrics.count) == [0, 2])
        #expect(rounds.map(\.cohort) == [sample.sites, []])
        #expect(rounds[0].summary == nil)
        #expect(try await store.latestRound(study: sample.hash) == rounds[1])
        #expect(try await store.latestRound(study: digest("other")) == nil)
    }

    @Test func aStudyHasOneOpenRound() async throws {
        try await sample.open(in: store)
        _ = await expectError(.conflict) {
            try await store.openRound(
                study: sample.hash, id: RoundID(kind: .training, round: 2, attempt: 1), taskHash: digest("task 2"),
                taskBytes: [], cohort: [], entry: try sampleEntry(), at: 0)
        }
        try await sample.close(in: store)
        _ = await expectError(.conflict, "the same attempt again") { try await sample.open(in: store) }
        _ = await expectError(.unknown) {
            try await store.openRound(
                study: digest("other"), id: sample.opened, taskHash: digest("task 3"), taskBytes: [], cohort: [],
                entry: try sampleEntry(), at: 0)
        }
        #expect(try await store.rounds(study: sample.hash).count == 1)
    }

    @Test func anUploadIsKeptOnceAndOnlyForAnOpenRound() async throws {
        let file = try upload("vector", from: sample.sites[0])
        _ = await expectError(.unknown, "no round") {
            try await store.recordUpload(taskHash: sample.task, site: sample.sites[0], file: file, at: 1)
        }
        try await sample.open(in: store)
        try await store.recordUpload(taskHash: sample.task, site: sample.sites[0], file: file, at: 1)
        try await store.recordUpload(taskHash: sample.task, site: sample.sites[0], file: file, at: 2)
        #expect(try await store.uploads(taskHash: sample.task).map(\.receivedMilliseconds) == [1])
        let other = try upload("another vector", from: sample.sites[0])
        _ = await expectError(.conflict) {
            try await store.recordUpload(taskHash: sample.task, site: sample.sites[0], file: other, at: 3)
        }
        try await sample.close(in: store)
        _ = await expectError(.unknown, "a closed round") {
            try await store.recordUpload(
                taskHash: sample.task, site: sample.sites[1], file: try upload("late", from: sample.sites[1]), at: 4)
        }
        #expect(try await store.uploads(taskHash: sample.task).map(\.file) == [file.saved])
    }

    @Test func aRoundThatIsNotOpenCannotBeClosedOrAbandoned() async throws {
        _ = await expectError(.conflict) { try await sample.close(in: store) }
        try await sample.open(in: store)
        try await sample.close(in: store)
        _ = await expectError(.conflict) { try await sample.close(in: store) }
        _ = await expectError(.conflict) {
            try await store.abandonRound(
                study: sample.hash, id: sample.opened, reason: "tooFewSites", participation: [],
                entry: try sampleEntry(), at: 0)
        }
        #expect(try await store.latestRound(study: sample.hash)?.state == .closed)
    }

    /// Each case breaks the last steps of closing in another table.
    @Test(arguments: ["participation", "metrics", "notANumber", "models"])
    func anErrorWhileClosingLeavesTheRoundOpen(_ fault: String) async throws {
        try await sample.open(in: store)
        let file = try upload("vector", from: sample.sites[0])
        try await store.recordUpload(taskHash: sample.task, site: sample.sites[0], file: file, at: 1)
        let before = try await store.rounds(study: sample.hash)
        var participation = sample.participation
        var metrics = sample.metrics
        var models = sample.models
        switch fault {
        case "participation": participation.append(participation[0])
        case "metrics": metrics.append(metrics[0])
        case "notANumber": metrics.append(("logLoss", .nan))
        default: models.append(models[0])
        }
        _ = await expectError(.conflict) {
            try await store.closeRound(
                study: sample.hash, id: sample.opened, summary: sample.summary, participation: participation,
                metrics: metrics, models: models, entry: try sampleEntry(), at: 3)
        }
        #expect(try await store.rounds(study: sample.hash) == before)
        #expect(try await store.uploads(taskHash: sample.task).count == 1)
        #expect(try await store.models(study: sample.hash).isEmpty)
        try await sample.close(in: store)
        #expect(try await store.latestRound(study: sample.hash)?.state == .closed)
    }

    @Test func modelsAreFoundByRoleAndByDigest() async throws {
        for number in 1...3 {
            let id = RoundID(kind: .training, round: number, attempt: 1)
            try await store.openRound(
                study: sample.hash, id: id, taskHash: digest("task \(number)"), taskBytes: [], cohort: [],
                entry: try sampleEntry(), at: 0)
            var models = [ModelRecord(role: .model, round: number, blob: blob("model", "model \(number)"))]
            if number < 3 {
                models.append(ModelRecord(role: .controls, round: number, blob: blob("controls", "c\(number)")))
            }
            try await store.closeRound(
                study: sample.hash, id: id, summary: sample.summary, participation: [], metrics: [], models: models,
                entry: try sampleEntry(), at: Int64(number))
        }
        let latest = try #require(try await store.latestModel(study: sample.hash, role: .model))
        #expect(latest.blob == blob("model", "model 3") && latest.createdMilliseconds == 3 && !latest.isReleased)
        #expect(latest.study == sample.hash && latest.record.round == 3)
        #expect(try await store.latestModel(study: sample.hash, role: .controls)?.blob == blob("controls", "c2"))
        #expect(try await store.latestModel(study: sample.hash, role: .moments) == nil)
        #expect(try await store.models(study: sample.hash).map(\.record.round) == [1, 1, 2, 2, 3])
        #expect(try await store.model(digest("model 2"))?.record.round == 2)
        #expect(try await store.model(digest("model 9")) == nil)
        #expect(try await store.isLatestModel(digest("model 3")))
        #expect(try await store.isLatestModel(digest("c2")))
        #expect(try await !store.isLatestModel(digest("c1")))
        #expect(try await !store.isLatestModel(digest("model 9")))
        #expect(
            try await store.neededFiles(in: .models)
                == Set(["model 1", "model 2", "model 3", "c1", "c2"].map { digest($0).hex }))
    }

    @Test func uploadsAreNeededWhileTheirRoundIsOpen() async throws {
        try await sample.open(in: store)
        let file = try upload("vector", from: sample.sites[0])
        try await store.recordUpload(taskHash: sample.task, site: sample.sites[0], file: file, at: 1)
        #expect(try await store.neededFiles(in: .uploads) == [file.saved.name])
        try await sample.close(in: store)
        #expect(try await store.neededFiles(in: .uploads) == [])
    }
}
