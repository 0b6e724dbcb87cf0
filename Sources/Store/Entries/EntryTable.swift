// SPDX-License-Identifier: Apache-2.0
// The entries that a party has said or received, in order; the same table at sites and aggregators.

package import Federation
import GRDB

/// An entry and its place, counted from 0 without gaps.
package struct NumberedEntry: Hashable, Sendable {
    package var number: Int
    package var entry: Entry
}

/// Statements on the table `entries`. Written inside the transaction of the step that an entry tells, so that neither
/// exists without the other.
enum EntryTable {
    /// Numbers are given by us, not by SQLite, so that a gap would be a mistake somebody can see. Triggers refuse what
    /// would rewrite history by accident; that nobody can do it on purpose is the log's business.
    static let creation = """
        CREATE TABLE entries (
            number INTEGER PRIMARY KEY CHECK (number >= 0),
            type TEXT NOT NULL,
            study TEXT,
            actor TEXT NOT NULL,
            bytes BLOB NOT NULL
        ) STRICT;
        CREATE INDEX entriesOfStudy ON entries (study) WHERE study IS NOT NULL;
        CREATE TRIGGER entriesStay BEFORE DELETE ON entries
            BEGIN SELECT RAISE(ABORT, 'entries are never removed'); END;
        CREATE TRIGGER entriesKeepTheirBytes BEFORE UPDATE ON entries
            BEGIN SELECT RAISE(ABORT, 'entries are never changed'); END;
        """

    /// Adds an entry and returns its number.
    @discardableResult
    static func append(_ entry: Entry, _ db: Database) throws -> Int {
        let number = try count(db)
        try db.execute(
            sql: "INSERT INTO entries (number, type, study, actor, bytes) VALUES (?, ?, ?, ?, ?)",
            arguments: [number, entry.kind.rawValue, entry.study?.hex, entry.actor, entry.bytes.blob])
        return number
    }

    static func count(_ db: Database) throws -> Int {
        try Int.fetchOne(db, sql: "SELECT ifnull(max(number) + 1, 0) FROM entries") ?? 0
    }

    /// At most `limit` entries from `number` on, of one study or of all.
    static func entries(from number: Int, limit: Int, study: Digest?, _ db: Database) throws -> [NumberedEntry] {
        try Row.fetchAll(
            db,
            sql: """
                SELECT number, bytes FROM entries WHERE number >= ? AND (? IS NULL OR study = ?)
                ORDER BY number LIMIT ?
                """, arguments: [number, study?.hex, study?.hex, limit]
        ).map { row in
            guard let entry = try? Entry(bytes: row.bytes("bytes")) else {
                throw StoreError(
                    .damaged, "the store holds an unreadable entry",
                    hint: "restore the state directory from a backup; keep the damaged copy for inspection")
            }
            return NumberedEntry(number: row["number"], entry: entry)
        }
    }
}

/// The entries of one store.
package struct EntryLog: Sendable {
    let database: StoreDatabase

    /// Adds an entry that no other change goes with; durable when it returns.
    ///
    /// - Returns: its number.
    @discardableResult
    package func append(_ entry: Entry) async throws -> Int {
        try await database.write { try EntryTable.append(entry, $0) }
    }

    /// How many entries there are: the number of the next one.
    package func count() async throws -> Int { try await database.read { try EntryTable.count($0) } }

    /// How many entries of one kind there are.
    package func count(of kind: EntryKind) async throws -> Int {
        try await database.read { db in
            try Int.fetchOne(db, sql: "SELECT count(*) FROM entries WHERE type = ?", arguments: [kind.rawValue]) ?? 0
        }
    }

    /// At most `limit` entries from `number` on, of one study or of all.
    package func entries(from number: Int, limit: Int, study: Digest? = nil) async throws -> [NumberedEntry] {
        try await database.read { try EntryTable.entries(from: number, limit: limit, study: study, $0) }
    }
}

extension SiteStore {
    /// What this site has said and been told, in order.
    package var entryLog: EntryLog { EntryLog(database: database) }
}

extension AggregatorStore {
    /// What happened in the federation, in order.
    package var entryLog: EntryLog { EntryLog(database: database) }
}
