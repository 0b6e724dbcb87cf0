// SPDX-License-Identifier: Apache-2.0
// One file that holds a party's store and its models, made while the daemon runs or not, and the way back.

import Federation
import GRDB
import Glibc

/// Backup and restore of a state directory.
///
/// The file is an SQLite database: a copy of the store made by SQLite's online backup, and the models in pieces in the
/// table `backupFiles`. Never in it: uploads, checkpoints, rounding seeds, rounds in progress, the mark beside the
/// store. So a restored party can repeat nothing that it had begun; ``SiteStore/noticeRestore(at:)`` does the rest.
package enum StoreBackup {
    /// What was kept or brought back.
    package struct Summary: Codable, Hashable, Sendable {
        package var party: String
        package var studies: Int
        package var models: Int
        package var modelBytes: Int
    }

    private static let tables = """
        CREATE TABLE backupFiles (
            name TEXT NOT NULL,
            piece INTEGER NOT NULL,
            bytes BLOB NOT NULL,
            PRIMARY KEY (name, piece)
        ) STRICT;
        """

    // MARK: Making

    /// Writes the backup of the state in `directory` to the new file `path`, mode 0600, durable when it returns.
    ///
    /// - Throws: ``StoreError`` `missing` for a directory without a store, `conflict` when the file exists, `busy` when
    ///   the running daemon replaced models again and again, and those of the file system.
    package static func make(of directory: String, to path: String) throws -> Summary {
        let state = try StateDirectory.existing(directory)
        guard let owner = StoreOwner.allCases.first(where: { state.contains($0.fileName) }) else {
            throw StoreError(
                .missing, "\(directory) holds no state of a site or an aggregator",
                hint: "name the stateDirectory of the daemon's configuration")
        }
        guard access(path, F_OK) != 0 else {
            throw StoreError(.conflict, "\(path) exists already", hint: "name a new file")
        }
        let partial = path + ".partial"
        defer { for suffix in ["", "-journal", "-wal", "-shm"] { unlink(partial + suffix) } }
        for _ in 0..<3 {
            unlink(partial)
            let file = try OpenFile(partial, flags: O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW)
            guard let summary = try translating(path, { try write(state, owner, to: partial) }) else { continue }
            try file.sync()
            guard rename(partial, path) == 0 else { throw StoreError.system("rename", partial, errno: errno) }
            try OpenFile.syncFolder(StateDirectory.parent(of: path))
            return summary
        }
        throw StoreError(
            .busy, "the running daemon replaces its models faster than they can be copied",
            hint: "try again later, or stop the daemon first")
    }

    /// Returns nil when a model went away while it was to be copied.
    private static func write(_ state: StateDirectory, _ owner: StoreOwner, to path: String) throws -> Summary? {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        let source = try DatabaseQueue(path: state.file(owner.fileName), configuration: configuration)
        let copy = try DatabaseQueue(path: path)
        try source.backup(to: copy)
        try source.close()
        let vault = state.path + "/" + FileVault.Folder.models.rawValue
        let summary = try copy.writeWithoutTransaction { db -> Summary? in
            // One file, without a log beside it, and nothing of what is taken out stays in free pages.
            try db.execute(sql: "PRAGMA journal_mode = DELETE; PRAGMA secure_delete = ON")
            try db.inTransaction {
                try db.execute(sql: owner.withoutOpenRounds)
                try db.execute(sql: tables)
                return .commit
            }
            var summary = Summary(
                party: owner.rawValue, studies: try Int.fetchOne(db, sql: "SELECT count(*) FROM studies") ?? 0,
                models: 0, modelBytes: 0)
            for name in try String.fetchAll(db, sql: owner.modelsToKeep) {
                guard let byteCount = try copyModel(name, from: vault, db) else { return nil }
                summary.models += 1
                summary.modelBytes += byteCount
            }
            try db.execute(sql: "VACUUM")
            return summary
        }
        try copy.close()
        return summary
    }

    /// Copies a model in pieces and checks that it is the one it is named for.
    private static func copyModel(_ name: String, from folder: String, _ db: Database) throws -> Int? {
        let path = "\(folder)/\(name)"
        guard let file = try? OpenFile(path, flags: O_RDONLY) else { return nil }
        let reader = FileReader(file: file, byteCount: try file.byteCount())
        var hasher = BlobHasher()
        var piece = 0
        try db.inTransaction {
            try reader.forEachPiece { bytes in
                hasher.update(bytes)
                try db.execute(
                    sql: "INSERT INTO backupFiles (name, piece, bytes) VALUES (?, ?, ?)",
                    arguments: [name, piece, Array(bytes).blob])
                piece += 1
            }
            return .commit
        }
        guard hasher.finish().hex == name else {
            throw StoreError(
                .wrongDigest, "\(path) is not what it was when it was stored",
                hint: "restore it from an earlier backup and check the device")
        }
        return reader.byteCount
    }

    // MARK: Restoring

    /// Brings the state back into the new directory `directory`.
    ///
    /// - Throws: ``StoreError`` `conflict` when the directory exists and is not empty, `foreign` for a file that is no
    ///   backup, `damaged`, `wrongDigest`, and those of the file system.
    package static func restore(_ path: String, to directory: String) throws -> Summary {
        _ = try OpenFile(path, flags: O_RDONLY)
        return try translating(path) {
            var configuration = Configuration()
            configuration.readonly = true
            let source = try DatabaseQueue(path: path, configuration: configuration)
            let owner = try source.read { try check($0, path: path) }
            let state = try StateDirectory.prepare(directory)
            guard try state.isEmpty() else {
                throw StoreError(
                    .conflict, "\(directory) is not empty",
                    hint: "name a new directory; move the old one away, and never put its files into the new one")
            }
            let vault = try FileVault(directory: directory)
            // Under its own name only once it is whole: a start of the daemon must not find half a store.
            let fresh = state.file("restoring")
            try state.prepareFile("restoring")
            let copy = try DatabaseQueue(path: fresh)
            try source.backup(to: copy)
            try source.close()
            let summary = try copy.writeWithoutTransaction { db in
                let models = try extractModels(db, to: vault)
                try db.execute(sql: "DROP TABLE backupFiles")
                try db.execute(sql: "VACUUM")
                return Summary(
                    party: owner.rawValue, studies: try Int.fetchOne(db, sql: "SELECT count(*) FROM studies") ?? 0,
                    models: models.count, modelBytes: models.reduce(0, +))
            }
            try copy.close()
            try OpenFile(fresh, flags: O_RDWR).sync()
            guard rename(fresh, state.file(owner.fileName)) == 0 else {
                throw StoreError.system("rename", fresh, errno: errno)
            }
            try OpenFile.syncFolder(state.path)
            return summary
        }
    }

    private static func check(_ db: Database, path: String) throws -> StoreOwner {
        let identifier = try Int32.fetchOne(db, sql: "PRAGMA application_id")
        guard let owner = StoreOwner.allCases.first(where: { $0.applicationID == identifier }),
            try db.tableExists("backupFiles")
        else {
            throw StoreError(
                .foreign, "\(path) is no backup", hint: "name a file that `consilium backup` has made")
        }
        guard try String.fetchOne(db, sql: "PRAGMA integrity_check(1)") == "ok" else { throw StoreError.damaged(path) }
        return owner
    }

    /// Writes each model under its digest; returns their lengths.
    private static func extractModels(_ db: Database, to vault: FileVault) throws -> [Int] {
        try String.fetchAll(db, sql: "SELECT DISTINCT name FROM backupFiles ORDER BY name").map { name in
            let file = try vault.newFile(in: .models)
            let pieces = try Row.fetchCursor(
                db, sql: "SELECT bytes FROM backupFiles WHERE name = ? ORDER BY piece", arguments: [name])
            while let row = try pieces.next() {
                try row.bytes("bytes").withUnsafeBytes { try file.append($0) }
            }
            guard let digest = Digest(hex: name) else { throw StoreError.damaged("the backup") }
            return try file.finish(expecting: digest).byteCount
        }
    }

    private static func translating<Value>(_ place: String, _ body: () throws -> Value) throws -> Value {
        do { return try body() } catch let error as DatabaseError { throw StoreError(error, place: place) }
    }
}

extension StoreOwner {
    /// Takes out of a copy what must not be repeated: rounds in progress and the secrets of the site.
    fileprivate var withoutOpenRounds: String {
        switch self {
        case .site:
            """
            DELETE FROM secrets;
            UPDATE rounds SET state = 'ended', reasonWord = 'restored', finishedAt = startedAt, fileName = NULL,
                byteCount = NULL, digest = NULL, readyAt = NULL, controlsDigest = NULL, controlsByteCount = NULL
                WHERE finishedAt IS NULL;
            """
        case .aggregator:
            """
            DELETE FROM uploads WHERE taskHash IN (SELECT taskHash FROM rounds WHERE state = 'open');
            UPDATE rounds SET state = 'abandoned', reasonWord = 'restored', closedAt = openedAt WHERE state = 'open';
            """
        }
    }

    /// The names of the models that the store needs.
    fileprivate var modelsToKeep: String {
        switch self {
        case .site:
            """
            SELECT digest FROM models
            UNION SELECT controlsDigest FROM rounds WHERE controlsDigest IS NOT NULL
            """
        case .aggregator:
            """
            SELECT digest FROM models AS model WHERE role = 'model' OR NOT EXISTS (
                SELECT 1 FROM models AS later
                WHERE later.study = model.study AND later.role = model.role AND later.round > model.round)
            """
        }
    }
}
