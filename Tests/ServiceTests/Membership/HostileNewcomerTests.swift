// SPDX-License-Identifier: Apache-2.0
// At the port for newcomers, over real TLS: foreign tokens, bad and oversized requests, silence, and clocks that differ.

import AggregatorService
import Crypto
import Enrolment
import Federation
import Foundation
import NIOCore
import PeerTransport
import Randomness
import SiteService
import SwiftASN1
import Testing
import X509

@Suite(.timeLimit(.minutes(2)), .serialized)
struct HostileNewcomerTests {
    private let random = RandomSource.system

    private func refusal(_ body: () async throws -> IssuedCertificate) async -> EnrolmentError? {
        do {
            _ = try await body()
            return nil
        } catch {
            return error as? EnrolmentError
        }
    }

    /// Runs a federation whose port for newcomers is open.
    private func run(startingEarlier earlier: Int64 = 0, _ body: (EnrolledFederation) async throws -> Void) async throws
    {
        try await EnrolledFederation.run(startingEarlier: earlier) { federation in
            try await eventually("the port for newcomers is open") {
                (try? await PeerConnector.presentedCertificates(host: "localhost", port: federation.enrolmentPort))
                    != nil
            }
            try await body(federation)
        }
    }

    /// A connection of somebody who has no certificate, and nothing against it.
    private func newcomer(_ federation: EnrolledFederation) async throws -> any PeerConnection {
        try await PeerConnector.connectToEnrol(
            host: "localhost", port: federation.enrolmentPort, root: federation.registry.folder.authority.rootBytes,
            gate: PeerGate())
    }

    /// What the aggregator answers to these bytes; nil when it closes.
    private func answer(to bytes: [UInt8], in federation: EnrolledFederation) async throws -> EnrolmentReply? {
        let connection = try await newcomer(federation)
        try await connection.send(Frame(controlBytes: bytes))
        let frame = (try? await connection.nextFrame()) ?? nil
        await connection.close()
        return try frame.map { try EnrolmentReply(bytes: $0.controlBytes) }
    }

    /// A request with a real proof and real signatures for any PKCS#10.
    private func request(
        _ token: JoinToken, _ certificateRequest: [UInt8], in federation: EnrolledFederation
    ) throws -> [UInt8] {
        try EnrolmentRequest(
            token: token, certificateRequest: certificateRequest, statementKey: random.statementKey().key,
            witnessKey: random.statementKey().key, serverKeyHash: federation.registry.folder.shownKeyHash,
            nonce: random.bytes(32)
        ).bytes
    }

    @Test func aTokenOfAnotherFederationOpensNothing() async throws {
        try await run { ours in
            try await run { theirs in
                let foreign = try await theirs.invite("cleveland")
                // As it is, but for the place: their root is pinned, and ours is shown.
                let moved = JoinToken(
                    rootHash: foreign.rootHash, id: foreign.id, secret: foreign.secret, expiry: foreign.expiry,
                    address: "localhost:\(ours.enrolmentPort)", party: foreign.party)
                #expect(
                    await refusal { try await ours.client("moved").join(moved) { _ in } } == .wrongServer)
                // With our root in it: the proof is of a token that nobody here has given out.
                let forged = JoinToken(
                    rootHash: ours.registry.folder.descriptor.rootHash, id: foreign.id, secret: foreign.secret,
                    expiry: foreign.expiry, address: "localhost:\(ours.enrolmentPort)", party: foreign.party)
                #expect(
                    await refusal { try await ours.client("forged").join(forged) { _ in } } == .unknownToken)
                #expect(try await ours.entries(.enrolmentRequested).isEmpty)
                // It was not used up by this.
                try await theirs.finish("cleveland") {
                    try await theirs.client("cleveland").join(foreign, onProgress: $0)
                }
            }
        }
    }

    @Test func requestsWithAWeakKeyOrAnotherNameAreRefusedAndCostNoToken() async throws {
        func der(_ name: String, _ key: Certificate.PrivateKey, _ algorithm: Certificate.SignatureAlgorithm) throws
            -> [UInt8]
        {
            var serializer = DER.Serializer()
            try serializer.serialize(
                CertificateSigningRequest(
                    version: .v1, subject: DistinguishedName { CommonName(name) }, privateKey: key,
                    attributes: .init(), signatureAlgorithm: algorithm))
            return serializer.serializedBytes
        }
        try await run { federation in
            let token = try await federation.invite("cleveland")
            let id = try #require(SiteID("cleveland"))
            let good = Certificate.PrivateKey(P256.Signing.PrivateKey())
            let cases: [(EnrolmentError, [UInt8])] = [
                (.weakKey, try der("cleveland", .init(P384.Signing.PrivateKey()), .ecdsaWithSHA384)),
                (.weakKey, try der("cleveland", .init(Curve25519.Signing.PrivateKey()), .ed25519)),
                (.weakKey, try Self.rsaRequest(bits: 2_048, name: "cleveland")),
                (.malformed, try Self.rsaRequest(bits: 1_024, name: "cleveland")),
                (.wrongName, try der("budapest", good, .ecdsaWithSHA256)),
                (.wrongName, try der("cleveland.example.org", good, .ecdsaWithSHA256)),
                (.malformed, Array(try CertificateRequest.make(for: id, key: random.tlsKey()).dropLast())),
            ]
            for (reason, bytes) in cases {
                let reply = try await answer(to: try request(token, bytes, in: federation), in: federation)
                #expect(reply == .refused(reason))
            }
            #expect(try await federation.entries(.enrolmentRequested).isEmpty)
            try await federation.finish("cleveland") {
                try await federation.client("cleveland").join(token, onProgress: $0)
            }
        }
    }

    /// A PKCS#10 with an RSA key by openssl, which still makes short ones.
    private static func rsaRequest(bits: Int, name: String) throws -> [UInt8] {
        let file = FileManager.default.temporaryDirectory.appending(path: "rsa-\(UUID().uuidString).der")
        defer { try? FileManager.default.removeItem(at: file) }
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/openssl")
        process.arguments = [
            "req", "-new", "-newkey", "rsa:\(bits)", "-nodes", "-keyout", "/dev/null", "-subj", "/CN=\(name)",
            "-outform", "DER", "-out", file.path,
        ]
        process.standardInput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
        return try Array(Data(contentsOf: file))
    }

    @Test func whateverIsTooLongIsRefusedAndOthersJoin() async throws {
        try await run { federation in
            let token = try await federation.invite("cleveland")
            for count in [4_097, 65_535] {
                let long = try request(token, [UInt8](repeating: 0x30, count: count), in: federation)
                #expect(try await answer(to: long, in: federation) == .refused(.malformed), "a PKCS#10 of \(count)")
            }
            let honest = try request(
                token, try CertificateRequest.make(for: token.party, key: random.tlsKey()), in: federation)
            #expect(try await answer(to: honest + [0], in: federation) == .refused(.malformed))
            let largest = [UInt8](repeating: 0x66, count: 1 << 20)
            #expect(try await answer(to: largest, in: federation) == .refused(.malformed), "the largest frame")
            // A chunk is no request, however well it is framed.
            let connection = try await newcomer(federation)
            try await connection.send(Frame(kind: .chunk, payload: ByteBuffer(bytes: honest)))
            #expect(((try? await connection.nextFrame()) ?? nil) == nil)
            #expect(try await federation.entries(.enrolmentRequested).isEmpty)
            try await federation.finish("cleveland") {
                try await federation.client("cleveland").join(token, onProgress: $0)
            }
        }
    }

    @Test func newcomersThatSayNothingKeepNobodyOut() async throws {
        try await run { federation in
            var mute: [any PeerConnection] = []
            for _ in 0..<100 { mute.append(try await newcomer(federation)) }
            try await federation.join("cleveland")
            #expect(await federation.isWelcome(try await federation.connect("cleveland")))
            for connection in mute { await connection.close() }
        }
    }

    // MARK: Clocks; TLS goes by this machine's, the authority by its own

    @Test(arguments: [-600, 600] as [Int64])
    func anAuthorityWhoseClockIsTenMinutesOffIsJoinedAndServes(earlier: Int64) async throws {
        try await run(startingEarlier: earlier) { federation in
            let certificate = try await federation.join("cleveland")
            #expect(certificate.notBefore == federation.now - CertificateAuthority.clockTolerance)
            #expect(await federation.isWelcome(try await federation.connect("cleveland")))
        }
    }

    @Test func certificatesOfAnAuthorityThatIsAnHourAheadAreNotYetValid() async throws {
        try await run(startingEarlier: -3_600) { federation in
            let token = try await federation.invite("cleveland")
            await #expect {
                _ = try await federation.client("cleveland").join(token) { _ in }
            } throws: { ($0 as? TransportError)?.code == .peerNotTrusted }
            #expect(try await federation.entries(.enrolmentRequested).isEmpty)
        }
    }

    @Test func aTokenEndsByTheOperatorsClockHoweverTheSitesClockIsSet() async throws {
        try await run { federation in
            let token = try await federation.invite("cleveland")
            let other = try await federation.invite("budapest")
            federation.pass(seconds: JoinToken.standardLifetime - 1)
            // Ten minutes ahead, by which it seems to have expired.
            try await federation.finish("cleveland") {
                try await federation.client("cleveland", clock: { federation.now + 600 }).join(token, onProgress: $0)
            }
            federation.pass(seconds: 1)
            // Ten minutes late, by which it seems to be good.
            #expect(
                await refusal {
                    try await federation.client("budapest", clock: { federation.now - 600 }).join(other) { _ in }
                } == .expiredToken)
            #expect(try await federation.entries(.enrolmentRequested).count == 1)
        }
    }
}
