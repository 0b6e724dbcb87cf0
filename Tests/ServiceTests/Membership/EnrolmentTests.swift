// SPDX-License-Identifier: Apache-2.0
// Joining over real TLS, and the attacks on it: wrong pin, man in the middle, stolen, guessed and replayed tokens.

import AggregatorService
import Enrolment
import Federation
import Foundation
import NIOCore
import PeerTransport
import Randomness
import SiteService
import Store
import TestSupport
import Testing
import WireProtocol

@Suite(.timeLimit(.minutes(2)), .serialized)
struct EnrolmentTests {
    private func refusal(_ body: () async throws -> IssuedCertificate) async -> EnrolmentError? {
        do {
            _ = try await body()
            return nil
        } catch {
            return error as? EnrolmentError
        }
    }

    @Test func aHospitalJoinsWithATokenAndSixEqualWords() async throws {
        try await EnrolledFederation.run { federation in
            let token = try await federation.invite("cleveland")
            let shown = LockedValue<[String]>([])
            let certificate = try await federation.client("cleveland").join(token) { progress in
                guard case .waiting(let words) = progress else { return }
                shown.set(shown.get() + [words.description])
                let waiting = await federation.registry.overview().parties.filter { $0.state == "waiting" }
                #expect(waiting.map(\.words) == [words.description])
                // Other words are another request, and are not approved.
                await #expect(throws: RegistryError.self) {
                    try await federation.registry.approve(
                        try federation.party("cleveland"), words: "abandon abandon abandon abandon abandon abandon")
                }
                try? await federation.registry.approve(try federation.party("cleveland"), words: words.description)
            }
            #expect(shown.get().count == 1)
            #expect(certificate.party == (try federation.party("cleveland")))
            let connection = try await federation.connect("cleveland")
            #expect(await federation.isWelcome(connection))
            let files = try FileManager.default.contentsOfDirectory(atPath: federation.keys("cleveland"))
            #expect(
                Set(files) == [
                    "authority.pem", "descriptor.bin", "enrolment", "identity.pem", "statement.key", "witness.key",
                ], "the token and the spare request are gone")
            for file in files {
                let attributes = try FileManager.default.attributesOfItem(
                    atPath: federation.keys("cleveland") + "/" + file)
                #expect(attributes[.posixPermissions] as? Int == 0o600, "\(file)")
            }
            let key = federation.registry.folder.descriptor.aggregatorKey
            for kind in [EntryKind.enrolmentRequested, .enrolmentApproved, .rosterEpoch] {
                let entries = try await federation.entries(kind)
                #expect(entries.count == 1 && entries.allSatisfy { $0.isSigned(by: key) }, "\(kind)")
            }
        }
    }

    @Test func aWrongPinAndAMemberThatPlaysTheServerAreNoticedBeforeAnythingIsSent() async throws {
        try await EnrolledFederation.run { federation in
            let token = try await federation.invite("cleveland")
            let wrong = JoinToken(
                rootHash: Digest(of: [], domain: "another root"), id: token.id, secret: token.secret,
                expiry: token.expiry, address: token.address, party: token.party)
            #expect(await refusal { try await federation.client("a").join(wrong) { _ in } } == .wrongServer)
            #expect(try await federation.entries(.enrolmentRequested).isEmpty)
            // A member of the federation, with a chain to the pinned root, at another port.
            try await federation.join("mallory")
            let file = federation.keys("mallory") + "/server.pem"
            var chain = try SecretFile.read(federation.keys("mallory") + "/identity.pem")
            chain += try SecretFile.readPublic(federation.folder + "/keys/authority.pem")
            try SecretFile.write(chain, to: file)
            try await expectNothingSent(
                by: token,
                to: TLSIdentity(
                    certificateChainPath: file, privateKeyPath: file,
                    trustRootsPath: federation.folder + "/keys/authority.pem"), in: federation)
        }
    }

    @Test func aManInTheMiddleWithAPublicAuthorityGetsNothing() async throws {
        try await EnrolledFederation.run { federation in
            let token = try await federation.invite("cleveland")
            // His certificate is valid for the host, under an authority that everybody trusts; the pinned root is
            // public, so he shows it, too.
            let authority = try TestAuthority(name: "Public Authority")
            let leaf = try authority.leaf(id: "aggregator", role: "aggregator")
            let file = federation.folder + "/middle.pem"
            try SecretFile.write(
                try Array(Data(contentsOf: URL(filePath: leaf.certificateChainPath))) + Array("\n".utf8)
                    + SecretFile.readPublic(federation.folder + "/keys/authority.pem"), to: file)
            try await expectNothingSent(
                by: token,
                to: TLSIdentity(
                    certificateChainPath: file, privateKeyPath: leaf.privateKeyPath,
                    trustRootsPath: federation.folder + "/keys/authority.pem"), in: federation)
        }
    }

    /// Joins at a port where another identity listens: no byte may arrive there.
    private func expectNothingSent(
        by token: JoinToken, to identity: TLSIdentity, in federation: EnrolledFederation
    ) async throws {
        let port = try freePort()
        let heard = LockedValue(0)
        let moved = JoinToken(
            rootHash: token.rootHash, id: token.id, secret: token.secret, expiry: token.expiry,
            address: "localhost:\(port)", party: token.party)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await PeerListener.run(
                    host: "127.0.0.1", port: port, identity: identity, clients: .newcomers, logger: quietLogger,
                    onConnection: { connection in
                        while let frame = try? await connection.nextFrame() {
                            heard.set(heard.get() + frame.payload.readableBytes)
                        }
                    })
            }
            defer { group.cancelAll() }
            try await eventually("the false server listens") {
                (try? await PeerConnector.presentedCertificates(host: "localhost", port: port)) != nil
            }
            await #expect(throws: TransportError.self) {
                _ = try await federation.client("victim").join(moved) { _ in }
            }
        }
        #expect(heard.get() == 0)
    }

    @Test func stolenGuessedExpiredAndForeignTokensAreRefused() async throws {
        try await EnrolledFederation.run { federation in
            let token = try await federation.invite("cleveland")
            try await federation.finish("cleveland") {
                try await federation.client("cleveland").join(token, onProgress: $0)
            }
            // Replayed with other keys.
            #expect(await refusal { try await federation.client("thief").join(token) { _ in } } == .usedToken)
            #expect(try await federation.entries(.incident).count == 1)
            // Guessed.
            let other = try await federation.invite("budapest")
            for guess in 1...5 {
                let wrong = JoinToken(
                    rootHash: other.rootHash, id: other.id, secret: [UInt8](repeating: UInt8(guess), count: 16),
                    expiry: other.expiry, address: other.address, party: other.party)
                let reason = await refusal { try await federation.client("guesser").join(wrong) { _ in } }
                #expect(reason == (guess < 5 ? .wrongProof : .deadToken))
            }
            #expect(await refusal { try await federation.client("budapest").join(other) { _ in } } == .deadToken)
            // Of another federation with the same root hash in it, as far as one can make it up.
            let foreign = JoinToken(
                rootHash: other.rootHash, id: RandomSource.system.bytes(8), secret: other.secret, expiry: other.expiry,
                address: other.address, party: other.party)
            #expect(await refusal { try await federation.client("foreign").join(foreign) { _ in } } == .unknownToken)
            // Expired; the site's own clock is a week late, so it asks nevertheless.
            let late = try await federation.invite("zurich")
            federation.pass(seconds: JoinToken.standardLifetime)
            #expect(
                await refusal {
                    try await federation.client("zurich", clock: { late.expiry - 1 }).join(late) { _ in }
                } == .expiredToken)
        }
    }

    @Test(arguments: [-600, 600] as [Int64]) func clocksTenMinutesApartDoNotMatter(skew: Int64) async throws {
        try await EnrolledFederation.run { federation in
            let token = try await federation.invite("cleveland")
            let certificate = try await federation.finish("cleveland") {
                try await federation.client("cleveland", clock: { federation.now + skew }).join(token, onProgress: $0)
            }
            #expect(certificate.notBefore <= federation.now + skew)
            let connection = try await federation.connect("cleveland")
            #expect(await federation.isWelcome(connection))
        }
    }

    @Test func anInterruptedJoinGoesOnWithTheSameWordsAndAfterARestartOfTheAggregator() async throws {
        try await EnrolledFederation.run { federation in
            let token = try await federation.invite("cleveland")
            let first = LockedValue("")
            let task = Task {
                try await federation.client("cleveland").join(token) { progress in
                    if case .waiting(let words) = progress { first.set(words.description) }
                }
            }
            try await eventually("the words are shown") { !first.get().isEmpty }
            task.cancel()
            _ = await task.result
            let kept = try #require(try PartyFolder(federation.keys("cleveland")).pendingToken())
            #expect(kept == token)
            // What a restarted aggregator reads from its store.
            let again = try await Registry(
                folder: AuthorityFolder(federation.folder + "/keys"), store: federation.store,
                clock: { federation.now }, logger: quietLogger)
            #expect(await again.overview().parties.map(\.words) == [first.get()])
            let certificate = try await federation.finish("cleveland") { onProgress in
                try await federation.client("cleveland").join(kept) { progress in
                    if case .waiting(let words) = progress { #expect(words.description == first.get()) }
                    await onProgress(progress)
                }
            }
            #expect(certificate.party.id == token.party)
        }
    }

    @Test func declinedRequestsEndAndTwoMembersOfOneNameAreNotMade() async throws {
        try await EnrolledFederation.run { federation in
            let token = try await federation.invite("cleveland")
            let reason = await refusal {
                try await federation.client("cleveland").join(token) { progress in
                    if case .waiting = progress {
                        try? await federation.registry.decline(try federation.party("cleveland"))
                    }
                }
            }
            #expect(reason == .declined)
            try await federation.join("budapest")
            await #expect(throws: RegistryError.self) { _ = try await federation.invite("budapest") }
        }
    }
}
