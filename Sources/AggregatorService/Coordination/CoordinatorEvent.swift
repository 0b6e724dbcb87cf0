// SPDX-License-Identifier: Apache-2.0
// What happens at the server, as values in one queue: sessions, messages, finished sums, commands, the clock.

import Federation
import Logging
import Store
import WireProtocol

/// One thing for the coordinator to react to. Events are handled one at a time, in order.
enum CoordinatorEvent: Sendable {
    case opened(SiteSession)
    case closed(SiteSession)
    /// Somebody joined, left or has new keys.
    case membershipChanged
    case condition(SiteID, [SiteObstacle])
    case decided(SiteID, study: Digest, StudyDecision)
    case progress(SiteID, task: Digest, RoundStage, count: Int)
    case withheld(SiteID, task: Digest, WithholdReason)
    /// All bytes of an upload are in the spool; they are not yet checked or durable.
    case uploadSpooled(SiteID, task: Digest, file: PartialFile, digest: Digest)
    /// The worker is done with making an upload durable.
    case uploadStored(SiteID, task: Digest, UploadStorage)
    /// An upload was refused before any byte of it came.
    case refusedUpload(SiteID, task: Digest, RefusalReason)
    case blobSent(SiteID, byteCount: Int)
    case modelReceived(SiteID, study: Digest, model: Digest)
    /// `sum` is the hash of the packed sum; nil when there is none.
    case summed(study: Digest, RoundID, SumOutcome, sum: Digest?)
    case control(ControlRequest, CheckedContinuation<ControlReply, Never>)
    case tick
}

/// Whether an upload may start.
enum UploadAdmission {
    /// Append to this file from where it ends.
    case spool(PartialFile)
    /// The vector is here and durable; the site's receipt was lost.
    case alreadyReceived
    /// The round does not, or no longer, await this site; its vector may be in the sum already.
    case notAwaited(isIncluded: Bool)
    /// The server cannot write its spool.
    case obstructed
    case refused(RefusalReason)
}

/// What making a complete upload durable gave.
enum UploadStorage: Sendable {
    case stored(StoredFile)
    case refused(RefusalReason)
    /// The end of the round took the file away.
    case superseded
    case obstructed(String)
}

/// An upload that waits to be checked and made durable.
struct UploadWork: Sendable {
    let site: SiteID
    let task: Digest
    let file: PartialFile
    let digest: Digest

    /// Never throws, because every failure is an outcome too.
    func run() -> UploadStorage {
        do { return .stored(try file.finish(expecting: digest)) } catch let error as StoreError {
            switch error.code {
            case .wrongDigest: return .refused(.wrongDigest)
            case .superseded: return .superseded
            default: return .obstructed("\(error)")
            }
        } catch {
            return .obstructed("\(error)")
        }
    }
}

/// Uploads of a round that is over, whole or not.
struct FileRemoval: Sendable {
    let uploads: [SavedFile]
    let names: [String]
    let vault: FileVault

    /// Removes what it can; the sweep at the next start does the rest.
    func run(logger: Logger) {
        do {
            for upload in uploads { try vault.remove(upload) }
            for name in names { try vault.removeUpload(named: name) }
        } catch {
            logger.error("cannot remove the uploads of a round that is over", metadata: ["error": "\(error)"])
        }
    }
}

/// What summing a round gave.
enum SumOutcome: Sendable {
    case statistics(StatisticsOutcome)
    case training(TrainingOutcome)
    case evaluation(EvaluationMetricsOutcome)
    /// The sum is of no use; the attempt is abandoned.
    case failed(AbortReason)
    /// The server could not do its work (disk full, file unreadable); it tries again.
    case obstructed(String)

    struct StatisticsOutcome: Sendable {
        var model: ModelVersion
        var rows: Int
    }

    struct TrainingOutcome: Sendable {
        var model: ModelVersion
        var controls: BlobReference?
        var moments: BlobReference?
        var loss: Double
        var examples: Int
        var clipRate: Double
    }

    struct EvaluationMetricsOutcome: Sendable {
        var metrics: EvaluationMetrics
    }
}
