// SPDX-License-Identifier: Apache-2.0
// A site's journal of rounds: what it computes, what waits for delivery, what became of it.

package import Federation
import GRDB

extension SiteStore {
    // MARK: Writing

    /// Notes that the site works on a task. One that is computing, ready or delivered stays as it is; one that came to
    /// nothing begins again.
    ///
    /// - Returns: The round as stored.
    /// - Throws: ``StoreError`` `unknown` for a study that is not stored.
    @discardableResult
    package func beginRound(
        taskHash: Digest, study: Digest, id: RoundID, at milliseconds: Int64
    ) async throws -> SiteRoundRecord {
        try await database.write { db in
            try RestoreJournal.advance(db)
            try db.execute(
                sql: """
                    INSERT INTO rounds (taskHash, study, kind, round, attempt, state, startedAt)
                    VALUES (?, ?, ?, ?, ?, 'computing', ?)
                    ON CONFLICT (taskHash) DO UPDATE SET
                        state = 'computing', reasonWord = NULL, startedAt = excluded.startedAt, finishedAt = NULL
                    WHERE state IN ('withheld', 'ended')
                    """,
                arguments: [taskHash.hex, study.hex, id.kind.rawValue, id.round, id.attempt, milliseconds])
            guard let round = try Self.round(taskHash, in: db) else { throw StoreError.unknownRound }
            return round
        }
    }

    /// Notes that the vector is computed and its file durable, in place of one that was computed before.
    ///
    /// - Throws: ``StoreError`` `unknown` for a round that was not begun.
    package func recordUpload(
        taskHash: Digest, upload: StoredFile, controls: BlobReference? = nil, loss: Double?, rows: Int,
        computeSeconds: Double, at milliseconds: Int64
    ) async throws {
        let saved = upload.saved
        precondition(saved.folder == .uploads, "an upload lies in the folder of uploads")
        try await database.write { db in
            try db.execute(
                sql: """
                    UPDATE rounds SET fileName = ?, byteCount = ?, digest = ?, localLoss = ?, rows = ?,
                        computeSeconds = ?, readyAt = ?, controlsDigest = ?, controlsByteCount = ?,
                        state = 'ready', reasonWord = NULL, finishedAt = NULL
                    WHERE taskHash = ?
                    """,
                arguments: [
                    saved.name, saved.byteCount, saved.digest.hex, loss?.storable, rows, computeSeconds, milliseconds,
                    controls?.digest.hex, controls?.byteCount, taskHash.hex,
                ])
            guard db.changesCount == 1 else { throw StoreError.unknownRound }
        }
    }

    /// Settles a round that is computing or ready. A settled one stays as it is, except that what was delivered counts
    /// as delivered whatever was noted before. A round that is not stored is left alone.
    ///
    /// - Parameter reason: a word of ours: ``WithholdReason``'s or ``RefusalReason``'s.
    /// - Precondition: `state` is `delivered`, `withheld` or `ended`.
    /// - Throws: ``StoreError`` `conflict` when a round without a vector is said to be delivered.
    package func finishRound(
        taskHash: Digest, state: SiteRoundState, reason: String?, at milliseconds: Int64
    ) async throws {
        precondition(state.isSettled, "a round is finished as delivered, withheld or ended")
        try await database.write { db in
            try db.execute(
                sql: """
                    UPDATE rounds SET state = ?, reasonWord = ?, finishedAt = ?
                    WHERE taskHash = ? AND (finishedAt IS NULL OR (? = 'delivered' AND state <> 'delivered'))
                    """,
                arguments: [state.rawValue, reason, milliseconds, taskHash.hex, state.rawValue])
        }
    }

    /// Takes over the control that a round brought, if it counted, and forgets that it was pending. Repeating it
    /// changes nothing.
    ///
    /// - Returns: the control that was pending.
    @discardableResult
    package func settleControls(taskHash: Digest, isKept: Bool) async throws -> BlobReference? {
        try await database.write { db in
            guard let round = try Self.round(taskHash, in: db), let controls = round.controls else { return nil }
            if isKept {
                try db.execute(
                    sql: """
                        INSERT INTO models (study, role, round, digest, byteCount, isReleased)
                        VALUES (?, 'controls', ?, ?, ?, 0)
                        ON CONFLICT (study, role, round) DO UPDATE SET
                            digest = excluded.digest, byteCount = excluded.byteCount
                        """,
                    arguments: [round.study.hex, round.id.round, controls.digest.hex, controls.byteCount])
            }
            try db.execute(
                sql: "UPDATE rounds SET controlsDigest = NULL, controlsByteCount = NULL WHERE taskHash = ?",
                arguments: [taskHash.hex])
            return controls
        }
    }

    // MARK: Reading

    /// The site's part of the round with this task, if it has one.
    package func round(taskHash: Digest) async throws -> SiteRoundRecord? {
        try await database.read { try Self.round(taskHash, in: $0) }
    }

    /// The vector of a task, if it was computed and the round has not come to nothing. After a delivery the file may be
    /// gone: ask the vault.
    package func upload(taskHash: Digest) async throws -> SavedFile? {
        guard let round = try await round(taskHash: taskHash) else { return nil }
        return round.state == .ready || round.state == .delivered ? round.upload : nil
    }

    /// The rounds of a study in the order in which they were started.
    package func rounds(study: Digest) async throws -> [SiteRoundRecord] {
        try await database.read { db in
            try Row.fetchAll(db, sql: "SELECT * FROM rounds WHERE study = ? ORDER BY id", arguments: [study.hex])
                .map { try SiteRoundRecord(row: $0) }
        }
    }

    /// Rounds that a crash or a lost connection left computing or undelivered.
    package func unfinishedRounds() async throws -> [SiteRoundRecord] {
        try await database.read { db in
            try Row.fetchAll(db, sql: "SELECT * FROM rounds WHERE finishedAt IS NULL ORDER BY id")
                .map { try SiteRoundRecord(row: $0) }
        }
    }

    /// The names of the files that are still needed, for ``FileVault/removeAll(in:except:)`` after a crash: all models,
    /// controls of rounds whose end is not known, the vectors that wait for delivery, and checkpoints of training.
    package func neededFiles(in folder: FileVault.Folder) async throws -> Set<String> {
        try await database.read { db in
            switch folder {
            case .models:
                try String.fetchSet(
                    db,
                    sql: """
                        SELECT digest FROM models
                        UNION SELECT controlsDigest FROM rounds WHERE controlsDigest IS NOT NULL
                        """)
            case .uploads:
                try String.fetchSet(db, sql: "SELECT fileName FROM rounds WHERE state = 'ready'").union(
                    try String.fetchAll(db, sql: "SELECT taskHash FROM rounds WHERE state = 'computing'")
                        .compactMap { Digest(hex: $0).map(Self.checkpointName) })
            }
        }
    }

    /// The name of the file that keeps a task's training on its way, in the folder of uploads.
    package static func checkpointName(_ task: Digest) -> String { "\(task.hex)-checkpoint" }

    private static func round(_ taskHash: Digest, in db: Database) throws -> SiteRoundRecord? {
        try Row.fetchOne(db, sql: "SELECT * FROM rounds WHERE taskHash = ?", arguments: [taskHash.hex])
            .map { try SiteRoundRecord(row: $0) }
    }
}

extension SiteRoundState {
    package var isSettled: Bool {
        switch self {
        case .computing, .ready: false
        case .delivered, .withheld, .ended: true
        }
    }
}

extension StoreError {
    static let unknownRound = StoreError(
        .unknown, "the store has no round with this task", hint: "begin the round first")
}
