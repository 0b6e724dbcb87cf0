// SPDX-License-Identifier: Apache-2.0
// A site's studies, rounding seeds, models and evaluations come back as they were kept.

import Federation
import Store
import Synchronization
import Testing

@Suite struct SiteStoreTests {
    let store: SiteStore
    let study = digest("study")

    init() throws { store = try .inMemory() }

    private func accept() async throws {
        try await store.recordStudy(
            hash: study, name: "heart", canonicalBytes: [1, 2], decision: .accepted, dataset: "heart-disease",
            contentHash: digest("content"), at: 10)
    }

    @Test func aStudyComesBackWithTheSitesAnswer() async throws {
        try await accept()
        let record = try #require(try await store.study(study))
        #expect(record.hash == study && record.name == "heart" && record.canonicalBytes == [1, 2])
        #expect(record.isAccepted && record.dataset == "heart-disease" && record.contentHash == digest("content"))
        #expect(record.decidedMilliseconds == 10 && record.outcome == nil)
        #expect(try await store.studies() == [record])
        #expect(try await store.study(digest("other")) == nil)
    }

    @Test(arguments: DeclineReason.allCases)
    func aLaterAnswerReplacesAnEarlierOne(_ reason: DeclineReason) async throws {
        try await store.recordStudy(
            hash: study, name: "heart", canonicalBytes: [1, 2], decision: .declined(reason), dataset: nil,
            contentHash: nil, at: 5)
        let declined = try #require(try await store.study(study))
        #expect(declined.decision == .declined(reason) && !declined.isAccepted)
        #expect(declined.dataset == nil && declined.contentHash == nil)
        try await accept()
        #expect(try await store.study(study)?.decision == .accepted)
        #expect(try await store.study(study)?.decidedMilliseconds == 10)
        #expect(try await store.studies().count == 1)
    }

    @Test func theEndOfAStudyIsKeptOnce() async throws {
        try await accept()
        try await store.finishStudy(hash: study, outcome: "completed", explanation: nil, at: 20)
        try await store.finishStudy(hash: study, outcome: "degraded", explanation: "later", at: 30)
        let record = try #require(try await store.study(study))
        #expect(record.outcome == "completed" && record.explanation == nil && record.finishedMilliseconds == 20)
        try await store.finishStudy(hash: digest("other"), outcome: "completed", explanation: nil, at: 20)
        #expect(try await store.studies().count == 1)
    }

    @Test func theRoundingSeedIsMadeOnce() async throws {
        try await accept()
        let made = Mutex(0)
        let make: @Sendable () -> [UInt8] = {
            made.withLock { made in
                made += 1
                return [UInt8](repeating: UInt8(made), count: 32)
            }
        }
        let first = try await store.roundingSeed(for: study, makeIfAbsent: make)
        let second = try await store.roundingSeed(for: study, makeIfAbsent: make)
        #expect(first == [UInt8](repeating: 1, count: 32) && second == first)
        #expect(made.withLock { $0 } == 1)
        _ = await expectError(.unknown) { try await store.roundingSeed(for: digest("other"), makeIfAbsent: make) }
    }

    @Test func aRoundingSeedThatCannotBeMadeIsNotKept() async throws {
        struct NoEntropy: Error {}
        try await accept()
        await #expect(throws: NoEntropy.self) { try await store.roundingSeed(for: study) { throw NoEntropy() } }
        let seed = [UInt8](repeating: 9, count: 32)
        #expect(try await store.roundingSeed(for: study) { seed } == seed)
    }

    @Test func simultaneousRequestsGetOneSeed() async throws {
        try await accept()
        let seeds = try await withThrowingTaskGroup(of: [UInt8].self) { group in
            for value in 0..<20 {
                group.addTask { [store, study] in
                    try await store.roundingSeed(for: study) { [UInt8](repeating: UInt8(value), count: 32) }
                }
            }
            return try await group.reduce(into: Set<[UInt8]>()) { $0.insert($1) }
        }
        #expect(seeds.count == 1)
    }

    @Test func modelsAreFoundByRoleAndRound() async throws {
        try await accept()
        for round in [2, 1, 3] {
            try await store.recordModel(
                study: study, round: round, blob: blob("controls", "c\(round)"), role: .controls, isReleased: false)
        }
        try await store.recordModel(
            study: study, round: 3, blob: blob("model", "m3"), role: .global, isReleased: true)
        #expect(try await store.latestModel(study: study, role: .controls)?.blob == blob("controls", "c3"))
        #expect(try await store.latestModel(study: study, role: .controls, before: 3)?.round == 2)
        #expect(try await store.latestModel(study: study, role: .controls, before: 1) == nil)
        #expect(try await store.latestModel(study: study, role: .global)?.isReleased == true)
        #expect(try await store.latestModel(study: study, role: .local) == nil)
        #expect(try await store.models(study: study).map(\.round) == [1, 2, 3, 3])
        #expect(
            try await store.neededFiles(in: .models) == Set(["c1", "c2", "c3", "m3"].map { digest($0).hex }))
        _ = await expectError(.unknown) {
            try await store.recordModel(
                study: digest("other"), round: 1, blob: blob("model", "m"), role: .local, isReleased: false)
        }
    }

    @Test func aModelOfTheSameRoundIsReplaced() async throws {
        try await accept()
        for (content, isReleased) in [("first", false), ("second", true)] {
            try await store.recordModel(
                study: study, round: 5, blob: blob("model", content), role: .global, isReleased: isReleased)
        }
        let models = try await store.models(study: study)
        #expect(models.map(\.blob) == [blob("model", "second")] && models[0].isReleased)
    }

    @Test func evaluationsAreReplacedAsAWhole() async throws {
        try await accept()
        try await store.recordEvaluation(
            study: study, subject: .localOnly, split: .test, metrics: [("accuracy", 0.5), ("auc", 0.625)])
        try await store.recordEvaluation(study: study, subject: .global, split: .train, metrics: [("accuracy", 1)])
        try await store.recordEvaluation(study: study, subject: .global, split: .test, metrics: [("accuracy", 0.75)])
        try await store.recordEvaluation(study: study, subject: .localOnly, split: .test, metrics: [("auc", 0.25)])
        let evaluations = try await store.evaluations(study: study)
        #expect(evaluations.map(\.subject) == [.global, .global, .localOnly])
        #expect(evaluations.map(\.split) == [.test, .train, .test])
        #expect(evaluations.map(\.metrics) == [["accuracy": 0.75], ["accuracy": 1], ["auc": 0.25]])
        #expect(try await store.metrics(study: study, subject: .localOnly, split: .test) == ["auc": 0.25])
        #expect(try await store.metrics(study: study, subject: .localOnly, split: .train) == [:])
    }

    @Test func anEvaluationThatIsNotANumberKeepsTheEarlierOne() async throws {
        try await accept()
        try await store.recordEvaluation(study: study, subject: .global, split: .test, metrics: [("auc", 0.5)])
        _ = await expectError(.conflict) {
            try await store.recordEvaluation(study: study, subject: .global, split: .test, metrics: [("auc", .nan)])
        }
        #expect(try await store.metrics(study: study, subject: .global, split: .test) == ["auc": 0.5])
    }
}
