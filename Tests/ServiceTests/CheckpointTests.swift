// SPDX-License-Identifier: Apache-2.0
// A site that stops in the middle of its training goes on at the step it had come to, with the same bits.

import Federation
import Foundation
import NeuralNetworks
import SiteService
import Store
import Synchronization
import Testing

/// Real training that waits at a gate after some step of round 1, and notes every step.
private final class InterruptibleTraining: UpdateMaking {
    let gatedStep: Int
    let gate = Gate()
    /// Of round 1, in order, over all runs.
    private let noted = Mutex<[Int]>([])

    init(gatedStep: Int) { self.gatedStep = gatedStep }

    var steps: [Int] { noted.withLock { $0 } }

    func update(
        of local: LocalStudy, preprocessing: Preprocessing, round: Int, parameters: [Float],
        controls: (server: [Float], own: [Float])?, checkpoints: CheckpointFile,
        onProgress: (Int) throws -> Void
    ) throws -> LocalUpdate {
        try LocalTrainer().update(
            of: local, preprocessing: preprocessing, round: round, parameters: parameters, controls: controls,
            checkpoints: checkpoints
        ) { step in
            if round == 1 {
                noted.withLock { $0.append(step) }
                if step == gatedStep { try gate.wait { try onProgress(step) } }
            }
            try onProgress(step)
        }
    }
}

@Suite(.timeLimit(.minutes(3)))
struct CheckpointTests {
    private static func plans(_ updates: any UpdateMaking) -> [SitePlan] {
        ["a", "b"].enumerated().map { number, name in
            var plan = SitePlan(name, updates: name == "b" ? updates : LocalTrainer())
            plan.roundingSeed = UInt64(number)
            plan.checkpointPause = .zero
            return plan
        }
    }

    private static func checkpoints(_ federation: TestFederation) throws -> [String] {
        try federation.uploads(at: "b").filter { $0.contains("checkpoint") }
    }

    @Test(arguments: [Strategy.fedAvg, .scaffold(learningRate: 1)])
    func trainingResumesAtItsCheckpoint(_ strategy: Strategy) async throws {
        let study = TestStudy.make(strategy: strategy, rounds: 2, minimumSites: 2)
        var models: [Digest?] = []
        try await TestFederation.run(study, Self.plans(LocalTrainer())) { federation in
            models.append(try await federation.finish(deliveries: 2).releasedModel)
        }
        let training = InterruptibleTraining(gatedStep: 6)
        try await TestFederation.run(study, Self.plans(training)) { federation in
            try await eventually("b is in the middle of its training") { training.steps.last == 6 }
            await federation["b"].stop()
            let left = try Self.checkpoints(federation)
            #expect(left.count == 1)
            for name in left {
                let path = "\(federation.folder)/b/uploads/\(name)"
                let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
                #expect(mode == 0o600)
            }
            training.gate.open()
            federation["b"].start()
            models.append(try await federation.finish(deliveries: 2).releasedModel)
            // The sixth step was not over when the site stopped.
            #expect(training.steps == [1, 2, 3, 4, 5, 6, 6, 7, 8, 9, 10])
            #expect(try Self.checkpoints(federation).isEmpty, "it goes with the round")
        }
        #expect(models[0] == models[1])
    }

    /// A file that is cut short, changed, or of another task is as good as none.
    @Test func aDamagedCheckpointIsNotUsed() async throws {
        let study = TestStudy.make(rounds: 1, minimumSites: 2)
        let training = InterruptibleTraining(gatedStep: 6)
        try await TestFederation.run(study, Self.plans(training)) { federation in
            try await eventually("b is in the middle of its training") { training.steps.last == 6 }
            await federation["b"].stop()
            let name = try #require(try Self.checkpoints(federation).first)
            let file = URL(fileURLWithPath: "\(federation.folder)/b/uploads/\(name)")
            var bytes = try Data(contentsOf: file)
            bytes[bytes.count / 2] ^= 1
            try bytes.write(to: file)
            training.gate.open()
            federation["b"].start()
            let record = try await federation.finish(deliveries: 2)
            #expect(record.outcome == "completed")
            #expect(training.steps == Array(1...6) + Array(1...10))
        }
    }
}
