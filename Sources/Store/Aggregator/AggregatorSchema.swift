// SPDX-License-Identifier: Apache-2.0
// The aggregator's tables. Migrations are only ever added at the end; one that was released is never changed.

package import GRDB

package enum AggregatorSchema {
    /// All migrations, oldest first.
    package static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("aggregator-1") { try $0.execute(sql: first) }
        migrator.registerMigration("aggregator-2") { try $0.execute(sql: EntryTable.creation) }
        migrator.registerMigration("aggregator-3") { db in
            try db.execute(sql: MembershipSchema.creation)
            try db.execute(sql: RestoreJournal.creation)
        }
        migrator.registerMigration("aggregator-4") { try $0.execute(sql: deliveries) }
        return migrator
    }

    /// STRICT tables, so that a checked file cannot hold a value of a type that a record does not expect.
    /// Times are milliseconds since 1970, digests hexadecimal.
    private static let first = """
        CREATE TABLE studies (
            id INTEGER PRIMARY KEY,
            hash TEXT NOT NULL UNIQUE,
            name TEXT NOT NULL,
            canonicalBytes BLOB NOT NULL,
            submittedAt INTEGER NOT NULL,
            outcomeWord TEXT,
            outcomeText TEXT,
            finishedAt INTEGER,
            releasedModel TEXT,
            CHECK ((outcomeWord IS NULL) = (finishedAt IS NULL))
        ) STRICT;

        CREATE TABLE decisions (
            study TEXT NOT NULL REFERENCES studies(hash),
            site TEXT NOT NULL,
            isAccepted INTEGER NOT NULL,
            reasonWord TEXT,
            decidedAt INTEGER NOT NULL,
            PRIMARY KEY (study, site),
            CHECK (isAccepted = (reasonWord IS NULL))
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE rounds (
            id INTEGER PRIMARY KEY,
            study TEXT NOT NULL REFERENCES studies(hash),
            kind TEXT NOT NULL,
            round INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            taskHash TEXT NOT NULL UNIQUE,
            taskBytes BLOB NOT NULL,
            cohort TEXT NOT NULL,
            openedAt INTEGER NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('open', 'closed', 'abandoned')),
            closedAt INTEGER,
            reasonWord TEXT,
            survivors INTEGER,
            seconds REAL,
            overheadSeconds REAL,
            loss REAL,
            examples INTEGER,
            clipRate REAL,
            bytesUp INTEGER,
            bytesDown INTEGER,
            UNIQUE (study, kind, round, attempt),
            CHECK ((state = 'open') = (closedAt IS NULL)),
            CHECK ((state = 'closed') = (survivors IS NOT NULL))
        ) STRICT;
        CREATE UNIQUE INDEX openRounds ON rounds (study) WHERE state = 'open';

        CREATE TABLE uploads (
            taskHash TEXT NOT NULL REFERENCES rounds(taskHash),
            site TEXT NOT NULL,
            fileName TEXT NOT NULL,
            byteCount INTEGER NOT NULL,
            digest TEXT NOT NULL,
            receivedAt INTEGER NOT NULL,
            PRIMARY KEY (taskHash, site)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE participation (
            round INTEGER NOT NULL REFERENCES rounds(id),
            site TEXT NOT NULL,
            word TEXT NOT NULL,
            explanation TEXT NOT NULL,
            uploadSeconds REAL,
            PRIMARY KEY (round, site)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE metrics (
            round INTEGER NOT NULL REFERENCES rounds(id),
            name TEXT NOT NULL,
            value REAL NOT NULL,
            PRIMARY KEY (round, name)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE models (
            study TEXT NOT NULL REFERENCES studies(hash),
            role TEXT NOT NULL,
            round INTEGER NOT NULL,
            digest TEXT NOT NULL,
            byteCount INTEGER NOT NULL,
            createdAt INTEGER NOT NULL,
            isReleased INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (study, role, round)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX modelDigests ON models (digest);
        """

    /// Sites that have confirmed the released model of a study.
    private static let deliveries = """
        CREATE TABLE deliveries (
            study TEXT NOT NULL REFERENCES studies(hash),
            site TEXT NOT NULL,
            deliveredAt INTEGER NOT NULL,
            PRIMARY KEY (study, site)
        ) STRICT, WITHOUT ROWID;
        """
}
