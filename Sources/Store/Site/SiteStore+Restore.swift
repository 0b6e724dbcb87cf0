// SPDX-License-Identifier: Apache-2.0
// A site whose store went back: what was open is closed, and tasks it may have answered before are known as such.

package import Federation
import GRDB

extension SiteStore {
    /// Notices at the start of the daemon that the store is an older copy than what ran here, and then closes what was
    /// open: rounds end as `restored`, and the rounding seeds of that time are forgotten.
    ///
    /// Repeating it after a crash is harmless.
    /// - Returns: whether the store went back since the last start.
    /// - Throws: ``StoreError``.
    package func noticeRestore(at milliseconds: Int64) async throws -> Bool {
        guard let mark else { return false }
        let last = try mark.read()
        let position = try await database.read { try RestoreJournal.position($0) }
        guard RestoreJournal.wentBack(position: position, mark: last) else {
            try mark.write(position)
            return false
        }
        let fresh = try await database.write { db in
            try db.execute(
                sql: """
                    UPDATE rounds SET state = 'ended', reasonWord = 'restored', finishedAt = ?
                    WHERE finishedAt IS NULL
                    """, arguments: [milliseconds])
            try db.execute(sql: "DELETE FROM secrets")
            try RestoreJournal.beginEpoch(db)
            // Ahead of all that ran before, so that the mark tells the next time, too.
            try db.execute(sql: "UPDATE journal SET position = max(position, ?)", arguments: [(last ?? 0) + 1])
            return try RestoreJournal.position(db)
        }
        try mark.write(fresh)
        return true
    }

    /// Writes the mark that shows a later start how far this store was; before anything of a round leaves the site.
    package func markPosition() async throws {
        guard let mark else { return }
        try mark.write(try await database.read { try RestoreJournal.position($0) })
    }

    /// Whether the site may have answered this task before its store went back, for all it can know.
    ///
    /// The first task of a study that it sees after a restore may be one that it answered, and so may all that come
    /// before it in the study; those behind it were opened after the restore. An aggregator that shows an earlier
    /// task first and a later, answered one behind it is not found out.
    package func mayHaveAnswered(_ id: RoundID, of study: Digest) async throws -> Bool {
        try await database.write { db in
            let epoch = try RestoreJournal.epoch(db)
            guard epoch > 0 else { return false }
            let floor = try Row.fetchOne(
                db, sql: "SELECT * FROM restoreFloors WHERE study = ? AND epoch = ?", arguments: [study.hex, epoch])
            if let floor { return try id.place <= floor.roundID().place }
            try db.execute(
                sql: """
                    INSERT INTO restoreFloors (study, epoch, kind, round, attempt) VALUES (?, ?, ?, ?, ?)
                    """, arguments: [study.hex, epoch, id.kind.rawValue, id.round, id.attempt])
            return true
        }
    }

    /// Whether the site has a vector for this attempt at a round under another task, which may have been delivered:
    /// the aggregator went back in time, or asks twice for what may be given once.
    package func hasAnswered(_ id: RoundID, of study: Digest, otherThan task: Digest) async throws -> Bool {
        try await database.read { db in
            try Bool.fetchOne(
                db,
                sql: """
                    SELECT EXISTS (
                        SELECT 1 FROM rounds
                        WHERE study = ? AND kind = ? AND round = ? AND attempt = ? AND taskHash <> ?
                            AND state IN ('ready', 'delivered'))
                    """, arguments: [study.hex, id.kind.rawValue, id.round, id.attempt, task.hex]) ?? false
        }
    }

    static let restoreFloors = """
        CREATE TABLE restoreFloors (
            study TEXT NOT NULL,
            epoch INTEGER NOT NULL,
            kind TEXT NOT NULL,
            round INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            PRIMARY KEY (study, epoch)
        ) STRICT, WITHOUT ROWID;
        """
}

extension RoundID {
    /// Where the round stands in its study; see `StudyStateMachine`.
    fileprivate var place: (Int, Int, Int) { (round, kind == .evaluation ? 1 : 0, attempt) }
}
