// SPDX-License-Identifier: Apache-2.0
// The tables of enrolment at the aggregator.

enum MembershipSchema {
    /// Keys and serials are hexadecimal, certificates DER, times seconds since 1970.
    static let creation = """
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

        CREATE TABLE certificates (
            serial TEXT PRIMARY KEY NOT NULL,
            bytes BLOB NOT NULL,
            requestHash TEXT NOT NULL,
            successor TEXT
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE returns (
            role TEXT NOT NULL,
            name TEXT NOT NULL,
            bytes BLOB NOT NULL,
            received INTEGER NOT NULL,
            PRIMARY KEY (role, name)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE denyLists (number INTEGER PRIMARY KEY NOT NULL, bytes BLOB NOT NULL) STRICT;
        CREATE TABLE rosters (epoch INTEGER PRIMARY KEY NOT NULL, bytes BLOB NOT NULL) STRICT;
        """
}
