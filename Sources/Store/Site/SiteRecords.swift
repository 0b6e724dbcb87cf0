// SPDX-License-Identifier: Apache-2.0
// What a site's store gives back, as plain values. Times are milliseconds since 1970, given by the caller.

package import Federation
import GRDB

/// A study that was offered to the site, and the site's answer.
package struct SiteStudyRecord: Hashable, Sendable {
    package var hash: Digest
    package var name: String
    package var canonicalBytes: [UInt8]
    package var decision: StudyDecision
    package var decidedMilliseconds: Int64
    /// The registered data set, and its content when the study was accepted.
    package var dataset: String?
    package var contentHash: Digest?
    /// ``StudyOutcome/word``; nil while the study runs.
    package var outcome: String?
    package var explanation: String?
    package var finishedMilliseconds: Int64?
    /// An officer's; nil when there is none, or the policy approves.
    package var approval: SignedApproval?
    /// A person has halted the site's part for a while.
    package var isPaused: Bool
    /// A person has ended the site's part for good, or refused it.
    package var isWithdrawn: Bool

    package var isAccepted: Bool { decision == .accepted }
}

/// How far the site's part of a round has come.
package enum SiteRoundState: String, CaseIterable, Hashable, Sendable {
    case computing
    /// The vector is durable and not yet delivered.
    case ready
    /// The aggregator has confirmed that the vector is durable there.
    case delivered
    case withheld
    /// The round is over, and the site delivered nothing.
    case ended
}

/// The site's part of one round.
package struct SiteRoundRecord: Hashable, Sendable {
    package var taskHash: Digest
    package var study: Digest
    package var id: RoundID
    package var state: SiteRoundState
    /// Why it was withheld or has ended.
    package var reason: String?
    /// The vector that was computed last; its file may be gone once the round is settled.
    package var upload: SavedFile?
    /// SCAFFOLD: the control that holds once the round has closed with this site; nil when that is settled.
    package var controls: BlobReference?
    package var loss: Double?
    package var rows: Int?
    /// Time spent on the vector itself, without waiting and transfers.
    package var computeSeconds: Double?
    package var startedMilliseconds: Int64
    package var readyMilliseconds: Int64?
    package var finishedMilliseconds: Int64?
}

/// A model file at the site.
package struct SiteModelRecord: Hashable, Sendable {
    package enum Role: String, CaseIterable, Hashable, Sendable {
        /// The federation's model.
        case global
        /// SCAFFOLD's control of this site. Never leaves it.
        case controls
        /// Trained on this site's rows alone, for comparison. Never leaves it.
        case local
    }

    package var role: Role
    /// The round after which it holds.
    package var round: Int
    package var blob: BlobReference
    /// Whether it is the result of a study that has ended.
    package var isReleased: Bool
}

/// How a model does on the site's own rows. Never leaves the site.
package struct EvaluationRecord: Hashable, Sendable {
    package enum Subject: String, CaseIterable, Hashable, Sendable {
        case global
        case localOnly
    }

    package enum Split: String, CaseIterable, Hashable, Sendable {
        case train
        case test
    }

    package var subject: Subject
    package var split: Split
    package var metrics: [String: Double]
}

// MARK: From rows

extension SiteStudyRecord {
    init(row: Row) throws {
        self.init(
            hash: try row.digest("hash"), name: row["name"], canonicalBytes: row.bytes("canonicalBytes"),
            decision: try row.decision(), decidedMilliseconds: row["decidedAt"], dataset: row["dataset"],
            contentHash: try row.digestIfPresent("contentHash"), outcome: row["outcomeWord"],
            explanation: row["outcomeText"], finishedMilliseconds: row["finishedAt"],
            approval: try row.approvalIfPresent(), isPaused: row["isPaused"], isWithdrawn: row["isWithdrawn"])
    }
}

extension Row {
    /// The two columns `approvalBytes` and `approvalSignature`, both of them NULL or none.
    fileprivate func approvalIfPresent() throws -> SignedApproval? {
        guard (self["approvalBytes"] as DatabaseValue).isNull == false else { return nil }
        guard let approval = try? Approval(canonicalBytes: bytes("approvalBytes")) else {
            throw StoreError(
                .damaged, "the store holds an unreadable approval",
                hint: "restore the state directory from a backup; keep the damaged copy for inspection")
        }
        return SignedApproval(approval: approval, signature: bytes("approvalSignature"))
    }
}

extension SiteRoundRecord {
    init(row: Row) throws {
        self.init(
            taskHash: try row.digest("taskHash"), study: try row.digest("study"), id: try row.roundID(),
            state: try row.word("state"), reason: row["reasonWord"], upload: try row.uploadIfPresent(),
            controls: try row.digestIfPresent("controlsDigest").map {
                BlobReference(name: "controls", digest: $0, byteCount: row["controlsByteCount"])
            },
            loss: row["localLoss"], rows: row["rows"], computeSeconds: row["computeSeconds"],
            startedMilliseconds: row["startedAt"], readyMilliseconds: row["readyAt"],
            finishedMilliseconds: row["finishedAt"])
    }
}

extension SiteModelRecord {
    init(row: Row) throws {
        let role: Role = try row.word("role")
        self.init(
            role: role, round: row["round"],
            blob: BlobReference(
                name: role == .controls ? "controls" : "model", digest: try row.digest("digest"),
                byteCount: row["byteCount"]),
            isReleased: row["isReleased"])
    }
}
