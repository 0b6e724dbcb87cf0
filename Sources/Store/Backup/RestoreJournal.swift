// SPDX-License-Identifier: Apache-2.0
// Whether a store went back in time: a counter inside it, and a mark beside it that no backup holds.

import GRDB
import Glibc

/// A counter in the database that grows with every round, and the file `<owner>.mark` that repeats it.
///
/// The counter grows first, so a crash leaves the mark one behind or equal. A mark that is ahead of the counter, or a
/// counter that has grown without a mark, shows that the database is an older copy. What goes back together with the
/// whole machine, the mark included, cannot be seen from here.
enum RestoreJournal {
    /// `epoch` counts how often the store has found itself restored; `position` grows with every round.
    static let creation = """
        CREATE TABLE journal (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            epoch INTEGER NOT NULL,
            position INTEGER NOT NULL
        ) STRICT;
        INSERT INTO journal (id, epoch, position) VALUES (1, 0, 0);
        """

    static func advance(_ db: Database) throws { try db.execute(sql: "UPDATE journal SET position = position + 1") }

    static func position(_ db: Database) throws -> Int {
        try Int.fetchOne(db, sql: "SELECT position FROM journal") ?? 0
    }

    static func epoch(_ db: Database) throws -> Int { try Int.fetchOne(db, sql: "SELECT epoch FROM journal") ?? 0 }

    static func beginEpoch(_ db: Database) throws {
        try db.execute(sql: "UPDATE journal SET epoch = epoch + 1, position = position + 1")
    }

    static func wentBack(position: Int, mark: Int?) -> Bool {
        guard let mark else { return position > 0 }
        return mark > position
    }
}

/// The mark of one state directory.
struct RestoreMark: Sendable {
    let path: String
    private let directory: String
    private let durability: Durability

    init(_ owner: StoreOwner, directory: String, durability: Durability) {
        path = "\(directory)/\(owner.rawValue).mark"
        self.directory = directory
        self.durability = durability
    }

    /// The counter when it was written last; nil when there is no mark.
    ///
    /// - Throws: ``StoreError`` `damaged` for a file that is no mark.
    func read() throws -> Int? {
        guard access(path, F_OK) == 0 else { return nil }
        var bytes = [UInt8](repeating: 0, count: 32)
        let file = try OpenFile(path, flags: O_RDONLY | O_NOFOLLOW)
        let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
        let text = String(decoding: bytes.prefix(count), as: UTF8.self)
        guard text.last == "\n", let mark = Int(text.dropLast()), mark >= 0 else {
            throw StoreError(
                .damaged, "\(path) is no mark of a store",
                hint: "remove it to start as after a restore, which takes part again from the next round on")
        }
        return mark
    }

    /// Replaces the mark; durable when it returns.
    func write(_ position: Int) throws {
        let fresh = path + ".partial"
        let file = try OpenFile(fresh, flags: O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW)
        try Array("\(position)\n".utf8).withUnsafeBytes { try file.write($0, at: 0) }
        if durability == .powerLossSafe { try file.sync() }
        guard rename(fresh, path) == 0 else { throw StoreError.system("rename", fresh, errno: errno) }
        if durability == .powerLossSafe { try OpenFile.syncFolder(directory) }
    }
}
