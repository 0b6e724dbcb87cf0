// SPDX-License-Identifier: Apache-2.0
// An aggregator whose store went back: the round that was open is closed, and the next attempt has another task.

import Federation
import GRDB

extension AggregatorStore {
    /// Notices at the start of the daemon that the store is an older copy than what ran here, and then abandons the
    /// rounds that were open: their vectors are gone, or belong to a later time.
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
                sql:
                    "UPDATE rounds SET state = 'abandoned', reasonWord = 'restored', closedAt = ? WHERE state = 'open'",
                arguments: [milliseconds])
            try RestoreJournal.beginEpoch(db)
            try db.execute(sql: "UPDATE journal SET position = max(position, ?)", arguments: [(last ?? 0) + 1])
            return try RestoreJournal.position(db)
        }
        try mark.write(fresh)
        return true
    }

    /// Writes the mark that shows a later start how far this store was; before a round is asked for.
    package func markPosition() async throws {
        guard let mark else { return }
        try mark.write(try await database.read { try RestoreJournal.position($0) })
    }
}
