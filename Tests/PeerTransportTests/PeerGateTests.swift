// SPDX-License-Identifier: Apache-2.0
// Who is let in, and who has to leave: denied keys, wrong roles, certificates that expire in mid-connection.

import Foundation
import Logging
import NIOCore
import NIOSSL
import PeerTransport
import Synchronization
import TestSupport
import Testing

@Suite struct PeerGateTests {
    /// A deny list and a clock that tests change.
    private final class House: Sendable {
        let denied = Mutex<Set<[UInt8]>>([])
        let now = Mutex(Int64(Date().timeIntervalSince1970))

        var gate: PeerGate {
            PeerGate(
                now: { self.now.withLock { $0 } },
                check: { peer in
                    if self.denied.withLock({ $0.contains(peer.publicKeyHash) }) { return .denied }
                    return peer.role == .site ? nil : .wrongRole
                })
        }
    }

    private func withHouse(
        _ consortium: Consortium, _ gate: PeerGate, log: LogRecord = LogRecord(),
        limits: TransportLimits = TransportLimits(), clients: PeerListener.Clients = .members,
        chain: TestAuthority.Files? = nil, _ body: (Int) async throws -> Void
    ) async throws {
        try await whileRunning { bound in
            try await PeerListener.run(
                host: "127.0.0.1", port: 0, identity: TLSIdentity(chain ?? consortium.server), clients: clients,
                gate: gate, limits: limits, logger: log.logger, onBound: { bound.give($0) },
                onConnection: { connection in
                    try? await connection.send(.control("welcome"))
                    while let frame = try? await connection.nextFrame() { try? await connection.send(frame) }
                })
        } do: { port in
            try await body(port)
        }
    }

    private func connect(_ files: TestAuthority.Files, port: Int) async throws -> any PeerConnection {
        try await PeerConnector.connect(host: "localhost", port: port, identity: TLSIdentity(files))
    }

    @Test func aDeniedKeyDoesNotGetIn() async throws {
        let consortium = try Consortium()
        let house = House()
        house.denied.withLock { _ = $0.insert(consortium.client.publicKeyHash) }
        let log = LogRecord()
        try await withHouse(consortium, house.gate, log: log) { port in
            let connection = try await connect(consortium.client, port: port)
            #expect(((try? await connection.nextFrame()) ?? nil) == nil)
            #expect(await log.awaitReason(.peerDenied))
        }
    }

    @Test func aLiveConnectionEndsWhenItsKeyIsDeniedAndOthersStay() async throws {
        let consortium = try Consortium()
        let other = try consortium.authority.leaf(id: "ward-8")
        let house = House()
        let gate = house.gate
        try await withHouse(consortium, gate) { port in
            let first = try await connect(consortium.client, port: port)
            let second = try await connect(other, port: port)
            _ = try await first.nextFrame()
            _ = try await second.nextFrame()
            gate.recheck()
            try await first.send(.control("still here"))
            #expect(try await first.nextFrame()?.payload.getString(at: 0, length: 10) == "still here")
            house.denied.withLock { _ = $0.insert(consortium.client.publicKeyHash) }
            gate.recheck()
            #expect(((try? await first.nextFrame()) ?? nil) == nil)
            try await second.send(.control("still here"))
            #expect(try await second.nextFrame() != nil)
        }
    }

    /// A foreign client that keeps its session and tries to go on with it.
    @Test(.enabled(if: OpenSSLClient.isInstalled))
    func aSessionFromBeforeTheDenialBringsADeniedKeyNothing() async throws {
        let consortium = try Consortium()
        let session = consortium.authority.folder.appending(path: "session.pem").path
        let house = House()
        let log = LogRecord()
        try await withHouse(consortium, house.gate, log: log) { port in
            let client = OpenSSLClient(files: consortium.client, port: port)
            let first = try await client.exchangeHello("-sess_out \(session)")
            #expect(first.contains("New, TLSv1.3") && first.contains("hello"))
            try #require(FileManager.default.fileExists(atPath: session), "the client has a session to try")
            house.denied.withLock { _ = $0.insert(consortium.client.publicKeyHash) }
            let second = try await client.exchangeHello("-sess_in \(session)")
            #expect(second.contains("New, TLSv1.3") && !second.contains("Reused"), "a full handshake, with certificate")
            #expect(!second.contains("hello") && !second.contains("welcome"))
            #expect(log.reasons == [TransportError.Code.peerDenied.rawValue])
        }
    }

    @Test func aWrongRoleDoesNotGetIn() async throws {
        let consortium = try Consortium()
        let auditor = try consortium.authority.leaf(id: "north", role: "auditor")
        let log = LogRecord()
        try await withHouse(consortium, House().gate, log: log) { port in
            let connection = try await connect(auditor, port: port)
            #expect(((try? await connection.nextFrame()) ?? nil) == nil)
            #expect(await log.awaitReason(.peerWrongRole))
        }
        // The other way round: a site refuses a server that is no aggregator.
        try await withHouse(consortium, PeerGate(), chain: try consortium.authority.leaf(id: "ward-9")) { port in
            await #expect {
                _ = try await PeerConnector.connect(
                    host: "localhost", port: port, identity: TLSIdentity(consortium.client),
                    gate: PeerGate { $0.role == .aggregator ? nil : .wrongRole })
            } throws: { ($0 as? TransportError)?.code == .peerWrongRole }
        }
    }

    @Test func aCertificateThatExpiresInMidConnectionEndsIt() async throws {
        let consortium = try Consortium()
        let house = House()
        let gate = house.gate
        let log = LogRecord()
        var limits = TransportLimits()
        // The clocks of a connection are looked at in quarters of this.
        limits.stalledWriteTimeout = .milliseconds(200)
        try await withHouse(consortium, gate, log: log, limits: limits) { port in
            let connection = try await connect(consortium.client, port: port)
            _ = try await connection.nextFrame()
            house.now.withLock { $0 += 2 * 86_400 }
            // Nobody asks for it: the connection notices by itself.
            #expect(((try? await connection.nextFrame()) ?? nil) == nil)
            let late = try await connect(consortium.client, port: port)
            #expect(((try? await late.nextFrame()) ?? nil) == nil)
            #expect(await log.awaitReason(.peerExpired))
        }
    }

    @Test func newcomersSeeTheChainAndConnectUnderAPinnedRootOnly() async throws {
        let consortium = try Consortium()
        let root = try #require(
            try NIOSSLCertificate.fromPEMFile(consortium.authority.rootPath).first
        ).toDERBytes()
        let stranger = try TestAuthority()
        let other = try #require(try NIOSSLCertificate.fromPEMFile(stranger.rootPath).first).toDERBytes()
        try await withHouse(consortium, PeerGate(), clients: .newcomers) { port in
            let seen = try await PeerConnector.presentedCertificates(host: "localhost", port: port)
            #expect(!seen.isEmpty)
            let gate = PeerGate { $0.role == .aggregator ? nil : .wrongRole }
            let connection = try await PeerConnector.connectToEnrol(
                host: "localhost", port: port, root: root, gate: gate)
            #expect(connection.identity.publicKeyHash == consortium.server.publicKeyHash)
            #expect(try await connection.nextFrame() != nil)
            await connection.close()
            // A man in the middle with a certificate of any other authority, a public one say.
            await #expect {
                _ = try await PeerConnector.connectToEnrol(
                    host: "localhost", port: port, root: other, gate: gate)
            } throws: { ($0 as? TransportError)?.code == .peerNotTrusted }
            // A member's program that comes to this port speaks another protocol.
            let member = try? await connect(consortium.client, port: port)
            #expect(((try? await member?.nextFrame()) ?? nil) == nil)
        }
    }

    @Test func newcomersGetNothingAtTheMembersPort() async throws {
        let consortium = try Consortium()
        let root = try #require(
            try NIOSSLCertificate.fromPEMFile(consortium.authority.rootPath).first
        ).toDERBytes()
        let log = LogRecord()
        try await withHouse(consortium, PeerGate(), log: log) { port in
            let connection = try? await PeerConnector.connectToEnrol(
                host: "localhost", port: port, root: root, gate: PeerGate())
            #expect(((try? await connection?.nextFrame()) ?? nil) == nil)
        }
    }
}
