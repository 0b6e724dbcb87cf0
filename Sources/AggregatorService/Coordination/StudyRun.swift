// SPDX-License-Identifier: Apache-2.0
// What the coordinator holds for one study: its state machine, the round under way and the model so far.

import Federation
import ModelFiles
import Store
import WireProtocol

/// One study at the server. Owned by ``Coordinator``.
struct StudyRun {
    let study: Study
    let hash: Digest
    let canonicalBytes: [UInt8]
    var machine: StudyStateMachine
    var submitted: Duration

    /// The round that collects or is being summed.
    var current: CurrentRound?
    /// The task of the latest round that closed; its members may have missed the news.
    var lastClosed: Digest?
    /// For each site the task of the latest round whose sum it is in; it may have missed that news, and later ones.
    var lastInclusion: [SiteID: Digest] = [:]
    /// The latest global model; nil before the statistics round.
    var model: ModelVersion?
    /// SCAFFOLD's server control, after the first training round.
    var controls: BlobReference?
    /// The server optimiser's moments, after the first training round of a strategy that has any.
    var moments: BlobReference?

    var accepted: Set<SiteID> { machine.accepted }
    var decided: Set<SiteID> = []
    /// Sites that confirmed the released model.
    var deliveries: Set<SiteID> = []
    var progress = Observations()

    /// The numbers on the operator's screen; all from sums, or traffic that the server sees anyway.
    struct Observations {
        var loss: Double?
        var accuracy: Double?
        var auc: Double?
        var bytesUp: UInt64 = 0
        var bytesDown: UInt64 = 0
        var examplesPerSecond = 0.0
        var explanation = ""
    }
}

/// A model file and its description.
struct ModelVersion {
    var blob: BlobReference
    var description: StudyModel
}

/// The round attempt under way.
struct CurrentRound {
    let task: RoundTask
    let taskHash: Digest
    let cohort: [SiteID]
    let sum: RoundSum
    let opened: Duration
    /// Sites whose vector is durable and in the sum.
    var received: Set<SiteID> = []
    /// Uploads that a worker is making durable.
    var beingStored: Set<SiteID> = []
    var bytesUp = 0
    var bytesDown = 0
    /// When the last upload was complete: what follows is the server's own work.
    var lastUpload: Duration?
    /// When to sum again after the server could not write the result.
    var sumAgain: Duration?

    /// The name of the file that spools the upload of `site`.
    func uploadName(_ site: SiteID) -> String { Self.uploadName(site, task: taskHash) }

    static func uploadName(_ site: SiteID, task: Digest) -> String { "\(task.hex)-\(site)" }
}

extension StudyRun {
    mutating func noteClosed(_ task: Digest, survivors: [SiteID]) {
        lastClosed = task
        for site in survivors { lastInclusion[site] = task }
    }

    /// The status line of this study.
    func status(now: Duration) -> StudyStatus {
        var status = StudyStatus(study: hash, name: study.name, phase: "gathering")
        status.explanation = progress.explanation
        status.rounds = study.federation.rounds
        status.acceptedSites = machine.accepted.sorted().map(\.rawValue)
        status.loss = progress.loss
        status.accuracy = progress.accuracy
        status.auc = progress.auc
        status.bytesUp = progress.bytesUp
        status.bytesDown = progress.bytesDown
        status.examplesPerSecond = progress.examplesPerSecond
        status.deliveries = deliveries.count
        func note(_ id: RoundID) {
            status.roundKind = id.kind.rawValue
            status.round = id.round
            status.attempt = id.attempt
        }
        switch machine.phase {
        case .gathering: break
        case .waiting(let id, _):
            status.phase = "waiting"
            note(id)
        case .collecting(let round):
            status.phase = "collecting"
            note(round.id)
            status.pending = round.awaited(now: now).map {
                .init(
                    site: $0.site.rawValue, stage: $0.stage.rawValue, count: UInt64(clamping: $0.count),
                    isConnected: $0.isConnected, pace: $0.pace.rawValue, idleSeconds: $0.idle.inSeconds,
                    remainingSeconds: $0.remaining.inSeconds)
            }
        case .summing(let id, _):
            status.phase = "summing"
            note(id)
        case .finished(let outcome):
            status.phase = outcome.word
            status.roundKind = RoundKind.training.rawValue
            status.round = model?.description.round ?? 0
        }
        return status
    }
}
