// SPDX-License-Identifier: Apache-2.0
// The aggregator's journal of rounds: a crash leaves a round open with its uploads, or closed with its model.

package import Federation
import GRDB

extension AggregatorStore {
    // MARK: Writing

    /// Opens an attempt at a round. A study has at most one open round.
    ///
    /// - Parameter entry: tells this step, in the same transaction; so everywhere in this store.
    /// - Throws: ``StoreError`` `unknown` for a study that is not stored, `conflict` when a round is open or this
    ///   attempt was made before.
    package func openRound(
        study: Digest, id: RoundID, taskHash: Digest, taskBytes: [UInt8], cohort: [SiteID], entry: Entry,
        at milliseconds: Int64
    ) async throws {
        try await database.write { db in
            try RestoreJournal.advance(db)
            try db.execute(
                sql: """
                    INSERT INTO rounds (study, kind, round, attempt, taskHash, taskBytes, cohort, openedAt, state)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'open')
                    """,
                arguments: [
                    study.hex, id.kind.rawValue, id.round, id.attempt, taskHash.hex, taskBytes.blob, cohort.json,
                    milliseconds,
                ])
            try EntryTable.append(entry, db)
        }
    }

    /// Notes a complete and durable upload of an open round. The same upload again changes nothing.
    ///
    /// - Throws: ``StoreError`` `unknown` when no open round has this task, `conflict` when the site has delivered
    ///   something else for it.
    package func recordUpload(
        taskHash: Digest, site: SiteID, file: StoredFile, at milliseconds: Int64
    ) async throws {
        let saved = file.saved
        precondition(saved.folder == .uploads, "an upload lies in the folder of uploads")
        try await database.write { db in
            let isOpen = try Bool.fetchOne(
                db, sql: "SELECT state = 'open' FROM rounds WHERE taskHash = ?", arguments: [taskHash.hex])
            guard isOpen == true else {
                throw StoreError(.unknown, "no open round has this task", hint: "throw the upload away")
            }
            try db.execute(
                sql: """
                    INSERT INTO uploads (taskHash, site, fileName, byteCount, digest, receivedAt)
                    VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (taskHash, site) DO NOTHING
                    """,
                arguments: [
                    taskHash.hex, site.rawValue, saved.name, saved.byteCount, saved.digest.hex, milliseconds,
                ])
            let stored = try String.fetchOne(
                db, sql: "SELECT digest FROM uploads WHERE taskHash = ? AND site = ?",
                arguments: [taskHash.hex, site.rawValue])
            guard stored == saved.digest.hex else {
                throw StoreError(
                    .conflict, "\(site) has delivered another vector for this task", hint: "keep the first one")
            }
        }
    }

    /// Closes an open round with everything it produced, in one transaction.
    ///
    /// - Parameters:
    ///   - metrics: named values, each name once; none of them NaN.
    ///   - models: files that are durable already.
    /// - Throws: ``StoreError`` `conflict` when the round is not open or the records contradict each other.
    package func closeRound(
        study: Digest, id: RoundID, summary: RoundSummary, participation: [ParticipationRecord],
        metrics: [(name: String, value: Double)], models: [ModelRecord], entry: Entry, at milliseconds: Int64
    ) async throws {
        try await database.write { db in
            let round = try Self.openRound(study: study, id: id, in: db)
            try db.execute(
                sql: """
                    UPDATE rounds SET state = 'closed', closedAt = ?, survivors = ?, seconds = ?, overheadSeconds = ?,
                        loss = ?, examples = ?, clipRate = ?, bytesUp = ?, bytesDown = ?
                    WHERE id = ?
                    """,
                arguments: [
                    milliseconds, summary.survivors, summary.seconds, summary.overheadSeconds,
                    summary.loss?.storable, summary.examples, summary.clipRate?.storable, summary.bytesUp,
                    summary.bytesDown, round,
                ])
            try Self.insert(participation, round: round, in: db)
            for metric in metrics {
                try db.execute(
                    sql: "INSERT INTO metrics (round, name, value) VALUES (?, ?, ?)",
                    arguments: [round, metric.name, metric.value])
            }
            for model in models {
                try db.execute(
                    sql: """
                        INSERT INTO models (study, role, round, digest, byteCount, createdAt)
                        VALUES (?, ?, ?, ?, ?, ?)
                        """,
                    arguments: [
                        study.hex, model.role.rawValue, model.round, model.blob.digest.hex, model.blob.byteCount,
                        milliseconds,
                    ])
            }
            try EntryTable.append(entry, db)
        }
    }

    /// Ends an open round without a result.
    ///
    /// - Parameter reason: ``AbortReason/word``.
    /// - Throws: ``StoreError`` `conflict` when the round is not open.
    package func abandonRound(
        study: Digest, id: RoundID, reason: String, participation: [ParticipationRecord], entry: Entry,
        at milliseconds: Int64
    ) async throws {
        try await database.write { db in
            let round = try Self.openRound(study: study, id: id, in: db)
            try db.execute(
                sql: "UPDATE rounds SET state = 'abandoned', closedAt = ?, reasonWord = ? WHERE id = ?",
                arguments: [milliseconds, reason, round])
            try Self.insert(participation, round: round, in: db)
            try EntryTable.append(entry, db)
        }
    }

    private static func openRound(study: Digest, id: RoundID, in db: Database) throws -> Int64 {
        let round = try Int64.fetchOne(
            db,
            sql: """
                SELECT id FROM rounds
                WHERE study = ? AND kind = ? AND round = ? AND attempt = ? AND state = 'open'
                """, arguments: [study.hex, id.kind.rawValue, id.round, id.attempt])
        guard let round else {
            throw StoreError(
                .conflict, "\(id.kind.rawValue) round \(id.round), attempt \(id.attempt), is not open",
                hint: "look at the rounds of the study \(study.short)")
        }
        return round
    }

    private static func insert(_ participation: [ParticipationRecord], round: Int64, in db: Database) throws {
        for record in participation {
            try db.execute(
                sql: """
                    INSERT INTO participation (round, site, word, explanation, uploadSeconds) VALUES (?, ?, ?, ?, ?)
                    """,
                arguments: [
                    round, record.site.rawValue, record.participation.word, record.participation.explanation,
                    record.uploadTime.map { $0 / .seconds(1) },
                ])
        }
    }

    // MARK: Reading

    /// All attempts at rounds in the order of their opening.
    package func rounds(study: Digest) async throws -> [RoundRecord] {
        try await database.read { try Self.rounds(in: $0, where: "study = ?", [study.hex]) }
    }

    /// The attempt that was opened last.
    package func latestRound(study: Digest) async throws -> RoundRecord? {
        try await database.read { db in
            let condition = "id = (SELECT max(id) FROM rounds WHERE study = ?)"
            return try Self.rounds(in: db, where: condition, [study.hex]).first
        }
    }

    private static func rounds(
        in db: Database, where condition: String, _ arguments: StatementArguments
    ) throws -> [RoundRecord] {
        let selected = "SELECT id FROM rounds WHERE \(condition)"
        var participation: [Int64: [ParticipationLine]] = [:]
        for row in try Row.fetchAll(
            db, sql: "SELECT * FROM participation WHERE round IN (\(selected)) ORDER BY site", arguments: arguments)
        {
            participation[row["round"], default: []].append(try ParticipationLine(row: row))
        }
        var metrics: [Int64: [String: Double]] = [:]
        for row in try Row.fetchAll(
            db, sql: "SELECT * FROM metrics WHERE round IN (\(selected))", arguments: arguments)
        {
            metrics[row["round"], default: [:]][row["name"]] = row["value"]
        }
        return try Row.fetchAll(db, sql: "SELECT * FROM rounds WHERE \(condition) ORDER BY id", arguments: arguments)
            .map { row in
                try RoundRecord(
                    row: row, participation: participation[row["id"]] ?? [], metrics: metrics[row["id"]] ?? [:])
            }
    }

    /// The uploads noted for a task, by site. Their files are there while the round is open.
    package func uploads(taskHash: Digest) async throws -> [UploadRecord] {
        try await database.read { db in
            try Row.fetchAll(
                db, sql: "SELECT * FROM uploads WHERE taskHash = ? ORDER BY site", arguments: [taskHash.hex]
            ).map { try UploadRecord(row: $0) }
        }
    }

    /// All files that rounds of a study produced, oldest round first.
    package func models(study: Digest) async throws -> [StoredModel] {
        try await database.read { db in
            try Row.fetchAll(
                db, sql: "SELECT * FROM models WHERE study = ? ORDER BY round, role", arguments: [study.hex]
            ).map { try StoredModel(row: $0) }
        }
    }

    /// The file of the latest round that produced one in this role.
    package func latestModel(study: Digest, role: ModelRecord.Role) async throws -> StoredModel? {
        try await database.read { db in
            try Row.fetchOne(
                db, sql: "SELECT * FROM models WHERE study = ? AND role = ? ORDER BY round DESC LIMIT 1",
                arguments: [study.hex, role.rawValue]
            ).map { try StoredModel(row: $0) }
        }
    }

    /// A file by its digest; of several studies that made the same one, any.
    package func model(_ digest: Digest) async throws -> StoredModel? {
        try await database.read { db in
            try Row.fetchOne(db, sql: "SELECT * FROM models WHERE digest = ? LIMIT 1", arguments: [digest.hex])
                .map { try StoredModel(row: $0) }
        }
    }

    /// Whether some study's latest file in some role has this digest.
    ///
    /// Studies that differ in name only make equal files, and equal files are one file: ask before one is removed.
    package func isLatestModel(_ digest: Digest) async throws -> Bool {
        try await database.read { db in
            try Bool.fetchOne(
                db,
                sql: """
                    SELECT EXISTS (
                        SELECT 1 FROM models AS model WHERE digest = ? AND NOT EXISTS (
                            SELECT 1 FROM models AS later
                            WHERE later.study = model.study AND later.role = model.role AND later.round > model.round))
                    """, arguments: [digest.hex]) ?? false
        }
    }

    /// The names of the files that are still needed, for ``FileVault/removeAll(in:except:)`` after a crash: all models,
    /// and the uploads of open rounds.
    package func neededFiles(in folder: FileVault.Folder) async throws -> Set<String> {
        try await database.read { db in
            switch folder {
            case .models: try String.fetchSet(db, sql: "SELECT digest FROM models")
            case .uploads:
                try String.fetchSet(
                    db,
                    sql: """
                        SELECT fileName FROM uploads JOIN rounds USING (taskHash) WHERE rounds.state = 'open'
                        """)
            }
        }
    }
}
