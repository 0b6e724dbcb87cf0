// SPDX-License-Identifier: Apache-2.0
// What the aggregator's store gives back, as plain values. Times are milliseconds since 1970, given by the caller.

package import Federation
import GRDB

/// A submitted study.
package struct StudyRecord: Hashable, Sendable {
    package var hash: Digest
    package var name: String
    package var canonicalBytes: [UInt8]
    package var submittedMilliseconds: Int64
    /// ``StudyOutcome/word``; nil while the study runs.
    package var outcome: String?
    package var explanation: String?
    package var finishedMilliseconds: Int64?
    package var releasedModel: Digest?
}

/// A site's latest answer to a study.
package struct DecisionRecord: Hashable, Sendable {
    package var site: SiteID
    package var decision: StudyDecision
    package var decidedMilliseconds: Int64

    package var isAccepted: Bool { decision == .accepted }
}

package enum RoundState: String, CaseIterable, Hashable, Sendable {
    case open
    case closed
    case abandoned
}

/// What a closed round was like.
package struct RoundSummary: Hashable, Sendable {
    /// From the opening to the result.
    package var seconds: Double
    /// The server's own part of ``seconds``, after the last upload.
    package var overheadSeconds: Double
    package var survivors: Int
    package var bytesUp: Int
    package var bytesDown: Int
    /// The weighted mean local loss of a training round.
    package var loss: Double?
    package var examples: Int?
    /// The share of parameters that were clamped, in `0...1`.
    package var clipRate: Double?

    package init(
        seconds: Double, overheadSeconds: Double, survivors: Int, bytesUp: Int, bytesDown: Int, loss: Double? = nil,
        examples: Int? = nil, clipRate: Double? = nil
    ) {
        self.seconds = seconds
        self.overheadSeconds = overheadSeconds
        self.survivors = survivors
        self.bytesUp = bytesUp
        self.bytesDown = bytesDown
        self.loss = loss
        self.examples = examples
        self.clipRate = clipRate
    }
}

/// One site's line in a round's record, in the words of the program that wrote it.
package struct ParticipationLine: Hashable, Sendable {
    package var site: SiteID
    /// ``Participation/word``.
    package var word: String
    package var explanation: String
    package var uploadSeconds: Double?
}

/// One attempt at a round.
package struct RoundRecord: Hashable, Sendable {
    package var study: Digest
    package var id: RoundID
    package var taskHash: Digest
    package var taskBytes: [UInt8]
    package var cohort: [SiteID]
    package var openedMilliseconds: Int64
    package var state: RoundState
    package var closedMilliseconds: Int64?
    /// Why it was abandoned.
    package var reason: String?
    /// For a closed round.
    package var summary: RoundSummary?
    /// In the order of the sites' names.
    package var participation: [ParticipationLine]
    package var metrics: [String: Double]
}

/// A complete upload of an open round.
package struct UploadRecord: Hashable, Sendable {
    package var site: SiteID
    package var file: SavedFile
    package var receivedMilliseconds: Int64
}

/// A file that a round produced.
package struct ModelRecord: Hashable, Sendable {
    package enum Role: String, CaseIterable, Hashable, Sendable {
        /// The global model.
        case model
        /// SCAFFOLD's server control.
        case controls
        /// The server optimiser's moments.
        case moments
    }

    package var role: Role
    /// The round after which it holds; 0 for the first model.
    package var round: Int
    package var blob: BlobReference

    package init(role: Role, round: Int, blob: BlobReference) {
        self.role = role
        self.round = round
        self.blob = blob
    }
}

/// A model record as the store keeps it.
package struct StoredModel: Hashable, Sendable {
    package var study: Digest
    package var record: ModelRecord
    package var createdMilliseconds: Int64
    package var isReleased: Bool

    package var blob: BlobReference { record.blob }
}

// MARK: From rows

extension StudyRecord {
    init(row: Row) throws {
        self.init(
            hash: try row.digest("hash"), name: row["name"], canonicalBytes: row.bytes("canonicalBytes"),
            submittedMilliseconds: row["submittedAt"], outcome: row["outcomeWord"], explanation: row["outcomeText"],
            finishedMilliseconds: row["finishedAt"], releasedModel: try row.digestIfPresent("releasedModel"))
    }
}

extension RoundSummary {
    /// nil when the round was not closed.
    init?(row: Row) {
        guard let survivors: Int = row["survivors"] else { return nil }
        self.init(
            seconds: row["seconds"], overheadSeconds: row["overheadSeconds"], survivors: survivors,
            bytesUp: row["bytesUp"], bytesDown: row["bytesDown"], loss: row["loss"], examples: row["examples"],
            clipRate: row["clipRate"])
    }
}

extension ParticipationLine {
    init(row: Row) throws {
        self.init(
            site: try row.site("site"), word: row["word"], explanation: row["explanation"],
            uploadSeconds: row["uploadSeconds"])
    }
}

extension RoundRecord {
    init(row: Row, participation: [ParticipationLine], metrics: [String: Double]) throws {
        self.init(
            study: try row.digest("study"), id: try row.roundID(), taskHash: try row.digest("taskHash"),
            taskBytes: row.bytes("taskBytes"), cohort: try row.sites("cohort"), openedMilliseconds: row["openedAt"],
            state: try row.word("state"), closedMilliseconds: row["closedAt"], reason: row["reasonWord"],
            summary: RoundSummary(row: row), participation: participation, metrics: metrics)
    }
}

extension UploadRecord {
    init(row: Row) throws {
        let file = SavedFile(
            folder: .uploads, name: row["fileName"], byteCount: row["byteCount"], digest: try row.digest("digest"))
        self.init(site: try row.site("site"), file: file, receivedMilliseconds: row["receivedAt"])
    }
}

extension StoredModel {
    init(row: Row) throws {
        let role: ModelRecord.Role = try row.word("role")
        let blob = BlobReference(name: role.rawValue, digest: try row.digest("digest"), byteCount: row["byteCount"])
        self.init(
            study: try row.digest("study"), record: ModelRecord(role: role, round: row["round"], blob: blob),
            createdMilliseconds: row["createdAt"], isReleased: row["isReleased"])
    }
}
