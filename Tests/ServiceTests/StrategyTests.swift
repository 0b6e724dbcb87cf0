// SPDX-License-Identifier: Apache-2.0
// Every strategy through real sites, real training and the ring; SCAFFOLD's controls under faults.

import Federation
import Foundation
import NeuralNetworks
import SiteService
import Store
import Synchronization
import Testing
import WireProtocol

@Suite(.timeLimit(.minutes(3)))
struct StrategyTests {
    static let strategies: [Strategy] = [
        .fedAvg, .fedProx(mu: 0.05), .fedAvgM(learningRate: 0.7, momentum: 0.5),
        .fedAdam(.init(learningRate: 0.3, beta1: 0.9, beta2: 0.99, tau: 1e-3)),
        .fedYogi(.init(learningRate: 0.3, beta1: 0.9, beta2: 0.99, tau: 1e-3)),
        .fedAdagrad(learningRate: 1, tau: 1e-3), .scaffold(learningRate: 1), .fedNova,
    ]

    /// Sites of very different size.
    private static func plans(_ updates: [String: any UpdateMaking] = [:]) -> [SitePlan] {
        zip(["a", "b", "c", "d"], [24, 60, 120, 300]).map {
            SitePlan($0, rows: $1, updates: updates[$0] ?? LocalTrainer())
        }
    }

    private static let epochs = TrainingPlan(
        optimizer: .sgd(momentum: 0, nesterov: false, weightDecay: 0), learningRate: 0.1, schedule: .constant,
        batchSize: 8, localWork: .epochs(1), seed: 3)

    @Test(arguments: strategies, [1, 0.5])
    func everyStrategyLearnsASeparableProblem(_ strategy: Strategy, _ participation: Double) async throws {
        let study = TestStudy.make(
            strategy: strategy, rounds: 12, minimumSites: 2, participation: participation, everyRounds: 12,
            training: Self.epochs)
        try await TestFederation.run(study, Self.plans()) { federation in
            let record = try await federation.finish(deliveries: 4)
            #expect(record.outcome == "completed")
            let rounds = try await federation.rounds().filter { $0.id.kind == .training }
            #expect(rounds.count == 12)
            let first = try #require(rounds.first?.summary?.loss)
            let last = try #require(rounds.last?.summary?.loss)
            // Chance is 0.69; the problem has no noise.
            #expect(last < 0.35)
            #expect(last < first)
            let accuracy = try #require(try await federation.round(.evaluation, 12)?.metrics["accuracy"])
            #expect(accuracy > 0.85)
            let asked = participation == 1 ? 4 : 2
            var taken: Set<SiteID> = []
            for round in rounds {
                #expect(round.cohort.count == asked)
                taken.formUnion(round.cohort)
                for line in round.participation {
                    #expect(line.word == (round.cohort.contains(line.site) ? "included" : "notSampled"))
                }
            }
            #expect(taken.count == 4, "everybody is chosen some time")
        }
    }

    // MARK: SCAFFOLD

    private static func scaffold(rounds: Int, minimumSites: Int, participation: Double = 1) -> Study {
        TestStudy.make(
            strategy: .scaffold(learningRate: 1), rounds: rounds, minimumSites: minimumSites,
            participation: participation, everyRounds: rounds, training: epochs)
    }

    /// c = mean(cᵢ) over all sites that accepted, to the ring's precision.
    private static func expectControlsAgree(_ federation: TestFederation, rounds: Int) async throws {
        let server = try #require(
            try await federation.store.models(study: federation.hash).last { $0.record.role == .controls })
        let control = try federation.floats(server.blob, in: federation.vault)
        var mean = [Double](repeating: 0, count: control.count)
        for site in federation.sites {
            guard let record = try await site.store.latestModel(study: federation.hash, role: .controls) else {
                continue
            }
            for (index, value) in try federation.floats(record.blob, in: site.vault).enumerated() {
                mean[index] += Double(value) / Double(federation.sites.count)
            }
        }
        #expect(control.contains { abs($0) > 1e-3 }, "the controls are not all zero")
        // Each round's change of each site is rounded to one step of the ring.
        let tolerance = Double(rounds) / 32_767
        for (own, average) in zip(control, mean) { #expect(abs(Double(own) - average) < tolerance) }
    }

    @Test(arguments: [1, 0.5])
    func theServersControlIsTheMeanOfTheSites(_ participation: Double) async throws {
        let study = Self.scaffold(rounds: 5, minimumSites: 2, participation: participation)
        try await TestFederation.run(study, Self.plans()) { federation in
            let record = try await federation.finish(deliveries: 4)
            #expect(record.outcome == "completed")
            try await Self.expectControlsAgree(federation, rounds: 5)
        }
    }

    @Test
    func aSiteThatMissesTheEndOfItsRoundLearnsItWhenItIsBack() async throws {
        let gate = Gate()
        var study = Self.scaffold(rounds: 6, minimumSites: 3)
        study.federation.progress.stragglerFactor = 1
        study.federation.progress.stragglerSeconds = 2
        let plans = Self.plans(["a": GatedTraining(round: 4, gate: gate)])
        try await TestFederation.run(study, plans, isSubmitted: false) { federation in
            let line = federation["d"].line
            let round = LockedValue(0)
            // Delivered in round 1, but the news that the round closed does not arrive; away for rounds 2 and 3.
            line.cutWhen { passing in
                if case .fromAggregator(.roundOpen(let task)) = passing { round.set(task.id.round) }
                if case .fromAggregator(.roundEnded) = passing, round.get() == 1 { return .cut }
                return .pass
            }
            try await federation.submit()
            try await eventually("round 4 is open") { try await federation.round(.training, 4) != nil }
            #expect(line.isDown)
            #expect(try await federation.words(.training, 1)["d"] == "included")
            #expect(try await federation.words(.training, 3)["d"] == "notConnected")
            let decisions = line.decisions
            line.restore()
            try await eventually("it is back") { line.decisions > decisions }
            gate.open()
            let record = try await federation.finish(deliveries: 4)
            #expect(record.outcome == "completed")
            #expect(try await federation.words(.training, 5)["d"] == "included")
            try await Self.expectControlsAgree(federation, rounds: 6)
        }
    }

    @Test
    func aSiteThatIsStartedAgainBeforeTheEndOfItsRoundKeepsItsControl() async throws {
        let gate = Gate()
        let plans = Self.plans(["a": GatedTraining(round: 2, gate: gate)])
        try await TestFederation.run(Self.scaffold(rounds: 3, minimumSites: 4), plans) { federation in
            try await eventually("d has its receipt in round 2") {
                try await federation["d"].store.rounds(study: federation.hash)
                    .contains { $0.id == RoundID(kind: .training, round: 2, attempt: 1) && $0.state == .delivered }
            }
            await federation["d"].stop()
            federation["d"].start()
            try await eventually("it is back") { try await federation.status().connectedSites.count == 4 }
            gate.open()
            let record = try await federation.finish(deliveries: 4)
            #expect(record.outcome == "completed")
            try await Self.expectControlsAgree(federation, rounds: 3)
        }
    }

    @Test
    func roundsThatComeToNothingDoNotAdvanceControls() async throws {
        let plans = Self.plans(["b": FailingOnce(rounds: [1, 3])])
        try await TestFederation.run(Self.scaffold(rounds: 4, minimumSites: 4), plans) { federation in
            let record = try await federation.finish(deliveries: 4)
            #expect(record.outcome == "completed")
            for number in [1, 3] {
                #expect(try await federation.words(.training, number)["b"] == "withheld:nonFinite")
                #expect(try await federation.round(.training, number)?.state == .abandoned)
                #expect(try await federation.round(.training, number, attempt: 2)?.summary?.survivors == 4)
            }
            for site in federation.sites {
                // The released model and the latest controls; nothing of the attempts that came to nothing.
                let needed = try await site.store.neededFiles(in: .models)
                try await eventually("\(site.plan.name) keeps only what it needs") {
                    let files = try FileManager.default.contentsOfDirectory(
                        atPath: "\(federation.folder)/\(site.plan.name)/models")
                    return Set(files) == needed
                }
            }
            try await Self.expectControlsAgree(federation, rounds: 4)
        }
    }
}

/// Real training that waits at a gate in one round.
private struct GatedTraining: UpdateMaking {
    let round: Int
    let gate: Gate

    func update(
        of local: LocalStudy, preprocessing: Preprocessing, round: Int, parameters: [Float],
        controls: (server: [Float], own: [Float])?, checkpoints: CheckpointFile,
        onProgress: (Int) throws -> Void
    ) throws -> LocalUpdate {
        if round == self.round { try gate.wait { try onProgress(0) } }
        return try LocalTrainer().update(
            of: local, preprocessing: preprocessing, round: round, parameters: parameters, controls: controls,
            checkpoints: checkpoints, onProgress: onProgress)
    }
}

/// Real training that is not finite the first time it comes to certain rounds.
private final class FailingOnce: UpdateMaking {
    /// Rounds that have not failed yet.
    private let failing: Mutex<Set<Int>>

    init(rounds: Set<Int>) { failing = Mutex(rounds) }

    func update(
        of local: LocalStudy, preprocessing: Preprocessing, round: Int, parameters: [Float],
        controls: (server: [Float], own: [Float])?, checkpoints: CheckpointFile,
        onProgress: (Int) throws -> Void
    ) throws -> LocalUpdate {
        let fails = failing.withLock { $0.remove(round) != nil }
        if fails { throw WithheldError(.nonFinite) }
        return try LocalTrainer().update(
            of: local, preprocessing: preprocessing, round: round, parameters: parameters, controls: controls,
            checkpoints: checkpoints, onProgress: onProgress)
    }
}
