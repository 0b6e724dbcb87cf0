// SPDX-License-Identifier: Apache-2.0
// Tokens that are guessed, stolen, replayed or late; requests with bad keys; the way from request to certificate.

import Crypto
import Enrolment
import Federation
import Foundation
import SwiftASN1
import Testing
import X509

@Suite struct EnrolmentStateMachineTests {
    private let federation: TestFederation
    private let now = TestFederation.now

    init() throws { federation = try TestFederation() }

    private func machine(_ token: JoinToken) -> EnrolmentStateMachine {
        var machine = EnrolmentStateMachine()
        _ = machine.handle(
            .invited(
                Invitation(
                    tokenID: token.id, party: PartyName(.site, token.party), proofKey: token.proofKey,
                    expiry: token.expiry)), now: now)
        return machine
    }

    private func answer(
        _ machine: inout EnrolmentStateMachine, _ request: EnrolmentRequest, at time: Int64? = nil,
        source: String = "192.0.2.1", server: [UInt8]? = nil
    ) -> (EnrolmentStateMachine.Answer?, [EnrolmentStateMachine.Action]) {
        let actions = machine.handle(
            .requested(request, source: source, serverKeyHash: server ?? federation.serverKeyHash), now: time ?? now)
        let answers = actions.compactMap { action -> EnrolmentStateMachine.Answer? in
            if case .reply(let answer) = action { answer } else { nil }
        }
        return (answers.first, actions)
    }

    @Test func aRequestWaitsForAPersonAndIsThenIssuedOnceForAllRepetitions() throws {
        let token = try federation.token(for: "cleveland")
        let party = try TestParty("cleveland", in: federation)
        var machine = machine(token)
        let request = try party.request(token, in: federation)
        let (first, actions) = answer(&machine, request)
        #expect(first == .waiting)
        #expect(actions.count == 3)
        #expect(machine.waiting.map(\.party.id) == [party.id])
        #expect(machine.handle(.approved(tokenID: token.id), now: now) == [.issue(machine.waiting[0])])
        let certificate = try party.certificate(in: federation).bytes
        _ = machine.handle(.issued(tokenID: token.id, certificate: certificate), now: now)
        // A lost answer does not cost the token: the same request with another nonce, even after expiry.
        let again = try EnrolmentRequest(
            token: token, certificateRequest: request.certificateRequest, statementKey: party.statement,
            witnessKey: party.witness, serverKeyHash: federation.serverKeyHash, nonce: [UInt8](repeating: 9, count: 32))
        #expect(answer(&machine, again, at: now + 100_000).0 == .issued(certificate: certificate))
        #expect(machine.handle(.approved(tokenID: token.id), now: now).isEmpty)
    }

    @Test func aStolenTokenWithOtherKeysRaisesAnAlarmAndChangesNothing() throws {
        let token = try federation.token(for: "cleveland")
        var machine = machine(token)
        let honest = try TestParty("cleveland", in: federation)
        let thief = try TestParty("cleveland", in: federation)
        _ = answer(&machine, try honest.request(token, in: federation))
        let (reply, actions) = answer(&machine, try thief.request(token, in: federation))
        #expect(reply == .refused(.usedToken))
        #expect(actions.contains(.alarm(.tokenUsedTwice, PartyName(.site, honest.id))))
        #expect(machine.waiting.first?.submission?.keys == honest.keys)
    }

    @Test func expiredForeignAndUnknownTokensAreRefused() throws {
        let token = try federation.token(for: "cleveland")
        let party = try TestParty("cleveland", in: federation)
        var known = machine(token)
        #expect(answer(&known, try party.request(token, in: federation), at: token.expiry).0 == .refused(.expiredToken))
        // A clock that is ten minutes off at the site changes nothing: only the authority's counts.
        #expect(answer(&known, try party.request(token, in: federation), at: token.expiry - 1).0 == .waiting)
        var none = EnrolmentStateMachine()
        #expect(answer(&none, try party.request(token, in: federation)).0 == .refused(.unknownToken))
        // A token for another party: its secret proves, its name does not.
        var other = machine(token)
        let renamed = JoinToken(
            rootHash: token.rootHash, id: token.id, secret: token.secret, expiry: token.expiry, address: token.address,
            party: try #require(SiteID("budapest")))
        let budapest = try TestParty("budapest", in: federation)
        #expect(answer(&other, try budapest.request(renamed, in: federation)).0 == .refused(.wrongName))
    }

    @Test func fiveGuessesKillATokenAndSlowGuessersAreHeldBack() throws {
        let token = try federation.token(for: "cleveland")
        let party = try TestParty("cleveland", in: federation)
        var machine = machine(token)
        for guess in 1...5 {
            let wrong = JoinToken(
                rootHash: token.rootHash, id: token.id, secret: [UInt8](repeating: UInt8(guess), count: 16),
                expiry: token.expiry, address: token.address, party: token.party)
            let (reply, actions) = answer(&machine, try party.request(wrong, in: federation))
            #expect(reply == .refused(guess < 5 ? .wrongProof : .deadToken))
            #expect(actions.contains(.alarm(.tokenGuessed, PartyName(.site, party.id))) == (guess == 5))
        }
        #expect(answer(&machine, try party.request(token, in: federation)).0 == .refused(.deadToken))
        var replies: Set<EnrolmentStateMachine.Answer> = []
        for _ in 0..<30 {
            if let reply = answer(&machine, try party.request(token, in: federation), source: "192.0.2.7").0 {
                replies.insert(reply)
            }
        }
        #expect(replies.contains(.refused(.tooManyRequests)))
        // Others are not held back by it, and it may come back later.
        #expect(
            answer(&machine, try party.request(token, in: federation), source: "192.0.2.8").0 == .refused(.deadToken))
        #expect(
            answer(&machine, try party.request(token, in: federation), at: now + 60, source: "192.0.2.7").0
                == .refused(.deadToken))
    }

    @Test func aRelayedRequestDoesNotFitAnotherServer() throws {
        let token = try federation.token(for: "cleveland")
        let party = try TestParty("cleveland", in: federation)
        var machine = machine(token)
        let request = try party.request(token, in: federation)
        #expect(answer(&machine, request, server: [UInt8](repeating: 7, count: 32)).0 == .refused(.wrongProof))
    }

    @Test func certificateRequestsWithAWeakKeyAnotherNameOrAForeignSignatureAreRefused() throws {
        let id = try #require(SiteID("cleveland"))
        func der(_ request: CertificateSigningRequest) throws -> [UInt8] {
            var serializer = DER.Serializer()
            try serializer.serialize(request)
            return serializer.serializedBytes
        }
        func make(
            _ name: String, key: Certificate.PrivateKey, algorithm: Certificate.SignatureAlgorithm = .ecdsaWithSHA256,
            attributes: CertificateSigningRequest.Attributes = .init()
        ) throws -> [UInt8] {
            try der(
                CertificateSigningRequest(
                    version: .v1, subject: DistinguishedName { CommonName(name) }, privateKey: key,
                    attributes: attributes, signatureAlgorithm: algorithm))
        }
        let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
        let good = try make("cleveland", key: key)
        _ = try CertificateRequest(bytes: good, party: id)
        #expect(throws: EnrolmentError.wrongName) {
            _ = try CertificateRequest(bytes: try make("budapest", key: key), party: id)
        }
        #expect(throws: EnrolmentError.weakKey) {
            let rsa = Certificate.PrivateKey(P384.Signing.PrivateKey())
            _ = try CertificateRequest(
                bytes: try make("cleveland", key: rsa, algorithm: .ecdsaWithSHA384), party: id)
        }
        #expect(throws: EnrolmentError.wrongName) {
            let extensions = try Certificate.Extensions {
                SubjectAlternativeNames([.uniformResourceIdentifier("fl://test/operator/cleveland")])
            }
            let attributes = try CertificateSigningRequest.Attributes([.init(ExtensionRequest(extensions: extensions))])
            _ = try CertificateRequest(bytes: try make("cleveland", key: key, attributes: attributes), party: id)
        }
        var altered = good
        altered[altered.count - 1] ^= 1
        #expect(throws: EnrolmentError.self) { _ = try CertificateRequest(bytes: altered, party: id) }
        #expect(throws: EnrolmentError.malformed) { _ = try CertificateRequest(bytes: good + [0], party: id) }
    }

    @Test func aRequestWithSomebodyElsesKeyIsRefused() throws {
        let first = try federation.token(for: "cleveland")
        let second = try federation.token(for: "budapest")
        var machine = machine(first)
        _ = machine.handle(
            .invited(
                Invitation(
                    tokenID: second.id, party: PartyName(.site, second.party), proofKey: second.proofKey,
                    expiry: second.expiry)), now: now)
        let cleveland = try TestParty("cleveland", in: federation)
        _ = answer(&machine, try cleveland.request(first, in: federation))
        let fresh = try TestParty("budapest", in: federation)
        let sharing = try TestParty(
            id: fresh.id, tls: fresh.tls, statement: fresh.statement, witness: cleveland.witness)
        let (reply, actions) = answer(&machine, try sharing.request(second, in: federation))
        #expect(reply == .refused(.knownKey))
        #expect(actions.contains(.alarm(.keyReused, PartyName(.site, fresh.id))))
        let one = try TestParty(id: fresh.id, tls: fresh.tls, statement: fresh.statement, witness: fresh.statement)
        #expect(answer(&machine, try one.request(second, in: federation)).0 == .refused(.knownKey))
        // Registering a key without holding it: the signature is by another one.
        let honest = try fresh.request(second, in: federation)
        var bytes = honest.bytes
        bytes[bytes.count - 64] ^= 1
        #expect(answer(&machine, try EnrolmentRequest(bytes: bytes)).0 == .refused(.badSignature))
    }

    @Test func aMachineFromStoredInvitationsGoesOnWhereItWas() throws {
        let token = try federation.token(for: "cleveland")
        let party = try TestParty("cleveland", in: federation)
        var before = machine(token)
        _ = answer(&before, try party.request(token, in: federation))
        var after = EnrolmentStateMachine(invitations: Array(before.invitations.values))
        #expect(answer(&after, try party.request(token, in: federation, nonce: 3)).0 == .waiting)
        let thief = try TestParty("cleveland", in: federation)
        #expect(answer(&after, try thief.request(token, in: federation)).0 == .refused(.usedToken))
    }
}
