// SPDX-License-Identifier: Apache-2.0
// A site's tables. Migrations are only ever added at the end; one that was released is never changed.

package import GRDB

package enum SiteSchema {
    /// All migrations, oldest first.
    package static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("site-1") { try $0.execute(sql: first) }
        migrator.registerMigration("site-2") { try $0.execute(sql: second) }
        migrator.registerMigration("site-3") { try $0.execute(sql: EntryTable.creation) }
        migrator.registerMigration("site-4") { try $0.execute(sql: fourth) }
        migrator.registerMigration("site-5") { db in
            try db.execute(sql: RestoreJournal.creation)
            try db.execute(sql: SiteStore.restoreFloors)
        }
        return migrator
    }

    /// SCAFFOLD's control that a round would bring, until it is known whether the round counted.
    private static let second = """
        ALTER TABLE rounds ADD COLUMN controlsDigest TEXT;
        ALTER TABLE rounds ADD COLUMN controlsByteCount INTEGER;
        """

    /// What people at the site have decided about a study.
    private static let fourth = """
        ALTER TABLE studies ADD COLUMN approvalBytes BLOB;
        ALTER TABLE studies ADD COLUMN approvalSignature BLOB;
        ALTER TABLE studies ADD COLUMN isPaused INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE studies ADD COLUMN isWithdrawn INTEGER NOT NULL DEFAULT 0;
        """

    /// STRICT tables, so that a checked file cannot hold a value of a type that a record does not expect.
    /// Times are milliseconds since 1970, digests hexadecimal.
    private static let first = """
        CREATE TABLE studies (
            id INTEGER PRIMARY KEY,
            hash TEXT NOT NULL UNIQUE,
            name TEXT NOT NULL,
            canonicalBytes BLOB NOT NULL,
            decidedAt INTEGER NOT NULL,
            isAccepted INTEGER NOT NULL,
            reasonWord TEXT,
            dataset TEXT,
            contentHash TEXT,
            outcomeWord TEXT,
            outcomeText TEXT,
            finishedAt INTEGER,
            CHECK (isAccepted = (reasonWord IS NULL)),
            CHECK ((outcomeWord IS NULL) = (finishedAt IS NULL))
        ) STRICT;

        CREATE TABLE secrets (
            study TEXT PRIMARY KEY NOT NULL REFERENCES studies(hash),
            roundingSeed BLOB NOT NULL CHECK (length(roundingSeed) = 32)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE rounds (
            id INTEGER PRIMARY KEY,
            taskHash TEXT NOT NULL UNIQUE,
            study TEXT NOT NULL REFERENCES studies(hash),
            kind TEXT NOT NULL,
            round INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('computing', 'ready', 'delivered', 'withheld', 'ended')),
            reasonWord TEXT,
            fileName TEXT,
            byteCount INTEGER,
            digest TEXT,
            localLoss REAL,
            rows INTEGER,
            computeSeconds REAL,
            startedAt INTEGER NOT NULL,
            readyAt INTEGER,
            finishedAt INTEGER,
            CHECK ((fileName IS NULL) = (byteCount IS NULL) AND (fileName IS NULL) = (digest IS NULL)),
            CHECK ((fileName IS NULL) = (readyAt IS NULL)),
            CHECK (state NOT IN ('ready', 'delivered') OR fileName IS NOT NULL),
            CHECK ((state IN ('computing', 'ready')) = (finishedAt IS NULL))
        ) STRICT;
        CREATE INDEX roundsOfStudy ON rounds (study);

        CREATE TABLE models (
            study TEXT NOT NULL REFERENCES studies(hash),
            role TEXT NOT NULL,
            round INTEGER NOT NULL,
            digest TEXT NOT NULL,
            byteCount INTEGER NOT NULL,
            isReleased INTEGER NOT NULL,
            PRIMARY KEY (study, role, round)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE evaluations (
            study TEXT NOT NULL REFERENCES studies(hash),
            subject TEXT NOT NULL,
            split TEXT NOT NULL,
            name TEXT NOT NULL,
            value REAL NOT NULL,
            PRIMARY KEY (study, subject, split, name)
        ) STRICT, WITHOUT ROWID;
        """
}
