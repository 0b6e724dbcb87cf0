// SPDX-License-Identifier: Apache-2.0
// Local updates that need no training and do as a test wants.

import Federation
import Foundation
import NeuralNetworks
import SiteService
import Synchronization

/// Sends the same change for every parameter; counts its work, and may wait at a gate.
final class SteadyUpdate: UpdateMaking {
    let value: Float
    let loss: Double
    /// The round whose work waits for ``gate``.
    let gatedRound: Int?
    let gate: Gate?
    /// Rounds computed, each as often as it was.
    private let computed = Mutex<[Int]>([])

    init(_ value: Float, loss: Double = 0.5, gatedRound: Int? = nil, gate: Gate? = nil) {
        self.value = value
        self.loss = loss
        self.gatedRound = gatedRound
        self.gate = gate
    }

    var rounds: [Int] { computed.withLock { $0 } }

    func update(
        of local: LocalStudy, preprocessing: Preprocessing, round: Int, parameters: [Float],
        controls: (server: [Float], own: [Float])?, checkpoints: CheckpointFile,
        onProgress: (Int) throws -> Void
    ) throws -> LocalUpdate {
        computed.withLock { $0.append(round) }
        try onProgress(1)
        if let gate, round == gatedRound { try gate.wait { try onProgress(1) } }
        try onProgress(2)
        return LocalUpdate(
            change: [Float](repeating: value, count: parameters.count),
            summary: TrainingSummary(
                steps: 2, examples: 8, meanLoss: loss, normalizingWeight: 2, learningRateSum: 0.2),
            controlChange: nil, controls: nil)
    }
}

/// Real training, but each of its steps takes a while.
struct SlowUpdate: UpdateMaking {
    let pause: Duration
    var trainer = LocalTrainer()

    func update(
        of local: LocalStudy, preprocessing: Preprocessing, round: Int, parameters: [Float],
        controls: (server: [Float], own: [Float])?, checkpoints: CheckpointFile,
        onProgress: (Int) throws -> Void
    ) throws -> LocalUpdate {
        try trainer.update(
            of: local, preprocessing: preprocessing, round: round, parameters: parameters, controls: controls,
            checkpoints: checkpoints
        ) { step in
            usleep(UInt32(pause / .microseconds(1)))
            try onProgress(step)
        }
    }
}
