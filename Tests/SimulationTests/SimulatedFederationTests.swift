// SPDX-License-Identifier: Apache-2.0
// Whole federations in this process: what they reach, that they repeat, and that faults do not stop them.

import Federation
import Simulation
import Store
import StudyFiles
import Testing

/// One after the other: each keeps both processors busy.
@Suite(.serialized)
struct SimulatedFederationTests {
    @Test
    func fiveSeedsOfTheHeartStudyAreAsGoodAsPooledTraining() async throws {
        var study = try SampleFederation.study()
        let members = try SampleFederation.members(of: study)
        var reports: [FederationReport] = []
        for seed in 1...5 as ClosedRange<UInt64> {
            study.training.seed = seed
            reports.append(try await SampleFederation.report(study, members: members, seed: seed))
        }
        #expect(reports.allSatisfy { $0.outcome == "completed" && $0.rounds == 15 })
        let comparison = SeedComparison(runs: reports)
        let accuracy = try #require(comparison.global.accuracy?.mean)
        let auc = try #require(comparison.global.auc?.mean)
        let pooledAccuracy = try #require(comparison.pooledReference.accuracy?.mean)
        let pooledAUC = try #require(comparison.pooledReference.auc?.mean)
        #expect(accuracy >= 0.79)
        #expect(auc >= 0.875)
        #expect(abs(accuracy - pooledAccuracy) <= 0.01)
        #expect(abs(auc - pooledAUC) <= 0.01)
    }

    @Test
    func theSameSeedGivesTheSameModelAndAnotherSeedAnother() async throws {
        let study = try SampleFederation.study()
        let members = try SampleFederation.members(of: study)
        let first = try await SampleFederation.run(study, members: members, seed: 7)
        let second = try await SampleFederation.run(study, members: members, seed: 7)
        let third = try await SampleFederation.run(study, members: members, seed: 8)
        let model = try #require(first.study.releasedModel)
        #expect(second.study.releasedModel == model)
        #expect(third.study.releasedModel != model)
        #expect(first.rounds.map(\.taskHash) == second.rounds.map(\.taskHash))
    }

    @Test
    func everyRoundIsRecordedInOrderWithAllSites() async throws {
        let study = try SampleFederation.study()
        let records = try await SampleFederation.run(
            study, members: SampleFederation.members(of: study), seed: 1)
        var expected = [RoundID(kind: .statistics, round: 0, attempt: 1)]
        for round in 1...15 {
            expected.append(RoundID(kind: .training, round: round, attempt: 1))
            if round % 5 == 0 { expected.append(RoundID(kind: .evaluation, round: round, attempt: 1)) }
        }
        #expect(records.rounds.map(\.id) == expected)
        #expect(records.rounds.allSatisfy { $0.summary?.survivors == 4 && $0.participation.count == 4 })
        #expect(records.rounds.filter { $0.id.kind == .training }.allSatisfy { $0.summary?.loss != nil })
        #expect(records.sites.map(\.trainRows).reduce(0, +) == 486)
        #expect(records.sites.map(\.testRows).reduce(0, +) == 254)
        #expect(records.sites.allSatisfy { $0.localOnly["accuracy"] != nil && $0.global["accuracy"] != nil })
    }

    @Test(arguments: [FaultProfile.light, .heavy])
    func aFaultyNetworkDelaysAStudyAndDoesNotSpoilIt(_ faults: FaultProfile) async throws {
        let study = try SampleFederation.study()
        let report = try await SampleFederation.report(
            study, members: SampleFederation.members(of: study), seed: 3, faults: faults)
        #expect(report.outcome == "completed")
        #expect(report.rounds == 15)
        #expect(try #require(report.global.accuracy) > 0.75)
        for round in report.roundMetrics where round.state == "closed" { #expect(round.survivors >= 3) }
    }

    @Test
    func twoHundredSitesFinishTwentyRounds() async throws {
        var study = try SampleFederation.study()
        study.federation.rounds = 20
        // 200 sites of weight 64 fit a ring of 32 bits with 16-bit values.
        study.federation.numbers.valueBits = 16
        study.training.localWork = .steps(20)
        let members = try SampleFederation.members(of: study, copies: 50)
        #expect(members.count == 200)
        let records = try await SampleFederation.run(study, members: members, seed: 1)
        #expect(records.study.outcome == "completed")
        let training = records.rounds.filter { $0.id.kind == .training }
        #expect(training.map(\.id.round) == Array(1...20))
        #expect(training.allSatisfy { $0.state == .closed && $0.summary?.survivors == 200 })
    }

    @Test
    func aStudyThatTooFewSitesAcceptEndsWithTheirReasons() async throws {
        let study = try SampleFederation.study()
        var members = try SampleFederation.members(of: study)
        members[0].policy.standingApprovals = []
        members[1].tables = [:]
        let error = await #expect(throws: SimulationError.self) {
            try await SampleFederation.run(study, members: members, seed: 1)
        }
        #expect(error?.code == .tooFewSites)
        #expect(
            error?.message == "2 of at least 3 sites accept the study; "
                + "budapest: nobody at the site has approved it; "
                + "cleveland: the site has no data set for it")
    }

    @Test
    func aStudyThatNeedsMoreSitesThanThereAreIsRefused() async throws {
        let study = try SampleFederation.study()
        let members = try SampleFederation.members(of: study)
        let error = await #expect(throws: SimulationError.self) {
            try await SampleFederation.run(study, members: Array(members.prefix(2)), seed: 1)
        }
        #expect(error?.code == .refused)
    }
}
