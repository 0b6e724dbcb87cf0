// SPDX-License-Identifier: Apache-2.0
// Studies, decisions and outcomes come back as they were kept.

import Federation
import Store
import Testing

@Suite struct AggregatorStoreTests {
    let store: AggregatorStore
    let sample: SampleStudy

    init() throws {
        store = try .inMemory()
        sample = try SampleStudy()
    }

    @Test func studiesComeBackInTheOrderOfSubmission() async throws {
        let names = ["b", "c", "a"]
        for (index, name) in names.enumerated() {
            let record = try await store.submit(
                study: digest(name), name: "study \(name)", canonicalBytes: Array(name.utf8), entry: try sampleEntry(),
                at: Int64(index))
            #expect(record.hash == digest(name))
        }
        let studies = try await store.studies()
        #expect(studies.map(\.hash) == names.map { digest($0) })
        #expect(studies.map(\.name) == ["study b", "study c", "study a"])
        #expect(studies.map(\.canonicalBytes) == names.map { Array($0.utf8) })
        #expect(studies.map(\.submittedMilliseconds) == [0, 1, 2])
        #expect(studies.allSatisfy { $0.outcome == nil && $0.finishedMilliseconds == nil && $0.releasedModel == nil })
    }

    @Test func aStudySubmittedTwiceStaysAsItWas() async throws {
        let first = try await store.submit(
            study: sample.hash, name: "first", canonicalBytes: [1], entry: try sampleEntry(), at: 10)
        let second = try await store.submit(
            study: sample.hash, name: "second", canonicalBytes: [2], entry: try sampleEntry(), at: 20)
        #expect(second == first)
        #expect(try await store.studies() == [first])
        #expect(try await store.study(sample.hash) == first)
        #expect(try await store.study(digest("other")) == nil)
    }

    @Test func emptyAndLongBytesComeBack() async throws {
        let long = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try await store.submit(study: digest("long"), name: "", canonicalBytes: long, entry: try sampleEntry(), at: 0)
        try await store.submit(
            study: digest("empty"), name: "ä'\"", canonicalBytes: [], entry: try sampleEntry(), at: .min)
        #expect(try await store.study(digest("long"))?.canonicalBytes == long)
        let empty = try #require(try await store.study(digest("empty")))
        #expect(empty.canonicalBytes == [] && empty.name == "ä'\"" && empty.submittedMilliseconds == .min)
    }

    @Test func aLaterDecisionReplacesAnEarlierOne() async throws {
        try await sample.submit(to: store)
        for (index, reason) in DeclineReason.allCases.enumerated() {
            try await store.recordDecision(
                study: sample.hash, site: sample.sites[1], .declined(reason), at: Int64(index))
            #expect(try await store.decisions(study: sample.hash).map(\.decision) == [.declined(reason)])
        }
        try await store.recordDecision(study: sample.hash, site: sample.sites[1], .accepted, at: 77)
        try await store.recordDecision(study: sample.hash, site: sample.sites[0], .declined(.noDataset), at: 78)
        let decisions = try await store.decisions(study: sample.hash)
        #expect(decisions.map(\.site) == [sample.sites[0], sample.sites[1]])
        #expect(decisions.map(\.isAccepted) == [false, true])
        #expect(decisions.map(\.decidedMilliseconds) == [78, 77])
        #expect(try await store.decisions(study: digest("other")).isEmpty)
    }

    @Test func aDecisionAboutAnUnknownStudyIsRefused() async throws {
        _ = await expectError(.unknown) {
            try await store.recordDecision(study: sample.hash, site: sample.sites[0], .accepted, at: 0)
        }
    }

    @Test func finishingMarksTheReleasedModelAndAbandonsTheOpenRound() async throws {
        try await sample.submit(to: store)
        try await sample.open(in: store)
        try await sample.close(in: store)
        let next = RoundID(kind: .evaluation, round: 1, attempt: 1)
        try await store.openRound(
            study: sample.hash, id: next, taskHash: digest("next"), taskBytes: [], cohort: sample.sites,
            entry: try sampleEntry(), at: 4000)
        try await store.finishStudy(
            hash: sample.hash, outcome: "stopped", explanation: "by the operator",
            releasedModel: digest("model 1"), entries: [try sampleEntry(.studyEnded)], at: 5000)
        let study = try #require(try await store.study(sample.hash))
        #expect(study.outcome == "stopped" && study.explanation == "by the operator")
        #expect(study.finishedMilliseconds == 5000 && study.releasedModel == digest("model 1"))
        let models = try await store.models(study: sample.hash)
        #expect(models.filter(\.isReleased).map(\.record.role) == [.model])
        let last = try #require(try await store.latestRound(study: sample.hash))
        #expect(last.id == next && last.state == .abandoned && last.closedMilliseconds == 5000)
    }

    @Test func aStudyEndsOnce() async throws {
        try await sample.submit(to: store)
        let finish = { [store, sample] (outcome: String) in
            try await store.finishStudy(
                hash: sample.hash, outcome: outcome, explanation: "", releasedModel: nil,
                entries: [try sampleEntry(.studyEnded)], at: 1)
        }
        try await finish("completed")
        _ = await expectError(.conflict) { try await finish("degraded") }
        #expect(try await store.study(sample.hash)?.outcome == "completed")
        _ = await expectError(.unknown) {
            try await store.finishStudy(
                hash: digest("other"), outcome: "completed", explanation: "", releasedModel: nil,
                entries: [try sampleEntry(.studyEnded)], at: 1)
        }
    }

    @Test func aModelThatIsNotStoredCannotBeReleased() async throws {
        try await sample.submit(to: store)
        _ = await expectError(.unknown) {
            try await store.finishStudy(
                hash: sample.hash, outcome: "completed", explanation: "", releasedModel: digest("model 1"),
                entries: [try sampleEntry(.studyEnded)], at: 1)
        }
        #expect(try await store.study(sample.hash)?.outcome == nil, "the whole transaction is undone")
    }

    @Test func errorsHoldNoStoredValue() async throws {
        let error = try #require(
            await expectError(.unknown) {
                try await store.recordDecision(
                    study: digest("secret"), site: try site("secret-hospital"), .accepted, at: 0)
            })
        #expect(!"\(error)".contains("secret-hospital") && !"\(error)".contains(digest("secret").hex))
    }
}
