// SPDX-License-Identifier: Apache-2.0
// A site's memory: studies, the rounding seed of each, models and its own evaluations. Rounds are in an extension.

package import Federation
import GRDB

/// Everything a site must still know after a crash.
///
/// Each function is one transaction: it is durable when it returns, and has changed nothing when it throws
/// ``StoreError``. Times are milliseconds since 1970 and come from the caller.
package struct SiteStore: Sendable {
    let database: StoreDatabase
    /// Beside a store on disk that is open for writing.
    let mark: RestoreMark?

    // MARK: Opening

    /// Opens or creates the site's database in the state directory, and holds the directory for this process until the
    /// last copy of the store is gone.
    ///
    /// - Throws: ``StoreError`` `inUse` when another site has it, `exposed` when others may read it, `damaged`,
    ///   `foreign`, `newerSchema`, and those of the file system.
    package static func open(
        directory: String, durability: Durability = .powerLossSafe, access: StoreAccess = .queued
    ) throws -> SiteStore {
        SiteStore(
            database: try .open(
                .site, directory: directory, migrator: SiteSchema.migrator, durability: durability, access: access),
            mark: RestoreMark(.site, directory: directory, durability: durability))
    }

    /// A store that is gone with its last copy: for tests and simulations.
    package static func inMemory() throws -> SiteStore {
        SiteStore(database: try .inMemory(.site, migrator: SiteSchema.migrator), mark: nil)
    }

    /// Opens the state of a site, running or stopped, for reading; writing functions throw.
    ///
    /// - Throws: ``StoreError`` `missing`, `olderSchema`, and those of ``open(directory:durability:)``.
    package static func openReadOnly(directory: String) throws -> SiteStore {
        SiteStore(
            database: try .openReadOnly(.site, directory: directory, migrator: SiteSchema.migrator), mark: nil)
    }

    /// SQLite's `synchronous` level, for checks of the promise: 2 is FULL, 0 is OFF.
    package func synchronousLevel() async throws -> Int { try await database.synchronousLevel() }

    // MARK: Studies

    /// Keeps the site's answer to a study in place of an earlier one.
    ///
    /// - Parameters:
    ///   - dataset: the registered data set that the study will use.
    ///   - contentHash: of that data set now; every round checks it.
    ///   - entry: tells the answer, when it is another than before.
    package func recordStudy(
        hash: Digest, name: String, canonicalBytes: [UInt8], decision: StudyDecision, dataset: String?,
        contentHash: Digest?, entry: Entry? = nil, at milliseconds: Int64
    ) async throws {
        try await database.write { db in
            if let entry { try EntryTable.append(entry, db) }
            try db.execute(
                sql: """
                    INSERT INTO studies
                        (hash, name, canonicalBytes, decidedAt, isAccepted, reasonWord, dataset, contentHash)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                    ON CONFLICT (hash) DO UPDATE SET
                        decidedAt = excluded.decidedAt, isAccepted = excluded.isAccepted,
                        reasonWord = excluded.reasonWord, dataset = excluded.dataset,
                        contentHash = excluded.contentHash
                    """,
                arguments: [
                    hash.hex, name, canonicalBytes.blob, milliseconds, decision == .accepted, decision.reasonWord,
                    dataset, contentHash?.hex,
                ])
        }
    }

    /// Keeps an officer's approval in place of an earlier one. It tells nothing yet: the decision that follows does.
    ///
    /// - Throws: ``StoreError`` `unknown` for a study that is not stored.
    package func recordApproval(_ approval: SignedApproval) async throws {
        try await database.write { db in
            try db.execute(
                sql: "UPDATE studies SET approvalBytes = ?, approvalSignature = ? WHERE hash = ?",
                arguments: [
                    approval.approval.canonicalBytes.blob, approval.signature.blob, approval.approval.study.hex,
                ])
            guard db.changesCount == 1 else { throw StoreError.unknownStudy }
        }
    }

    /// Halts the site's part in a study, or goes on with it.
    ///
    /// - Throws: ``StoreError`` `unknown` for a study that is not stored.
    package func pauseStudy(_ hash: Digest, isPaused: Bool, entry: Entry) async throws {
        try await change(hash, "isPaused = \(isPaused ? 1 : 0)", entry: entry)
    }

    /// Ends the site's part in a study for good.
    ///
    /// - Throws: ``StoreError`` `unknown` for a study that is not stored.
    package func withdrawStudy(_ hash: Digest, entry: Entry) async throws {
        try await change(hash, "isWithdrawn = 1", entry: entry)
    }

    private func change(_ hash: Digest, _ assignment: String, entry: Entry) async throws {
        try await database.write { db in
            try db.execute(sql: "UPDATE studies SET \(assignment) WHERE hash = ?", arguments: [hash.hex])
            guard db.changesCount == 1 else { throw StoreError.unknownStudy }
            try EntryTable.append(entry, db)
        }
    }

    /// All studies in the order of their first offer.
    package func studies() async throws -> [SiteStudyRecord] {
        try await database.read { db in
            try Row.fetchAll(db, sql: "SELECT * FROM studies ORDER BY id").map { try SiteStudyRecord(row: $0) }
        }
    }

    /// The study with this hash, if there is one.
    package func study(_ hash: Digest) async throws -> SiteStudyRecord? {
        try await database.read { db in
            try Row.fetchOne(db, sql: "SELECT * FROM studies WHERE hash = ?", arguments: [hash.hex])
                .map { try SiteStudyRecord(row: $0) }
        }
    }

    /// How many studies are kept that the site declined and never accepted.
    package func declinedStudyCount() async throws -> Int {
        try await database.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM studies WHERE isAccepted = 0") } ?? 0
    }

    /// Notes how a study ended. A study that is not stored, or has ended before, stays as it is: the aggregator tells
    /// the end again after every reconnection.
    ///
    /// - Parameter outcome: ``StudyOutcome/word``.
    package func finishStudy(
        hash: Digest, outcome: String, explanation: String?, at milliseconds: Int64
    ) async throws {
        try await database.write { db in
            try db.execute(
                sql: """
                    UPDATE studies SET outcomeWord = ?, outcomeText = ?, finishedAt = ?
                    WHERE hash = ? AND outcomeWord IS NULL
                    """, arguments: [outcome, explanation, milliseconds, hash.hex])
        }
    }

    // MARK: Secrets

    /// The study's rounding seed, 32 bytes: made once, durable before it is returned, the same ever after.
    ///
    /// - Parameter makeIfAbsent: gives 32 fresh random bytes.
    /// - Throws: ``StoreError`` `unknown` for a study that is not stored, or what `makeIfAbsent` throws.
    package func roundingSeed(
        for study: Digest, makeIfAbsent: @Sendable () throws -> [UInt8]
    ) async throws -> [UInt8] {
        try await database.write { db in
            let stored = try Row.fetchOne(
                db, sql: "SELECT roundingSeed FROM secrets WHERE study = ?", arguments: [study.hex])
            if let stored { return stored.bytes("roundingSeed") }
            let seed = try makeIfAbsent()
            precondition(seed.count == 32, "a rounding seed has 32 bytes")
            try db.execute(
                sql: "INSERT INTO secrets (study, roundingSeed) VALUES (?, ?)", arguments: [study.hex, seed.blob])
            return seed
        }
    }

    // MARK: Models

    /// Notes a model file that is durable already, in place of an earlier one of the same role and round.
    ///
    /// - Throws: ``StoreError`` `unknown` for a study that is not stored.
    package func recordModel(
        study: Digest, round: Int, blob: BlobReference, role: SiteModelRecord.Role, isReleased: Bool
    ) async throws {
        try await database.write { db in
            try db.execute(
                sql: """
                    INSERT INTO models (study, role, round, digest, byteCount, isReleased) VALUES (?, ?, ?, ?, ?, ?)
                    ON CONFLICT (study, role, round) DO UPDATE SET
                        digest = excluded.digest, byteCount = excluded.byteCount, isReleased = excluded.isReleased
                    """,
                arguments: [study.hex, role.rawValue, round, blob.digest.hex, blob.byteCount, isReleased])
        }
    }

    /// Forgets the models of a role from rounds before `round`; their files are then needed no more by this study.
    ///
    /// - Returns: what was forgotten.
    package func forgetModels(
        study: Digest, role: SiteModelRecord.Role, before round: Int
    ) async throws -> [SiteModelRecord] {
        try await database.write { db in
            try Row.fetchAll(
                db, sql: "DELETE FROM models WHERE study = ? AND role = ? AND round < ? RETURNING *",
                arguments: [study.hex, role.rawValue, round]
            ).map { try SiteModelRecord(row: $0) }
        }
    }

    /// All models of a study, oldest round first.
    package func models(study: Digest) async throws -> [SiteModelRecord] {
        try await database.read { db in
            try Row.fetchAll(
                db, sql: "SELECT * FROM models WHERE study = ? ORDER BY round, role", arguments: [study.hex]
            ).map { try SiteModelRecord(row: $0) }
        }
    }

    /// The latest model in this role, of a round before `round` when one is given: a repeated round starts from what
    /// held before it.
    package func latestModel(
        study: Digest, role: SiteModelRecord.Role, before round: Int? = nil
    ) async throws -> SiteModelRecord? {
        try await database.read { db in
            try Row.fetchOne(
                db,
                sql: """
                    SELECT * FROM models WHERE study = ? AND role = ? AND round < ? ORDER BY round DESC LIMIT 1
                    """, arguments: [study.hex, role.rawValue, round ?? Int.max]
            ).map { try SiteModelRecord(row: $0) }
        }
    }

    // MARK: Evaluations

    /// Keeps how a model does on a split of the site's rows, in place of what was kept before.
    ///
    /// - Parameter metrics: named values, each name once; none of them NaN.
    /// - Throws: ``StoreError`` `unknown` for a study that is not stored, `conflict` for metrics that break the rule.
    package func recordEvaluation(
        study: Digest, subject: EvaluationRecord.Subject, split: EvaluationRecord.Split,
        metrics: [(name: String, value: Double)]
    ) async throws {
        try await database.write { db in
            try db.execute(
                sql: "DELETE FROM evaluations WHERE study = ? AND subject = ? AND split = ?",
                arguments: [study.hex, subject.rawValue, split.rawValue])
            for metric in metrics {
                try db.execute(
                    sql: "INSERT INTO evaluations (study, subject, split, name, value) VALUES (?, ?, ?, ?, ?)",
                    arguments: [study.hex, subject.rawValue, split.rawValue, metric.name, metric.value])
            }
        }
    }

    /// The evaluations of a study, `global` before `localOnly`, `test` before `train`.
    package func evaluations(study: Digest) async throws -> [EvaluationRecord] {
        try await database.read { db in
            let rows = try Row.fetchAll(
                db, sql: "SELECT * FROM evaluations WHERE study = ? ORDER BY subject, split", arguments: [study.hex])
            var records: [EvaluationRecord] = []
            for row in rows {
                let subject: EvaluationRecord.Subject = try row.word("subject")
                let split: EvaluationRecord.Split = try row.word("split")
                if records.last?.subject != subject || records.last?.split != split {
                    records.append(EvaluationRecord(subject: subject, split: split, metrics: [:]))
                }
                records[records.count - 1].metrics[row["name"]] = row["value"]
            }
            return records
        }
    }

    /// How one model does on one split; empty when that has not been kept.
    package func metrics(
        study: Digest, subject: EvaluationRecord.Subject, split: EvaluationRecord.Split
    ) async throws -> [String: Double] {
        let all = try await evaluations(study: study)
        return all.first { $0.subject == subject && $0.split == split }?.metrics ?? [:]
    }
}
