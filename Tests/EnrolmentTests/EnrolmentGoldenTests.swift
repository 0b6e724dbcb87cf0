// SPDX-License-Identifier: Apache-2.0
// Our bytes, hashes and signatures of enrolment equal those that a Python program computed from the specification.

import Enrolment
import Federation
import Testing

@Suite struct EnrolmentGoldenTests {
    private let vectors: EnrolmentVectors

    init() throws { vectors = try EnrolmentVectors.load() }

    private func token() throws -> JoinToken { try JoinToken(text: vectors.token) }

    @Test func tokenIsReadAndWrittenAsPublished() throws {
        let token = try token()
        #expect(token.rootHash == (try vectors.digest(\.rootHash)))
        #expect(token.id == (try vectors.bytes(\.tokenID)))
        #expect(token.secret == (try vectors.bytes(\.secret)))
        #expect(token.expiry == vectors.expiry)
        #expect(token.address == vectors.address)
        #expect(token.party.rawValue == vectors.site)
        #expect(token.endpoint?.host == "aggregator.example.org" && token.endpoint?.port == 7444)
        #expect(token.proofKey == (try vectors.bytes(\.proofKey)))
        #expect(token.text == vectors.token)
    }

    @Test func everyBadTokenIsRefused() throws {
        #expect(vectors.badTokens.count >= 8)
        for (reason, text) in vectors.badTokens {
            #expect(throws: EnrolmentError.self, "\(reason)") { _ = try JoinToken(text: text) }
        }
    }

    @Test func requestIsProvedAsPublished() throws {
        let request = try EnrolmentRequest(bytes: vectors.bytes(\.request))
        #expect(request.bytes == (try vectors.bytes(\.request)))
        let message = request.message(serverKeyHash: try vectors.bytes(\.serverKeyHash))
        #expect(message == (try vectors.bytes(\.message)))
        #expect(request.proof == (try vectors.bytes(\.proof)))
        #expect(request.keys.hash == (try vectors.digest(\.keysHash)))
        // Ed25519 is deterministic: made here from the same parts, the request has the same bytes.
        let made = try EnrolmentRequest(
            token: token(), certificateRequest: vectors.bytes(\.certificateRequest),
            statementKey: #require(StatementKey(seed: vectors.bytes(\.statementSeed))),
            witnessKey: #require(StatementKey(seed: vectors.bytes(\.witnessSeed))),
            serverKeyHash: vectors.bytes(\.serverKeyHash), nonce: vectors.bytes(\.nonce))
        #expect(made == request)
    }

    @Test func descriptorAndSixWordsAreAsPublished() throws {
        let descriptor = try FederationDescriptor(bytes: vectors.bytes(\.descriptor))
        #expect(descriptor.bytes == (try vectors.bytes(\.descriptor)))
        #expect(descriptor.hash == (try vectors.digest(\.descriptorHash)))
        #expect(descriptor.newMembers == .vouched)
        let request = try EnrolmentRequest(bytes: vectors.bytes(\.request))
        let checked = try CertificateRequest(bytes: request.certificateRequest, party: request.party)
        let words = SixWords(
            rootHash: descriptor.rootHash, party: request.party, publicKeyHash: checked.publicKeyHash,
            keys: request.keys, descriptorHash: descriptor.hash)
        #expect(words.description == vectors.words)
    }

    @Test func foreignCertificatesVerifyAndAnEscapeDoesNot() async throws {
        let root = try vectors.bytes(\.root)
        let issuing = try vectors.bytes(\.issuing)
        #expect(CertificateChain.publicKeyHash(ofCertificate: root) == (try vectors.digest(\.rootHash)))
        let leaf = try await CertificateChain.verify(
            leaf: vectors.bytes(\.leaf), issuer: issuing, root: root, federation: vectors.federation, at: vectors.now)
        #expect(leaf.party.description == "site \(vectors.site)")
        #expect(leaf.keysHash == (try vectors.digest(\.keysHash)))
        #expect(leaf.serial == (try vectors.bytes(\.serial)))
        // Name constraint: an issuing key cannot speak for another federation.
        await #expect(throws: EnrolmentError.badSignature) {
            _ = try await CertificateChain.verify(
                leaf: vectors.bytes(\.escapedLeaf), issuer: issuing, root: root, federation: "other.example.org",
                at: vectors.now)
        }
        await #expect(throws: EnrolmentError.badSignature, "expired") {
            _ = try await CertificateChain.verify(
                leaf: vectors.bytes(\.leaf), issuer: issuing, root: root, federation: vectors.federation,
                at: vectors.now + 8 * 86_400)
        }
    }

    @Test func renewalIsReadAndItsSignatureHolds() throws {
        let bytes = try vectors.bytes(\.renewal)
        let renewal = try RenewalRequest(bytes: bytes)
        #expect(renewal.bytes == bytes)
        let keys = try EnrolmentRequest(bytes: vectors.bytes(\.request)).keys
        #expect(renewal.isSigned(by: keys.statement))
        #expect(!renewal.isSigned(by: keys.witness))
        #expect(renewal.replacedSerial == (try vectors.bytes(\.serial)))
    }

    @Test func rostersAndDenyListsVerifyAsPublished() async throws {
        let descriptor = try FederationDescriptor(bytes: vectors.bytes(\.descriptor))
        let empty = try DenyList(bytes: vectors.bytes(\.emptyDenyList))
        let deny = try DenyList(bytes: vectors.bytes(\.denyList))
        let first = try Roster(bytes: vectors.bytes(\.firstRoster))
        let second = try Roster(bytes: vectors.bytes(\.secondRoster))
        #expect(empty.bytes == (try vectors.bytes(\.emptyDenyList)))
        #expect(deny.bytes == (try vectors.bytes(\.denyList)))
        #expect(first.bytes == (try vectors.bytes(\.firstRoster)))
        #expect(second.bytes == (try vectors.bytes(\.secondRoster)))
        let request = try EnrolmentRequest(bytes: vectors.bytes(\.request))
        let check = RosterCheck(
            descriptor: descriptor, root: try vectors.bytes(\.root), ownSite: request.party, ownKeys: request.keys)
        #expect(await check.objections(to: first, denyList: empty, after: nil) == [])
        #expect(await check.objections(to: second, denyList: deny, after: RosterCheck.Memory(first)) == [])
        #expect(
            await check.objections(to: first, denyList: empty, after: RosterCheck.Memory(second))
                == [.lowerEpoch, .lowerDenyNumber])
        #expect(await check.objections(to: second, denyList: empty, after: RosterCheck.Memory(first)) == [.badDenyList])
    }

    /// No single altered byte of a signed object is ever read as the same object with a good signature.
    @Test func everyAlteredByteIsNoticed() throws {
        let descriptor = try FederationDescriptor(bytes: vectors.bytes(\.descriptor))
        let roster = try vectors.bytes(\.secondRoster)
        for index in roster.indices {
            var altered = roster
            altered[index] ^= 1
            let read = try? Roster(bytes: altered)
            #expect(read.map { $0.isSigned(by: descriptor.aggregatorKey) } != true, "byte \(index)")
        }
        let list = try vectors.bytes(\.denyList)
        for index in list.indices {
            var altered = list
            altered[index] ^= 1
            let read = try? DenyList(bytes: altered)
            #expect(read.map { $0.isSigned(by: descriptor.authorityKey) } != true, "byte \(index)")
        }
        let request = try vectors.bytes(\.request)
        for count in 0..<request.count {
            #expect(throws: EnrolmentError.self) { _ = try EnrolmentRequest(bytes: Array(request.prefix(count))) }
        }
        #expect(throws: EnrolmentError.self) { _ = try EnrolmentRequest(bytes: request + [0]) }
    }
}
