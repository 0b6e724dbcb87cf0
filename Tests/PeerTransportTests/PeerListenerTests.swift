// SPDX-License-Identifier: Apache-2.0
// A listener serves peers that prove who they are, refuses all others for the right reason, and outlives them.

import NIOCore
import NIOSSL
import PeerTransport
import Synchronization
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(2))) struct PeerListenerTests {
    /// Echoes every frame until the peer goes.
    private static let echo: @Sendable (any PeerConnection) async -> Void = { connection in
        while let frame = try? await connection.nextFrame() { try? await connection.send(frame) }
    }

    /// One echo over a fresh connection: the listener is alive and serves who it should.
    private func expectService(port: Int, _ consortium: Consortium) async throws {
        let answer = try await PeerConnector.withConnection(
            host: "localhost", port: port, identity: TLSIdentity(consortium.client)
        ) { connection in
            try await connection.send(.control("anybody there?"))
            return try await connection.nextFrame()?.text
        }
        #expect(answer == "anybody there?")
    }

    /// Lets `client` try; expects that it gets nothing, that the log says why, and that others are served afterwards.
    private func expectRefusal(
        of client: RawClient, as reason: TransportError.Code, limits: TransportLimits = TransportLimits(),
        in consortium: Consortium
    ) async throws -> RawClient.Outcome {
        let log = LogRecord()
        let served = Mutex<[String]>([])
        let outcome = try await withListener(consortium.server, limits: limits, log: log) { connection in
            served.withLock { $0.append(connection.identity.siteID ?? "nobody") }
            await Self.echo(connection)
        } _: { port in
            let outcome = try await client.run(port: port)
            #expect(await log.awaitReason(reason), "logged: \(log.reasons)")
            try await expectService(port: port, consortium)
            return outcome
        }
        #expect(served.withLock { $0 } == ["ward-7"])
        #expect(outcome.received.allSatisfy { _ in client.tls == nil })
        return outcome
    }

    @Test func plainTextIsRefused() async throws {
        let client = RawClient(bytes: Array("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8))
        _ = try await expectRefusal(of: client, as: .handshakeFailed, in: Consortium())
    }

    @Test func tls12IsRefused() async throws {
        let consortium = try Consortium()
        var tls = try RawClient.goodTLS(consortium.client)
        tls.maximumTLSVersion = .tlsv12
        let outcome = try await expectRefusal(of: RawClient(tls: tls), as: .handshakeFailed, in: consortium)
        #expect(!outcome.didHandshake)
        #expect(outcome.errors.contains { $0.contains("PROTOCOL_VERSION") })
    }

    @Test func aClientWithoutCertificateIsRefused() async throws {
        let consortium = try Consortium()
        var tls = try RawClient.goodTLS(consortium.client)
        tls.certificateChain = []
        tls.privateKey = nil
        let outcome = try await expectRefusal(of: RawClient(tls: tls), as: .peerNotTrusted, in: consortium)
        #expect(outcome.errors.contains { $0.contains("CERTIFICATE_REQUIRED") })
    }

    @Test func aClientOfAnotherAuthorityIsRefused() async throws {
        let consortium = try Consortium()
        let stranger = try TestAuthority(name: "Other Authority")
        let files = try stranger.leaf(id: "ward-7", trusting: consortium.authority)
        let client = RawClient(tls: try RawClient.goodTLS(files))
        let outcome = try await expectRefusal(of: client, as: .peerNotTrusted, in: consortium)
        #expect(outcome.errors.contains { $0.contains("UNKNOWN_CA") })
    }

    @Test func aClientOfAnAuthorityWithTheSameNameIsRefused() async throws {
        let consortium = try Consortium()
        let files = try TestAuthority().leaf(id: "ward-7", trusting: consortium.authority)
        let client = RawClient(tls: try RawClient.goodTLS(files))
        _ = try await expectRefusal(of: client, as: .peerNotTrusted, in: consortium)
    }

    @Test(arguments: [TestAuthority.Validity.expired, .notYet])
    func aCertificateOutsideItsValidityIsRefused(validity: TestAuthority.Validity) async throws {
        let consortium = try Consortium()
        let files = try consortium.authority.leaf(id: "late", validity: validity)
        let client = RawClient(tls: try RawClient.goodTLS(files))
        let outcome = try await expectRefusal(of: client, as: .peerNotTrusted, in: consortium)
        #expect(outcome.errors.contains { $0.contains(validity == .expired ? "CERTIFICATE_EXPIRED" : "CERTIFICATE") })
    }

    @Test(arguments: [[], ["http/1.1"], ["consilium/2"]])
    func anotherProtocolIsRefused(protocols: [String]) async throws {
        let consortium = try Consortium()
        var tls = try RawClient.goodTLS(consortium.client)
        tls.applicationProtocols = protocols
        _ = try await expectRefusal(of: RawClient(tls: tls), as: .wrongProtocol, in: consortium)
    }

    @Test func aHandshakeThatIsNeverFinishedTimesOut() async throws {
        var limits = TransportLimits()
        limits.handshakeTimeout = .milliseconds(300)
        // The header of a ClientHello record, and then silence.
        let client = RawClient(bytes: [22, 3, 1, 2, 0])
        _ = try await expectRefusal(of: client, as: .handshakeTimedOut, limits: limits, in: Consortium())
    }

    /// Connects properly, then sends `bytes`; returns how the server's read of it ends.
    private func ending(
        after bytes: [UInt8], hangsUp: Bool = false, limits: TransportLimits = TransportLimits()
    ) async throws -> (frames: Int, code: TransportError.Code?) {
        let consortium = try Consortium()
        let ended = Promised<(Int, TransportError.Code?)>()
        return try await withListener(consortium.server, limits: limits) { connection in
            var frames = 0
            let code = await transportCode { while try await connection.nextFrame() != nil { frames += 1 } }
            ended.give((frames, code))
        } _: { port in
            let tls = try RawClient.goodTLS(consortium.client)
            let outcome = try await RawClient(bytes: bytes, tls: tls, hangsUp: hangsUp).run(port: port)
            #expect(outcome.didHandshake && outcome.received.isEmpty)
            return try await ended.take()
        }
    }

    @Test(arguments: [
        [0, 0, 0, 0], [0, 0, 0, 1, 9], [0xff, 0xff, 0xff, 0xff], [0, 0x10, 0, 2, 1], [0, 4, 0, 2, 2],
        Array("GET / HTTP/1.1\r\n\r\n".utf8),
    ])
    func garbageEndsTheConnectionAfterTheGoodFramesBeforeIt(garbage: [UInt8]) async throws {
        let good: [UInt8] = [0, 0, 0, 2, 1, 0x61]
        let (frames, code) = try await ending(after: good + good + garbage)
        #expect(frames == 2 && code == .protocolViolation)
    }

    @Test func aConnectionThatBreaksInsideAFrameIsNoOrderlyEnd() async throws {
        let (frames, code) = try await ending(after: [0, 0, 0, 2, 1, 0x61, 0, 0, 0, 9, 1, 0x61], hangsUp: true)
        #expect(frames == 1 && (code == .protocolViolation || code == .connectionLost))
    }

    @Test func aSilentPeerTimesOut() async throws {
        var limits = TransportLimits()
        limits.idleReadTimeout = .milliseconds(300)
        let (frames, code) = try await ending(after: [0, 0, 0, 2, 1, 0x61], limits: limits)
        #expect(frames == 1 && code == .idleTimedOut)
    }

    /// The peer is held up by us; its silence is our own doing.
    @Test func aReaderThatIsBusyDoesNotMakeItsPeerIdle() async throws {
        var limits = TransportLimits()
        // Long enough for a client that has to wait for a processor, and still shorter than the reader is busy.
        limits.idleReadTimeout = .seconds(3)
        let consortium = try Consortium()
        let received = try await withListener(consortium.server, limits: limits) { connection in
            try? await Task.sleep(for: .seconds(5))
            var received = 0
            while received < 400, (try? await connection.nextFrame()) != nil { received += 1 }
            try? await connection.send(.control("\(received)"))
        } _: { port in
            try await PeerConnector.withConnection(
                host: "localhost", port: port, identity: TLSIdentity(consortium.client)
            ) { connection in
                // More than both ends and the kernel hold.
                for _ in 0..<400 { try await connection.send(.patterned(.chunk, byteCount: 65_536)) }
                return try await connection.nextFrame()?.text
            }
        }
        #expect(received == "400")
    }

    @Test func aPeerThatTakesNothingStallsTheWriter() async throws {
        var limits = TransportLimits()
        limits.stalledWriteTimeout = .milliseconds(300)
        limits.idleReadTimeout = nil
        let code = try await Carrier.tls.withPair(limits: limits) { near, far in
            await transportCode { while true { try await near.send(.patterned(.chunk, byteCount: 65_536)) } }
        }
        #expect(code == .writeStalled)
    }

    @Test func aTakenPortIsAClearError() async throws {
        let consortium = try Consortium()
        try await withListener(consortium.server, onConnection: Self.echo) { port in
            let code = await transportCode {
                try await PeerListener.run(
                    host: "127.0.0.1", port: port, identity: TLSIdentity(consortium.server),
                    logger: LogRecord().logger, onConnection: Self.echo)
            }
            #expect(code == .addressInUse)
            try await expectService(port: port, consortium)
        }
    }

    @Test func handshakesUnderWayAreCapped() async throws {
        var limits = TransportLimits()
        limits.maximumHandshakes = 2
        limits.handshakeTimeout = .seconds(2)
        let consortium = try Consortium()
        let log = LogRecord()
        try await withListener(consortium.server, limits: limits, log: log, onConnection: Self.echo) { port in
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<3 { group.addTask { _ = try? await RawClient().run(port: port) } }
                #expect(await log.awaitReason(.tooManyHandshakes), "logged: \(log.reasons)")
                #expect(log.reasons.filter { $0 == "tooManyHandshakes" }.count == 1)
            }
            #expect(log.reasons.filter { $0 == "handshakeTimedOut" }.count == 2)
            try await expectService(port: port, consortium)
        }
    }

    @Test func oneAddressThatNeverFinishesItsHandshakesDoesNotKeepOthersOut() async throws {
        var limits = TransportLimits()
        limits.maximumHandshakes = 4
        limits.maximumHandshakesPerAddress = 3
        // They are still under way when the others come.
        limits.handshakeTimeout = .seconds(60)
        let consortium = try Consortium()
        let log = LogRecord()
        // The header of a ClientHello record, and then silence.
        let slow = RawClient(bytes: [22, 3, 1, 2, 0], source: "127.0.0.2")
        let clients = try await withListener(
            consortium.server, limits: limits, log: log, onConnection: Self.echo
        ) { port in
            let clients = (0..<10).map { _ in Task { _ = try? await slow.run(port: port) } }
            while log.reasons.count < 7 { try await Task.sleep(for: .milliseconds(5)) }
            #expect(log.reasons == Array(repeating: "tooManyFromAddress", count: 7))
            for _ in 0..<3 { try await expectService(port: port, consortium) }
            #expect(log.reasons.count == 7)
            return clients
        }
        for client in clients { await client.value }
    }

    @Test func anAddressMayComeAgainOnceItsHandshakesHaveEnded() async throws {
        var limits = TransportLimits()
        limits.maximumHandshakesPerAddress = 1
        limits.handshakeTimeout = .milliseconds(300)
        let consortium = try Consortium()
        let log = LogRecord()
        try await withListener(consortium.server, limits: limits, log: log, onConnection: Self.echo) { port in
            for times in 1...2 {
                _ = try await RawClient(bytes: [22, 3, 1, 2, 0]).run(port: port)
                while log.reasons.count < times { try await Task.sleep(for: .milliseconds(5)) }
            }
            #expect(log.reasons == ["handshakeTimedOut", "handshakeTimedOut"])
            for _ in 0..<2 { try await expectService(port: port, consortium) }
        }
    }

    @Test func connectionsAreCapped() async throws {
        var limits = TransportLimits()
        limits.maximumConnections = 1
        let consortium = try Consortium()
        let log = LogRecord()
        try await withListener(consortium.server, limits: limits, log: log, onConnection: Self.echo) { port in
            try await PeerConnector.withConnection(
                host: "localhost", port: port, identity: TLSIdentity(consortium.client)
            ) { connection in
                _ = try await RawClient().run(port: port)
                #expect(await log.awaitReason(.tooManyConnections))
                try await connection.send(.control("first"))
                let answer = try await connection.nextFrame()?.text
                #expect(answer == "first")
            }
        }
    }

    @Test func openConnectionsAreNoHandshakesAndFailedHandshakesAreNoConnections() async throws {
        var limits = TransportLimits()
        limits.maximumHandshakes = 1
        limits.maximumConnections = 3
        let consortium = try Consortium()
        let log = LogRecord()
        let plainText = RawClient(bytes: Array("GET / HTTP/1.1\r\n\r\n".utf8))
        try await withListener(consortium.server, limits: limits, log: log, onConnection: Self.echo) { port in
            try await PeerConnector.withConnection(
                host: "localhost", port: port, identity: TLSIdentity(consortium.client)
            ) { connection in
                try await connection.send(.control("first"))
                _ = try await connection.nextFrame()
                for failures in 1...5 {
                    _ = try await plainText.run(port: port)
                    while log.reasons.count < failures { try await Task.sleep(for: .milliseconds(5)) }
                }
                #expect(log.reasons == Array(repeating: "handshakeFailed", count: 5))
                try await expectService(port: port, consortium)
            }
        }
    }

    @Test func oneAddressCannotOpenConnectionsWithoutEnd() async throws {
        var limits = TransportLimits()
        limits.connectionBurstPerAddress = 3
        limits.connectionsPerSecondPerAddress = 0
        let consortium = try Consortium()
        let log = LogRecord()
        try await withListener(consortium.server, limits: limits, log: log, onConnection: Self.echo) { port in
            for _ in 0..<3 { try await expectService(port: port, consortium) }
            #expect(log.reasons.isEmpty)
            _ = try await RawClient().run(port: port)
            #expect(await log.awaitReason(.tooManyFromAddress))
        }
    }

    @Test func renewedCertificatesAreUsedWithoutARestart() async throws {
        var limits = TransportLimits()
        limits.identityReloadInterval = .milliseconds(20)
        let consortium = try Consortium()
        func serverKey(_ port: Int) async throws -> [UInt8] {
            try await PeerConnector.withConnection(
                host: "localhost", port: port, identity: TLSIdentity(consortium.client)
            ) { $0.identity.publicKeyHash }
        }
        try await withListener(consortium.server, limits: limits, onConnection: Self.echo) { port in
            let answer = try await serverKey(port)
            #expect(answer == consortium.server.publicKeyHash)
            let renewed = try consortium.authority.leaf(id: "hub", role: "aggregator")
            while try await serverKey(port) != renewed.publicKeyHash { try await Task.sleep(for: .milliseconds(10)) }
        }
    }

    @Test func cancellingTheListenerClosesItsConnections() async throws {
        let consortium = try Consortium()
        let kept = Promised<any PeerConnection>()
        try await withListener(consortium.server, onConnection: Self.echo) { port in
            let connection = try await PeerConnector.connect(
                host: "localhost", port: port, identity: TLSIdentity(consortium.client))
            try await connection.send(.control("hello"))
            _ = try await connection.nextFrame()
            kept.give(connection)
        }
        let connection = try await kept.take()
        let frame = try await connection.nextFrame()
        #expect(frame == nil)
        await connection.close()
    }

    @Test func cancellingTheListenerClosesConnectionsThatNobodyServesYet() async throws {
        let consortium = try Consortium()
        for _ in 0..<20 {
            let kept = Promised<[any PeerConnection]>()
            try await withListener(consortium.server, onConnection: Self.echo) { port in
                // The listener ends while these are between handshake and service.
                let connections = await withTaskGroup(of: (any PeerConnection)?.self) { group in
                    for _ in 0..<4 {
                        group.addTask {
                            try? await PeerConnector.connect(
                                host: "localhost", port: port, identity: TLSIdentity(consortium.client))
                        }
                    }
                    var connections: [any PeerConnection] = []
                    for await case let connection? in group { connections.append(connection) }
                    return connections
                }
                kept.give(connections)
            }
            for connection in try await kept.take() {
                // However it ends, it ends.
                while let frame = try? await connection.nextFrame() { _ = frame }
                await connection.close()
            }
        }
    }
}
