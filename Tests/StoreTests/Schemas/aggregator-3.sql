-- SPDX-License-Identifier: Apache-2.0
-- A store as the version with the schema aggregator-3 left it. Never changed; MigrationTests bring it up to date.
PRAGMA application_id = 1131299175;
PRAGMA foreign_keys = OFF;
BEGIN TRANSACTION;
CREATE TABLE certificates (
            serial TEXT PRIMARY KEY NOT NULL,
            bytes BLOB NOT NULL,
            requestHash TEXT NOT NULL,
            successor TEXT
        ) STRICT, WITHOUT ROWID;
INSERT INTO "certificates" VALUES('0a',X'3000','9999999999999999999999999999999999999999999999999999999999999999',NULL);
CREATE TABLE decisions (
            study TEXT NOT NULL REFERENCES studies(hash),
            site TEXT NOT NULL,
            isAccepted INTEGER NOT NULL,
            reasonWord TEXT,
            decidedAt INTEGER NOT NULL,
            PRIMARY KEY (study, site),
            CHECK (isAccepted = (reasonWord IS NULL))
        ) STRICT, WITHOUT ROWID;
INSERT INTO "decisions" VALUES('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','alpha',1,NULL,1100);
CREATE TABLE denyLists (number INTEGER PRIMARY KEY NOT NULL, bytes BLOB NOT NULL) STRICT;
CREATE TABLE entries (
            number INTEGER PRIMARY KEY CHECK (number >= 0),
            type TEXT NOT NULL,
            study TEXT,
            actor TEXT NOT NULL,
            bytes BLOB NOT NULL
        ) STRICT;
CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
INSERT INTO "grdb_migrations" VALUES('aggregator-1');
INSERT INTO "grdb_migrations" VALUES('aggregator-2');
INSERT INTO "grdb_migrations" VALUES('aggregator-3');
CREATE TABLE invitations (
            token TEXT PRIMARY KEY NOT NULL,
            role TEXT NOT NULL,
            name TEXT NOT NULL,
            sealedProofKey BLOB NOT NULL,
            expiry INTEGER NOT NULL,
            phase TEXT NOT NULL CHECK (phase IN ('open', 'waiting', 'issued', 'declined', 'dead')),
            wrongProofs INTEGER NOT NULL,
            requestIdentity TEXT,
            certificateRequest BLOB,
            statementKey TEXT,
            witnessKey TEXT,
            publicKeyHash TEXT,
            received INTEGER,
            certificate BLOB,
            CHECK ((requestIdentity IS NULL) = (certificateRequest IS NULL)),
            CHECK (phase <> 'issued' OR certificate IS NOT NULL)
        ) STRICT, WITHOUT ROWID;
CREATE TABLE journal (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            epoch INTEGER NOT NULL,
            position INTEGER NOT NULL
        ) STRICT;
INSERT INTO "journal" VALUES(1,0,0);
CREATE TABLE members (
            role TEXT NOT NULL,
            name TEXT NOT NULL,
            statementKey TEXT NOT NULL UNIQUE,
            witnessKey TEXT NOT NULL UNIQUE,
            serial TEXT NOT NULL,
            isRevoked INTEGER NOT NULL,
            sinceEpoch INTEGER NOT NULL,
            PRIMARY KEY (role, name)
        ) STRICT, WITHOUT ROWID;
INSERT INTO "members" VALUES('site','alpha','7777777777777777777777777777777777777777777777777777777777777777','8888888888888888888888888888888888888888888888888888888888888888','0a',0,1);
CREATE TABLE metrics (
            round INTEGER NOT NULL REFERENCES rounds(id),
            name TEXT NOT NULL,
            value REAL NOT NULL,
            PRIMARY KEY (round, name)
        ) STRICT, WITHOUT ROWID;
INSERT INTO "metrics" VALUES(1,'auc',0.875);
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
INSERT INTO "models" VALUES('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','model',1,'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee',400,2500,1);
CREATE TABLE participation (
            round INTEGER NOT NULL REFERENCES rounds(id),
            site TEXT NOT NULL,
            word TEXT NOT NULL,
            explanation TEXT NOT NULL,
            uploadSeconds REAL,
            PRIMARY KEY (round, site)
        ) STRICT, WITHOUT ROWID;
INSERT INTO "participation" VALUES(1,'alpha','included','took part',0.125);
CREATE TABLE returns (
            role TEXT NOT NULL,
            name TEXT NOT NULL,
            bytes BLOB NOT NULL,
            received INTEGER NOT NULL,
            PRIMARY KEY (role, name)
        ) STRICT, WITHOUT ROWID;
CREATE TABLE rosters (epoch INTEGER PRIMARY KEY NOT NULL, bytes BLOB NOT NULL) STRICT;
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
INSERT INTO "rounds" VALUES(1,'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','training',1,1,'1111111111111111111111111111111111111111111111111111111111111111',X'01','["alpha"]',2000,'closed',2500,NULL,1,0.5,0.25,0.625,303,NULL,40,400);
INSERT INTO "rounds" VALUES(2,'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb','statistics',0,1,'2222222222222222222222222222222222222222222222222222222222222222',X'02','["alpha"]',3000,'open',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
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
INSERT INTO "studies" VALUES(1,'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','heart',X'7B7D',1000,'completed','',9000,'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee');
INSERT INTO "studies" VALUES(2,'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb','lungs',X'5B5D',1001,NULL,NULL,NULL,NULL);
CREATE TABLE uploads (
            taskHash TEXT NOT NULL REFERENCES rounds(taskHash),
            site TEXT NOT NULL,
            fileName TEXT NOT NULL,
            byteCount INTEGER NOT NULL,
            digest TEXT NOT NULL,
            receivedAt INTEGER NOT NULL,
            PRIMARY KEY (taskHash, site)
        ) STRICT, WITHOUT ROWID;
INSERT INTO "uploads" VALUES('2222222222222222222222222222222222222222222222222222222222222222','alpha','two-alpha',40,'dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd',3100);
CREATE UNIQUE INDEX openRounds ON rounds (study) WHERE state = 'open';
CREATE INDEX modelDigests ON models (digest);
CREATE INDEX entriesOfStudy ON entries (study) WHERE study IS NOT NULL;
CREATE TRIGGER entriesStay BEFORE DELETE ON entries
            BEGIN SELECT RAISE(ABORT, 'entries are never removed'); END;
CREATE TRIGGER entriesKeepTheirBytes BEFORE UPDATE ON entries
            BEGIN SELECT RAISE(ABORT, 'entries are never changed'); END;
COMMIT;
