// SPDX-License-Identifier: Apache-2.0
// One SQLite database: opened safely, migrated, and asked through two functions.

import GRDB

/// What kind of party a database belongs to; decides its file name and its mark inside the file.
enum StoreOwner: String, CaseIterable, Sendable {
    case aggregator
    case site

    var fileName: String { "\(rawValue).sqlite" }

    /// SQLite's `application_id`, so that one party's file is never taken for another's: `CnAg`, `CnSi`.
    var applicationID: Int32 {
        switch self {
        case .aggregator: 0x436E_4167
        case .site: 0x436E_5369
        }
    }
}

/// On whose thread a store's functions wait for the disk.
package enum StoreAccess: Sendable {
    /// On the database's own: no task's thread waits.
    case queued
    /// On the caller's, each writing transaction between calls of the two functions. For simulations, where nothing may
    /// run that the simulation has not chosen; what `before` throws stands for a failing disk.
    case inPlace(before: @Sendable () async throws -> Void, after: @Sendable () async throws -> Void)
}

/// Owns a connection and, for a database on disk, the lock of its directory.
///
/// One connection serves writes and reads in turn: the daemons read rarely, and other processes read the write-ahead
/// log without disturbing it.
final class StoreDatabase: Sendable {
    private let queue: DatabaseQueue
    /// Released after the connection is closed.
    private let lock: DirectoryLock?
    /// The file, or what stands for it in messages.
    private let place: String
    private let access: StoreAccess

    private init(queue: DatabaseQueue, lock: DirectoryLock?, place: String, access: StoreAccess = .queued) {
        self.access = access
        self.queue = queue
        self.lock = lock
        self.place = place
    }

    /// Nothing waits for the connection any more when the last reference goes. A failure to close loses nothing:
    /// every commit is complete in the write-ahead log.
    deinit { try? queue.close() }

    // MARK: Opening

    /// Opens or creates the database of `owner` in `directory` and brings its schema up to date.
    static func open(
        _ owner: StoreOwner, directory path: String, migrator: DatabaseMigrator, durability: Durability,
        access: StoreAccess = .queued
    ) throws -> StoreDatabase {
        let directory = try StateDirectory.prepare(path)
        for other in StoreOwner.allCases where other != owner && directory.contains(other.fileName) {
            throw StoreError(
                .wrongKind, "\(path) is the state directory of the \(other.rawValue)",
                hint: "give the \(owner.rawValue) a stateDirectory of its own")
        }
        let lock = try directory.lock(for: owner.rawValue)
        try directory.prepareFile(owner.fileName)
        let place = directory.file(owner.fileName)
        return try translating(place) {
            let queue = try DatabaseQueue(path: place, configuration: configuration(isReadOnly: false))
            try queue.writeWithoutTransaction { db in
                try check(db, owner: owner, migrator: migrator, place: place)
                try checkIntact(db, place: place)
                try mark(db, owner: owner)
                // GRDB's own WAL mode would set `synchronous` back to NORMAL, which may lose commits in a power cut.
                try db.execute(sql: "PRAGMA journal_mode = WAL")
                switch durability {
                case .powerLossSafe: try db.execute(sql: "PRAGMA synchronous = FULL")
                case .lostOnPowerCutForSimulationOnly: try db.execute(sql: "PRAGMA synchronous = OFF")
                }
            }
            try migrator.migrate(queue)
            return StoreDatabase(queue: queue, lock: lock, place: place, access: access)
        }
    }

    /// A database that lives and dies with this object.
    static func inMemory(_ owner: StoreOwner, migrator: DatabaseMigrator) throws -> StoreDatabase {
        try translating("the database in memory") {
            let queue = try DatabaseQueue(configuration: configuration(isReadOnly: false))
            try migrator.migrate(queue)
            return StoreDatabase(queue: queue, lock: nil, place: "the database in memory")
        }
    }

    /// Opens an existing database for reading, whether or not its daemon runs.
    static func openReadOnly(
        _ owner: StoreOwner, directory path: String, migrator: DatabaseMigrator
    ) throws -> StoreDatabase {
        let directory = try StateDirectory.existing(path)
        guard directory.contains(owner.fileName) else {
            throw StoreError(
                .missing, "\(path) holds no state of a \(owner.rawValue)",
                hint: "check the path; the \(owner.rawValue) creates its state when it first runs")
        }
        let place = directory.file(owner.fileName)
        return try translating(place) {
            let queue = try DatabaseQueue(path: place, configuration: configuration(isReadOnly: true))
            try queue.read { db in
                try check(db, owner: owner, migrator: migrator, place: place)
                guard try migrator.hasCompletedMigrations(db) else {
                    throw StoreError(
                        .olderSchema, "\(place) was written by an older version of this program",
                        hint: "start the \(owner.rawValue) once; it brings its state up to date")
                }
            }
            return StoreDatabase(queue: queue, lock: nil, place: place)
        }
    }

    private static func configuration(isReadOnly: Bool) -> Configuration {
        var configuration = Configuration()
        configuration.readonly = isReadOnly
        configuration.busyMode = .timeout(5)
        return configuration
    }

    private static func check(_ db: Database, owner: StoreOwner, migrator: DatabaseMigrator, place: String) throws {
        let isEmpty = try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_master") == 0
        let identifier = try Int32.fetchOne(db, sql: "PRAGMA application_id")
        guard isEmpty || identifier == owner.applicationID else {
            throw StoreError(
                .foreign, "\(place) is a database, but not one of a \(owner.rawValue)",
                hint: "check the path of the state directory, and move the file elsewhere")
        }
        guard try !migrator.hasBeenSuperseded(db) else {
            throw StoreError(
                .newerSchema, "\(place) was written by a newer version of this program",
                hint: "install that version or a later one; going back needs the backup from before the upgrade")
        }
    }

    /// Reads the whole file once; also establishes the column types and NOT NULL on which the record types rely.
    private static func checkIntact(_ db: Database, place: String) throws {
        guard try String.fetchOne(db, sql: "PRAGMA quick_check(1)") == "ok" else { throw StoreError.damaged(place) }
    }

    /// Marks a new file as ours before any table is made, so that a crash in between leaves nothing that looks foreign.
    private static func mark(_ db: Database, owner: StoreOwner) throws {
        guard try Int32.fetchOne(db, sql: "PRAGMA application_id") != owner.applicationID else { return }
        try db.execute(sql: "PRAGMA application_id = \(owner.applicationID)")
    }

    // MARK: Asking

    /// Runs `body` in one transaction: durable when this returns, undone when `body` throws.
    func write<Value: Sendable>(_ body: @Sendable (Database) throws -> Value) async throws -> Value {
        do {
            guard case .inPlace(let before, let after) = access else { return try await queue.write(body) }
            try await before()
            let value = try here { try $0.write(body) }
            try await after()
            return value
        } catch let error as DatabaseError { throw StoreError(error, place: place) }
    }

    /// Runs `body` on one consistent state of the database.
    func read<Value: Sendable>(_ body: @Sendable (Database) throws -> Value) async throws -> Value {
        do {
            guard case .inPlace = access else { return try await queue.read(body) }
            return try here { try $0.read(body) }
        } catch let error as DatabaseError { throw StoreError(error, place: place) }
    }

    /// The queue where GRDB's waiting functions, not its asynchronous ones, are meant.
    private func here<Value>(_ body: (DatabaseQueue) throws -> Value) rethrows -> Value { try body(queue) }

    /// SQLite's `synchronous` level of the connection: 2 is FULL, 0 is OFF.
    func synchronousLevel() async throws -> Int {
        try await read { try Int.fetchOne($0, sql: "PRAGMA synchronous") } ?? 0
    }

    private static func translating<Value>(_ place: String, _ body: () throws -> Value) throws -> Value {
        do { return try body() } catch let error as DatabaseError { throw StoreError(error, place: place) }
    }
}

extension StoreError {
    static func damaged(_ place: String) -> StoreError {
        StoreError(
            .damaged, "\(place) is damaged or no database",
            hint: "restore the state directory from a backup; keep the damaged copy for inspection")
    }

    /// Tells SQLite's result code in our words; its own text may quote stored values and is dropped.
    init(_ error: DatabaseError, place: String) {
        switch error.resultCode {
        case .SQLITE_NOTADB, .SQLITE_CORRUPT: self = .damaged(place)
        case .SQLITE_FULL:
            self.init(.diskFull, "no space left for \(place)", hint: "free disk space there, then start again")
        case .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_CANTOPEN, .SQLITE_AUTH:
            self.init(
                .permissionDenied, "cannot open or write \(place) and its -wal and -shm files",
                hint: "let the program's user own and write the state directory, or work on a copy of it")
        case .SQLITE_BUSY, .SQLITE_LOCKED:
            self.init(.busy, "\(place) is locked by another process", hint: "end the program that has it open")
        case .SQLITE_CONSTRAINT where error.extendedResultCode == .SQLITE_CONSTRAINT_FOREIGNKEY:
            self.init(.unknown, "the store has no such study or round", hint: "check the hash; list the studies")
        case .SQLITE_CONSTRAINT:
            self.init(.conflict, "the record contradicts what is stored", hint: "look at the state of the study")
        default:
            self.init(
                .ioFailure, "cannot use \(place): SQLite's result code \(error.extendedResultCode.rawValue)",
                hint: "check the device and the system's log")
        }
    }
}
