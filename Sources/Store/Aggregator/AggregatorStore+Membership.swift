// SPDX-License-Identifier: Apache-2.0
// Invitations, members, certificates, deny lists and rosters of a federation.

package import Enrolment
package import Federation
import GRDB

/// An invitation as it is kept: the key of its proof is sealed by the caller.
package struct StoredInvitation: Hashable, Sendable {
    /// With an empty proof key.
    package var invitation: Invitation
    package var sealedProofKey: [UInt8]

    package init(invitation: Invitation, sealedProofKey: [UInt8]) {
        self.invitation = invitation
        self.sealedProofKey = sealedProofKey
    }
}

/// Everything about the membership of a federation.
package struct StoredMembership: Sendable {
    package var invitations: [StoredInvitation] = []
    package var members: [Member] = []
    package var certificates: [CertificateRecord] = []
    /// Requests to come back, which wait for a person.
    package var returns: [RenewalRequest] = []
    /// The newest of each.
    package var denyList: DenyList?
    package var roster: Roster?
}

/// One step of what changes about the membership.
package enum MembershipChange: Sendable {
    case invitation(StoredInvitation)
    case member(Member)
    case certificate(CertificateRecord)
    case returnAsked(RenewalRequest, at: Int64)
    case returnEnded(PartyName)
    case denyList(DenyList)
    case roster(Roster)
    case entry(Entry)
}

extension AggregatorStore {
    /// Makes all changes durable, or none.
    package func apply(_ changes: [MembershipChange]) async throws {
        guard !changes.isEmpty else { return }
        try await database.write { db in
            for change in changes { try Self.apply(change, db) }
        }
    }

    /// What is stored.
    ///
    /// - Throws: ``StoreError`` `damaged`
    package func membership() async throws -> StoredMembership {
        try await database.read { db in
            var found = StoredMembership()
            found.certificates = try Row.fetchAll(db, sql: "SELECT * FROM certificates").map(Self.certificate)
            let bySerial = Dictionary(
                found.certificates.map { ($0.certificate.serial.hex, $0.certificate) },
                uniquingKeysWith: { first, _ in first })
            found.members = try Row.fetchAll(db, sql: "SELECT * FROM members").map { row in
                guard let certificate = bySerial[row["serial"]] else { throw Self.unreadable }
                return Member(
                    party: try row.party(), keys: try row.partyKeys(), certificate: certificate,
                    isRevoked: row["isRevoked"], sinceEpoch: UInt64(row["sinceEpoch"] as Int64))
            }
            found.invitations = try Row.fetchAll(db, sql: "SELECT * FROM invitations").map(Self.invitation)
            found.returns = try Row.fetchAll(db, sql: "SELECT * FROM returns").map { row in
                try Self.reading { () throws(EnrolmentError) in try RenewalRequest(bytes: row.bytes("bytes")) }
            }
            found.denyList = try Row.fetchOne(db, sql: "SELECT bytes FROM denyLists ORDER BY number DESC LIMIT 1").map {
                row in
                try Self.reading { () throws(EnrolmentError) in try DenyList(bytes: row.bytes("bytes")) }
            }
            found.roster = try Row.fetchOne(db, sql: "SELECT bytes FROM rosters ORDER BY epoch DESC LIMIT 1").map {
                row in
                try Self.reading { () throws(EnrolmentError) in try Roster(bytes: row.bytes("bytes")) }
            }
            return found
        }
    }

    // MARK: Writing

    private static func apply(_ change: MembershipChange, _ db: Database) throws {
        switch change {
        case .invitation(let stored): try write(stored, db)
        case .member(let member):
            try db.execute(
                sql: """
                    INSERT OR REPLACE INTO members
                        (role, name, statementKey, witnessKey, serial, isRevoked, sinceEpoch)
                    VALUES (?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    member.party.role.rawValue, member.party.id.rawValue, member.keys.statement.bytes.hex,
                    member.keys.witness.bytes.hex, member.certificate.serial.hex, member.isRevoked,
                    Int64(member.sinceEpoch),
                ])
        case .certificate(let record):
            try db.execute(
                sql: "INSERT OR REPLACE INTO certificates (serial, bytes, requestHash, successor) VALUES (?, ?, ?, ?)",
                arguments: [
                    record.certificate.serial.hex, record.certificate.bytes.blob, record.requestHash.hex,
                    record.successor?.hex,
                ])
        case .returnAsked(let request, let seconds):
            try db.execute(
                sql: "INSERT OR REPLACE INTO returns (role, name, bytes, received) VALUES (?, ?, ?, ?)",
                arguments: [
                    request.party.role.rawValue, request.party.id.rawValue, request.bytes.blob, seconds,
                ])
        case .returnEnded(let party):
            try db.execute(
                sql: "DELETE FROM returns WHERE role = ? AND name = ?",
                arguments: [party.role.rawValue, party.id.rawValue])
        case .denyList(let list):
            try db.execute(
                sql: "INSERT INTO denyLists (number, bytes) VALUES (?, ?)",
                arguments: [Int64(list.number), list.bytes.blob])
        case .roster(let roster):
            try db.execute(
                sql: "INSERT INTO rosters (epoch, bytes) VALUES (?, ?)",
                arguments: [Int64(roster.content.epoch), roster.bytes.blob])
        case .entry(let entry): try EntryTable.append(entry, db)
        }
    }

    private static func write(_ stored: StoredInvitation, _ db: Database) throws {
        let invitation = stored.invitation
        let submission = invitation.submission
        try db.execute(
            sql: """
                INSERT OR REPLACE INTO invitations
                    (token, role, name, sealedProofKey, expiry, phase, wrongProofs, requestIdentity,
                     certificateRequest, statementKey, witnessKey, publicKeyHash, received, certificate)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                invitation.tokenID.hex, invitation.party.role.rawValue, invitation.party.id.rawValue,
                stored.sealedProofKey.blob, invitation.expiry, invitation.phase.rawValue, invitation.wrongProofs,
                submission?.identity.hex, submission?.certificateRequest.blob, submission?.keys.statement.bytes.hex,
                submission?.keys.witness.bytes.hex, submission?.publicKeyHash.hex, submission?.received,
                invitation.certificate?.blob,
            ])
    }

    // MARK: Reading

    private static func certificate(_ row: Row) throws -> CertificateRecord {
        CertificateRecord(
            certificate: try reading { () throws(EnrolmentError) in try IssuedCertificate(bytes: row.bytes("bytes")) },
            requestHash: try row.digest("requestHash"), successor: try row.digestIfPresent("successor"))
    }

    private static func invitation(_ row: Row) throws -> StoredInvitation {
        var submission: Submission?
        if let identity = try row.digestIfPresent("requestIdentity") {
            submission = Submission(
                identity: identity, certificateRequest: row.bytes("certificateRequest"), keys: try row.partyKeys(),
                publicKeyHash: try row.digest("publicKeyHash"), received: row["received"])
        }
        guard let token = [UInt8](hex: row["token"] as String) else { throw unreadable }
        let hasCertificate = !(row["certificate"] as DatabaseValue).isNull
        return StoredInvitation(
            invitation: Invitation(
                tokenID: token, party: try row.party(), proofKey: [], expiry: row["expiry"],
                phase: try row.word("phase"), wrongProofs: row["wrongProofs"], submission: submission,
                certificate: hasCertificate ? row.bytes("certificate") : nil),
            sealedProofKey: row.bytes("sealedProofKey"))
    }

    private static func reading<Value>(_ body: () throws(EnrolmentError) -> Value) throws -> Value {
        do { return try body() } catch { throw unreadable }
    }

    fileprivate static let unreadable = StoreError(
        .damaged, "the store holds an unreadable record of the membership",
        hint: "restore the state directory from a backup; keep the damaged copy for inspection")
}

extension Row {
    fileprivate func party() throws -> PartyName { PartyName(try word("role"), try site("name")) }

    fileprivate func partyKeys() throws -> PartyKeys {
        func key(_ column: String) throws -> StatementPublicKey {
            guard let bytes = [UInt8](hex: self[column] as String), let key = StatementPublicKey(bytes: bytes) else {
                throw AggregatorStore.unreadable
            }
            return key
        }
        return PartyKeys(statement: try key("statementKey"), witness: try key("witnessKey"))
    }
}
