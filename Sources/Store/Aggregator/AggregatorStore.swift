// SPDX-License-Identifier: Apache-2.0
// The aggregator's memory: studies, decisions and what was released. Rounds are in an extension.

package import Federation
import GRDB

/// Everything the aggregator must still know after a crash.
///
/// Each function is one transaction: it is durable when it returns, and has changed nothing when it throws
/// ``StoreError``. Times are milliseconds since 1970 and come from the caller.
package struct AggregatorStore: Sendable {
    let database: StoreDatabase
    /// Beside a store on disk that is open for writing.
    let mark: RestoreMark?

    // MARK: Opening

    /// Opens or creates the aggregator's database in the state directory, and holds the directory for this process
    /// until the last copy of the store is gone.
    ///
    /// - Throws: ``StoreError`` `inUse` when another aggregator has it, `exposed` when others may read it, `damaged`,
    ///   `foreign`, `newerSchema`, and those of the file system.
    package static func open(
        directory: String, durability: Durability = .powerLossSafe, access: StoreAccess = .queued
    ) throws -> AggregatorStore {
        AggregatorStore(
            database: try .open(
                .aggregator, directory: directory, migrator: AggregatorSchema.migrator, durability: durability,
                access: access), mark: RestoreMark(.aggregator, directory: directory, durability: durability))
    }

    /// A store that is gone with its last copy: for tests and simulations.
    package static func inMemory() throws -> AggregatorStore {
        AggregatorStore(database: try .inMemory(.aggregator, migrator: AggregatorSchema.migrator), mark: nil)
    }

    /// Opens the state of an aggregator, running or stopped, for reading; writing functions throw.
    ///
    /// - Throws: ``StoreError`` `missing`, `olderSchema`, and those of ``open(directory:durability:)``.
    package static func openReadOnly(directory: String) throws -> AggregatorStore {
        AggregatorStore(
            database: try .openReadOnly(.aggregator, directory: directory, migrator: AggregatorSchema.migrator),
            mark: nil)
    }

    /// SQLite's `synchronous` level, for checks of the promise: 2 is FULL, 0 is OFF.
    package func synchronousLevel() async throws -> Int { try await database.synchronousLevel() }

    // MARK: Studies

    /// Keeps a study; one that is kept already stays as it is, and is not told again.
    ///
    /// - Returns: The study as stored.
    @discardableResult
    package func submit(
        study: Digest, name: String, canonicalBytes: [UInt8], entry: Entry, at milliseconds: Int64
    ) async throws -> StudyRecord {
        try await database.write { db in
            try db.execute(
                sql: """
                    INSERT INTO studies (hash, name, canonicalBytes, submittedAt) VALUES (?, ?, ?, ?)
                    ON CONFLICT (hash) DO NOTHING
                    """, arguments: [study.hex, name, canonicalBytes.blob, milliseconds])
            if db.changesCount > 0 { try EntryTable.append(entry, db) }
            guard let record = try Self.study(study, in: db) else { throw StoreError.unknownStudy }
            return record
        }
    }

    /// All studies in the order of their submission.
    package func studies() async throws -> [StudyRecord] {
        try await database.read { db in
            try Row.fetchAll(db, sql: "SELECT * FROM studies ORDER BY id").map { try StudyRecord(row: $0) }
        }
    }

    /// The study with this hash, if there is one.
    package func study(_ hash: Digest) async throws -> StudyRecord? {
        try await database.read { try Self.study(hash, in: $0) }
    }

    private static func study(_ hash: Digest, in db: Database) throws -> StudyRecord? {
        try Row.fetchOne(db, sql: "SELECT * FROM studies WHERE hash = ?", arguments: [hash.hex])
            .map { try StudyRecord(row: $0) }
    }

    /// Ends a study. A round that is still open is abandoned with it, and the released model is marked.
    ///
    /// - Parameters:
    ///   - outcome: ``StudyOutcome/word``.
    ///   - releasedModel: the global model that the sites get; nil when there is none.
    ///   - entries: of the round that is abandoned, if one is open, and of the end.
    /// - Throws: ``StoreError`` `unknown` for a study or model that is not stored, `conflict` when it has ended before.
    package func finishStudy(
        hash: Digest, outcome: String, explanation: String, releasedModel: Digest?, entries: [Entry],
        at milliseconds: Int64
    ) async throws {
        try await database.write { db in
            guard let study = try Self.study(hash, in: db) else { throw StoreError.unknownStudy }
            guard study.outcome == nil else {
                throw StoreError(.conflict, "the study \(hash.short) has ended before", hint: "look at its outcome")
            }
            try db.execute(
                sql: """
                    UPDATE studies SET outcomeWord = ?, outcomeText = ?, finishedAt = ?, releasedModel = ?
                    WHERE hash = ?
                    """, arguments: [outcome, explanation, milliseconds, releasedModel?.hex, hash.hex])
            try db.execute(
                sql: """
                    UPDATE rounds SET state = 'abandoned', closedAt = ?, reasonWord = 'studyEnded'
                    WHERE study = ? AND state = 'open'
                    """, arguments: [milliseconds, hash.hex])
            for entry in entries { try EntryTable.append(entry, db) }
            guard let releasedModel else { return }
            try db.execute(
                sql: "UPDATE models SET isReleased = 1 WHERE study = ? AND role = 'model' AND digest = ?",
                arguments: [hash.hex, releasedModel.hex])
            guard db.changesCount > 0 else {
                throw StoreError(
                    .unknown, "the store has no model \(releasedModel.short) of the study \(hash.short)",
                    hint: "close the round that made it first")
            }
        }
    }

    /// Notes that a site holds the released model; the second time changes nothing and is not told.
    ///
    /// - Throws: ``StoreError`` `unknown` for a study that is not stored.
    package func recordDelivery(
        study: Digest, site: SiteID, entry: Entry, at milliseconds: Int64
    ) async throws {
        try await database.write { db in
            try db.execute(
                sql: """
                    INSERT INTO deliveries (study, site, deliveredAt) VALUES (?, ?, ?)
                    ON CONFLICT (study, site) DO NOTHING
                    """, arguments: [study.hex, site.rawValue, milliseconds])
            if db.changesCount > 0 { try EntryTable.append(entry, db) }
        }
    }

    /// The sites that hold the released model of a study.
    package func deliveries(study: Digest) async throws -> Set<SiteID> {
        try await database.read { db in
            Set(
                try Row.fetchAll(db, sql: "SELECT site FROM deliveries WHERE study = ?", arguments: [study.hex])
                    .map { try $0.site("site") })
        }
    }

    // MARK: Decisions

    /// Keeps a site's answer to a study in place of an earlier one.
    ///
    /// - Throws: ``StoreError`` `unknown` for a study that is not stored.
    package func recordDecision(
        study: Digest, site: SiteID, _ decision: StudyDecision, at milliseconds: Int64
    ) async throws {
        try await database.write { db in
            try db.execute(
                sql: """
                    INSERT INTO decisions (study, site, isAccepted, reasonWord, decidedAt) VALUES (?, ?, ?, ?, ?)
                    ON CONFLICT (study, site) DO UPDATE SET
                        isAccepted = excluded.isAccepted, reasonWord = excluded.reasonWord,
                        decidedAt = excluded.decidedAt
                    """,
                arguments: [study.hex, site.rawValue, decision == .accepted, decision.reasonWord, milliseconds])
        }
    }

    /// The latest answer of each site, by name.
    package func decisions(study: Digest) async throws -> [DecisionRecord] {
        try await database.read { db in
            try Row.fetchAll(db, sql: "SELECT * FROM decisions WHERE study = ? ORDER BY site", arguments: [study.hex])
                .map { row in
                    DecisionRecord(
                        site: try row.site("site"), decision: try row.decision(),
                        decidedMilliseconds: row["decidedAt"])
                }
        }
    }
}

extension StoreError {
    static let unknownStudy = StoreError(
        .unknown, "the store has no such study", hint: "check the hash; list the studies")
}
