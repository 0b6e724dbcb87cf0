-- SPDX-License-Identifier: Apache-2.0
-- A store as the version with the schema site-2 left it. Never changed; MigrationTests bring it up to date.
PRAGMA application_id = 1131303785;
PRAGMA foreign_keys = OFF;
BEGIN TRANSACTION;
CREATE TABLE evaluations (
            study TEXT NOT NULL REFERENCES studies(hash),
            subject TEXT NOT NULL,
            split TEXT NOT NULL,
            name TEXT NOT NULL,
            value REAL NOT NULL,
            PRIMARY KEY (study, subject, split, name)
        ) STRICT, WITHOUT ROWID;
INSERT INTO "evaluations" VALUES('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','global','test','auc',0.875);
CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
INSERT INTO "grdb_migrations" VALUES('site-1');
INSERT INTO "grdb_migrations" VALUES('site-2');
CREATE TABLE models (
            study TEXT NOT NULL REFERENCES studies(hash),
            role TEXT NOT NULL,
            round INTEGER NOT NULL,
            digest TEXT NOT NULL,
            byteCount INTEGER NOT NULL,
            isReleased INTEGER NOT NULL,
            PRIMARY KEY (study, role, round)
        ) STRICT, WITHOUT ROWID;
INSERT INTO "models" VALUES('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','global',1,'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee',400,1);
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
            finishedAt INTEGER, controlsDigest TEXT, controlsByteCount INTEGER,
            CHECK ((fileName IS NULL) = (byteCount IS NULL) AND (fileName IS NULL) = (digest IS NULL)),
            CHECK ((fileName IS NULL) = (readyAt IS NULL)),
            CHECK (state NOT IN ('ready', 'delivered') OR fileName IS NOT NULL),
            CHECK ((state IN ('computing', 'ready')) = (finishedAt IS NULL))
        ) STRICT;
INSERT INTO "rounds" VALUES(1,'1111111111111111111111111111111111111111111111111111111111111111','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','training',1,1,'delivered',NULL,'1111111111111111111111111111111111111111111111111111111111111111',40,'dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd',0.5,303,1.25,2000,2100,2200,'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',44);
INSERT INTO "rounds" VALUES(2,'2222222222222222222222222222222222222222222222222222222222222222','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','training',2,1,'computing',NULL,NULL,NULL,NULL,NULL,NULL,NULL,3000,NULL,NULL,NULL,NULL);
CREATE TABLE secrets (
            study TEXT PRIMARY KEY NOT NULL REFERENCES studies(hash),
            roundingSeed BLOB NOT NULL CHECK (length(roundingSeed) = 32)
        ) STRICT, WITHOUT ROWID;
INSERT INTO "secrets" VALUES('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',X'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F');
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
INSERT INTO "studies" VALUES(1,'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','heart',X'7B7D',1000,1,NULL,'table','cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc','completed','',9000);
INSERT INTO "studies" VALUES(2,'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb','lungs',X'5B5D',1001,0,'notApproved',NULL,NULL,NULL,NULL,NULL);
CREATE INDEX roundsOfStudy ON rounds (study);
COMMIT;
