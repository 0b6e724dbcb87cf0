// SPDX-License-Identifier: Apache-2.0
// An authority and parties with seeded keys, for tests of enrolment.

import Crypto
import Enrolment
import Federation
import Randomness
import Testing

/// One federation at one fixed moment.
struct TestFederation {
    static let now: Int64 = 1_800_000_000

    let name = "test.example.org"
    let random: RandomSource
    let root: [UInt8]
    let authority: CertificateAuthority
    let statementKey: StatementKey
    let authorityKey: StatementKey
    let descriptor: FederationDescriptor
    let serverKeyHash: [UInt8]

    init(seed: UInt64 = 1, newMembers: FederationDescriptor.NewMembers = .trustOperator) throws {
        random = .seeded(forTestingAndSimulation: seed)
        let rootKey = random.tlsKey()
        root = try CertificateAuthority.makeRoot(federation: name, key: rootKey, at: Self.now, random: random)
        let key = random.tlsKey()
        let issuing = try CertificateAuthority.makeIssuing(
            federation: name, key: key, root: root, rootKey: rootKey, at: Self.now, random: random)
        authority = try CertificateAuthority(federation: name, root: root, issuing: issuing, key: key)
        statementKey = random.statementKey().key
        authorityKey = random.statementKey().key
        descriptor = FederationDescriptor(
            federation: name, rootHash: rootKey.publicKeyHash, logKey: random.statementKey().key.publicKey,
            aggregatorKey: statementKey.publicKey, authorityKey: authorityKey.publicKey, newMembers: newMembers)
        serverKeyHash = random.bytes(32)
    }

    func token(for id: String, expiry: Int64 = now + 86_400) throws -> JoinToken {
        JoinToken(
            rootHash: descriptor.rootHash, id: random.bytes(8), secret: random.bytes(16), expiry: expiry,
            address: "localhost:7444", party: try #require(SiteID(id)))
    }

    func denyList(number: UInt64 = 0, _ denials: [DenyList.Denial] = []) throws -> DenyList {
        try DenyList(federation: name, number: number, issued: Self.now, denials: denials, signedBy: authorityKey)
    }

    func roster(
        _ entries: [Roster.Entry], epoch: UInt64 = 1, after previous: Roster? = nil, denyList: DenyList? = nil
    ) throws -> Roster {
        try Roster(
            Roster.Content(
                federation: name, epoch: epoch, previous: previous?.hash, issued: Self.now,
                denyList: denyList ?? self.denyList(), issuingCertificate: authority.issuingBytes, entries: entries),
            signedBy: statementKey)
    }
}

/// Somebody with keys.
struct TestParty {
    let id: SiteID
    let tls: TLSKey
    let statement: StatementKey
    let witness: StatementKey
    /// Made once, as a party does: ECDSA is randomised, so a second one would be another request.
    let certificateRequest: [UInt8]

    init(_ id: String, in federation: TestFederation) throws {
        try self.init(
            id: #require(SiteID(id)), tls: federation.random.tlsKey(), statement: federation.random.statementKey().key,
            witness: federation.random.statementKey().key)
    }

    init(id: SiteID, tls: TLSKey, statement: StatementKey, witness: StatementKey) throws {
        self.id = id
        self.tls = tls
        self.statement = statement
        self.witness = witness
        certificateRequest = try CertificateRequest.make(for: id, key: tls)
    }

    var keys: PartyKeys { PartyKeys(statement: statement.publicKey, witness: witness.publicKey) }

    func request(_ token: JoinToken, in federation: TestFederation, nonce: UInt8 = 1) throws -> EnrolmentRequest {
        try EnrolmentRequest(
            token: token, certificateRequest: certificateRequest, statementKey: statement,
            witnessKey: witness, serverKeyHash: federation.serverKeyHash, nonce: [UInt8](repeating: nonce, count: 32))
    }

    func certificate(
        in federation: TestFederation, role: PartyRole = .site, at now: Int64 = TestFederation.now
    ) throws -> IssuedCertificate {
        try federation.authority.issue(
            to: PartyName(role, id), keys: keys, publicKey: tls.key.publicKey, at: now, random: federation.random)
    }

    func entry(
        in federation: TestFederation, since epoch: UInt64 = 1, change: Roster.Change = .none
    ) throws -> Roster.Entry {
        Roster.Entry(
            site: id, certificate: try certificate(in: federation).bytes, keys: keys, sinceEpoch: epoch, change: change)
    }
}
