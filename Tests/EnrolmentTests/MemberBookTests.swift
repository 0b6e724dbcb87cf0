// SPDX-License-Identifier: Apache-2.0
// Renewal: new key, replaced serial number, stolen leaf, lost answer, missed renewal, revoked member.

import Crypto
import Enrolment
import Federation
import Testing

@Suite struct MemberBookTests {
    private let federation: TestFederation
    private let party: TestParty
    private let first: IssuedCertificate
    private var book: MemberBook
    private let now = TestFederation.now

    init() throws {
        federation = try TestFederation()
        party = try TestParty("cleveland", in: federation)
        first = try party.certificate(in: federation)
        book = MemberBook()
        book.add(
            Member(party: first.party, keys: party.keys, certificate: first, sinceEpoch: 1),
            request: Federation.Digest(of: [], domain: "first"))
    }

    private func renewal(
        key: TLSKey, replacing serial: [UInt8]? = nil, signedBy statement: StatementKey? = nil, role: PartyRole = .site
    ) throws -> RenewalRequest {
        try RenewalRequest(
            federation: federation.name, party: PartyName(role, party.id), replacedSerial: serial ?? first.serial,
            certificateRequest: CertificateRequest.make(for: party.id, key: key), signedBy: statement ?? party.statement
        )
    }

    private func judge(_ request: RenewalRequest, isReturn: Bool = false, at time: Int64? = nil) -> MemberBook.Verdict {
        book.judge(request, federation: federation.name, isReturn: isReturn, now: time ?? now)
    }

    @Test func aNewKeyIsIssuedAndAnOldOneIsNot() throws {
        let key = federation.random.tlsKey()
        guard case .issue(let granted) = judge(try renewal(key: key)) else {
            Issue.record("a proper renewal is refused")
            return
        }
        #expect(granted.publicKey == key.publicKeyHash)
        #expect(judge(try renewal(key: party.tls)) == .refused(.knownKey, alarm: .keyReused))
    }

    @Test mutating func aReplacedSerialIsRefusedAndALostAnswerRepeated() throws {
        let key = federation.random.tlsKey()
        let request = try renewal(key: key)
        let next = try federation.authority.issue(
            to: first.party, keys: party.keys, publicKey: key.key.publicKey, at: now + 400_000,
            random: federation.random)
        book.renewed(
            next, replacing: first.serial, request: Federation.Digest(of: request.certificateRequest, domain: ""))
        #expect(judge(request) == .again(next))
        // A thief with a stolen leaf and statement key, beside the hospital.
        #expect(
            judge(try renewal(key: federation.random.tlsKey())) == .refused(.replacedSerial, alarm: .serialReplaced))
        guard case .issue = judge(try renewal(key: federation.random.tlsKey(), replacing: next.serial)) else {
            Issue.record("the successor cannot be renewed")
            return
        }
    }

    @Test func aStolenLeafAloneRenewsNothing() throws {
        let thief = try TestParty("thief", in: federation)
        #expect(
            judge(try renewal(key: thief.tls, signedBy: thief.statement)) == .refused(.badSignature, alarm: nil))
        #expect(judge(try renewal(key: thief.tls, role: .operator)) == .refused(.notMember, alarm: nil))
    }

    @Test mutating func aRevokedMemberRenewsNothingAndAllItsKeysAreDenied() throws {
        #expect(book.revoke(first.party) == [first.publicKeyHash])
        #expect(judge(try renewal(key: federation.random.tlsKey())) == .refused(.revoked, alarm: nil))
        #expect(book.sites.isEmpty)
    }

    @Test func theWayBackIsOpenForThirtyDaysAfterExpiry() throws {
        let request = try renewal(key: federation.random.tlsKey())
        #expect(judge(request, isReturn: true, at: first.notAfter - 600) == .refused(.notExpired, alarm: nil))
        // At a site whose clock is ten minutes ahead it has expired.
        guard case .issue = judge(request, isReturn: true, at: first.notAfter - 599) else {
            Issue.record("ten minutes between two clocks keep a member out")
            return
        }
        guard case .issue = judge(request, isReturn: true, at: first.notAfter + 29 * 86_400) else {
            Issue.record("a return within thirty days is refused")
            return
        }
        #expect(judge(request, isReturn: true, at: first.notAfter + 30 * 86_400) == .refused(.tooLate, alarm: nil))
    }
}
