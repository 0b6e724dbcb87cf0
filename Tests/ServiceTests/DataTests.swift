// SPDX-License-Identifier: Apache-2.0
// Tables of one class, without usable rows, changed or only touched, and training that is not finite.

import Federation
import NeuralNetworks
import PeerTransport
import SiteService
import Store
import Testing
import WireProtocol

@Suite(.timeLimit(.minutes(3)))
struct DataTests {
    @Test
    func aSiteWithOneClassTakesPart() async throws {
        let one = TestDataset(TestStudy.table(rows: 60, seed: 5, onlyLabel: 1))
        let plans = [SitePlan("a"), SitePlan("b"), SitePlan("one", dataset: one)]
        try await TestFederation.run(TestStudy.make(), plans) { federation in
            let record = try await federation.finish(deliveries: 3)
            #expect(record.outcome == "completed")
            #expect(try await federation.rounds().allSatisfy { $0.summary?.survivors == 3 })
            #expect(try await federation.round(.evaluation, 2)?.metrics["accuracy"] != nil)
        }
    }

    @Test
    func sitesOfOneClassEachLearnFromEachOther() async throws {
        let plans: [SitePlan] = (0...1).flatMap { (label: Int) in
            (1...2).map { number in
                SitePlan(
                    "site\(label)\(number)",
                    dataset: TestDataset(TestStudy.table(rows: 80, seed: UInt64(number), onlyLabel: label)))
            }
        }
        let study = TestStudy.make(rounds: 10, minimumSites: 4, everyRounds: 10)
        try await TestFederation.run(study, plans) { federation in
            let record = try await federation.finish(deliveries: 4)
            #expect(record.outcome == "completed")
            let accuracy = try #require(try await federation.round(.evaluation, 10)?.metrics["accuracy"])
            #expect(accuracy > 0.8)
        }
    }

    @Test(arguments: ["x,y,ill\n", "x,y,ill\n1,1,\n2,2,\n", ""])
    func aSiteWithoutUsableRowsDeclines(_ text: String) async throws {
        let plans = ["a", "b", "c"].map { SitePlan($0) } + [SitePlan("empty", dataset: TestDataset(Array(text.utf8)))]
        try await TestFederation.run(TestStudy.make(), plans) { federation in
            let record = try await federation.finish(deliveries: 3)
            #expect(record.outcome == "completed")
            let decisions = try await federation.store.decisions(study: federation.hash)
            let decision = try #require(decisions.first { $0.site.rawValue == "empty" }?.decision)
            #expect(decision == .declined(text.isEmpty ? .dataRefused : .noUsableRows))
            for round in try await federation.rounds() { #expect(round.cohort.count == 3) }
        }
    }

    @Test(arguments: [
        SteadyUpdate(.nan), SteadyUpdate(.infinity), SteadyUpdate(-.infinity), SteadyUpdate(0.1, loss: .nan),
        SteadyUpdate(0.1, loss: .infinity),
    ])
    func whatIsNotFiniteStaysAtTheSite(_ update: SteadyUpdate) async throws {
        let plans =
            ["a", "b", "c"].map { SitePlan($0, updates: SteadyUpdate(0.25)) } + [SitePlan("bad", updates: update)]
        try await TestFederation.run(TestStudy.make(rounds: 2, everyRounds: 2), plans) { federation in
            let record = try await federation.finish(deliveries: 4)
            #expect(record.outcome == "completed")
            for round in 1...2 {
                let words = try await federation.words(.training, round)
                #expect(words["bad"] == "withheld:nonFinite")
                for site in ["a", "b", "c"] { #expect(words[site] == "included") }
                let task = try #require(try await federation.round(.training, round)?.taskHash)
                let offers = federation["bad"].line.passed.count { passing in
                    if case .fromSite(.uploadOffer(task, _, _, _)) = passing { true } else { false }
                }
                #expect(offers == 0)
            }
            for pair in zip(try await federation.parameters(after: 1), try await federation.parameters(after: 2)) {
                #expect(abs(pair.1 - pair.0 - 0.25) < 1 / 32_767)
            }
            #expect(try federation.uploads(at: "bad") == [])
        }
    }

    @Test
    func trainingThatDivergesIsWithheld() async throws {
        // Weight decay of a thousand times the learning rate: every step multiplies the weights by minus a million.
        let training = TrainingPlan(
            optimizer: .sgd(momentum: 0, nesterov: false, weightDecay: 1e3), learningRate: 1e3, schedule: .constant,
            batchSize: 8, localWork: .steps(40), seed: 1)
        let plans =
            ["a", "b", "c"].map { SitePlan($0, updates: SteadyUpdate(0.25)) } + [SitePlan("bad")]
        try await TestFederation.run(TestStudy.make(rounds: 1, training: training), plans) { federation in
            let record = try await federation.finish(deliveries: 4)
            #expect(record.outcome == "completed")
            let words = try await federation.words(.training, 1)
            #expect(words["bad"] == "withheld:nonFinite")
        }
    }

    @Test
    func aSiteWhoseDataChangedWithholdsFromThenOn() async throws {
        let gate = Gate()
        let dataset = TestDataset(TestStudy.table(rows: 64, seed: 3))
        let plans =
            ["a", "b", "c"].map { SitePlan($0, updates: SteadyUpdate(0.1, gatedRound: 1, gate: gate)) }
            + [SitePlan("changing", dataset: dataset, updates: SteadyUpdate(0.1))]
        try await TestFederation.run(TestStudy.make(rounds: 2), plans) { federation in
            try await eventually("it has delivered") {
                guard let task = try await federation.round(.training, 1)?.taskHash else { return false }
                return try await federation.store.uploads(taskHash: task).contains { $0.site.rawValue == "changing" }
            }
            dataset.touch(TestStudy.table(rows: 64, seed: 4))
            gate.open()
            let record = try await federation.finish(deliveries: 4)
            #expect(record.outcome == "completed")
            #expect(try await federation.words(.training, 1)["changing"] == "included")
            for kind in [RoundKind.evaluation, .training] {
                let words = try await federation.words(kind, kind == .training ? 2 : 1)
                #expect(words["changing"] == "withheld:dataChanged")
            }
        }
    }

    @Test
    func aSourceThatWasOnlyTouchedGoesOn() async throws {
        let gate = Gate()
        let dataset = TestDataset(TestStudy.table(rows: 64, seed: 3))
        let plans =
            ["a", "b", "c"].map { SitePlan($0, updates: SteadyUpdate(0.1, gatedRound: 1, gate: gate)) }
            + [SitePlan("touched", dataset: dataset, updates: SteadyUpdate(0.1))]
        try await TestFederation.run(TestStudy.make(rounds: 2), plans) { federation in
            try await eventually("training has begun") { try await federation.round(.training, 1) != nil }
            dataset.touch()
            gate.open()
            let record = try await federation.finish(deliveries: 4)
            #expect(record.outcome == "completed")
            #expect(try await federation.rounds().allSatisfy { $0.summary?.survivors == 4 })
            #expect(dataset.loads > 1)
        }
    }

    @Test
    func aChangedTableStaysRefusedAfterReconnections() async throws {
        let study = TestStudy.make()
        try await LyingServer.run(study) { lies in
            let first = try await lies.accepted()
            lies.site.plan.dataset.touch(TestStudy.table(rows: 64, seed: 99))
            await first.connection.close()
            for _ in 1...3 {
                let server = try await lies.welcomed()
                try await server.say(.studyOffer(study.canonicalBytes))
                let decision = try await server.hear { if case .decision = $0 { true } else { false } }
                #expect(decision == .declined(.dataRefused, of: study))
                await server.connection.close()
            }
        }
    }
}

extension SiteMessage {
    fileprivate static func declined(_ reason: DeclineReason, of study: Study) -> SiteMessage {
        .decision(study: study.hash, .declined(reason))
    }
}
