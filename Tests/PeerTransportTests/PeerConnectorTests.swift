// SPDX-License-Identifier: Apache-2.0
// A connector trusts only the server it means, offers only what it should, and finds its way through a proxy.

import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import PeerTransport
import Synchronization
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(2))) struct PeerConnectorTests {
    private static let echo: @Sendable (any PeerConnection) async -> Void = { connection in
        while let frame = try? await connection.nextFrame() { try? await connection.send(frame) }
    }

    private func roundTrip(
        port: Int, host: String = "localhost", _ files: TestAuthority.Files, serverName: String? = nil,
        proxy: HTTPConnectProxy? = nil
    ) async throws -> String? {
        try await PeerConnector.withConnection(
            host: host, port: port, identity: TLSIdentity(files), serverName: serverName, proxy: proxy
        ) { connection in
            try await connection.send(.control("ping"))
            return try await connection.nextFrame()?.text
        }
    }

    // MARK: Whom it trusts

    @Test func aServerOfAnotherAuthorityIsNotTrusted() async throws {
        let consortium = try Consortium()
        let impostor = try TestAuthority(name: "Other Authority").leaf(
            id: "hub", role: "aggregator", trusting: consortium.authority)
        try await withListener(impostor, onConnection: Self.echo) { port in
            #expect(await transportCode { _ = try await roundTrip(port: port, consortium.client) } == .peerNotTrusted)
        }
    }

    @Test func aServerUnderAnotherNameIsNotTrusted() async throws {
        let consortium = try Consortium()
        let other = try consortium.authority.leaf(id: "hub2", role: "aggregator", hosts: ["hub.example.org"])
        try await withListener(other, onConnection: Self.echo) { port in
            #expect(await transportCode { _ = try await roundTrip(port: port, consortium.client) } == .peerNameMismatch)
            let answer = try await roundTrip(port: port, consortium.client, serverName: "hub.example.org")
            #expect(answer == "ping")
        }
    }

    @Test func anAddressIsNoNameOfTheServer() async throws {
        let consortium = try Consortium()
        try await withListener(consortium.server, onConnection: Self.echo) { port in
            let code = await transportCode { _ = try await roundTrip(port: port, host: "127.0.0.1", consortium.client) }
            #expect(code == .peerNameMismatch)
            let answer = try await roundTrip(port: port, host: "127.0.0.1", consortium.client, serverName: "localhost")
            #expect(answer == "ping")
        }
    }

    @Test func aRefusalOfOurCertificateIsToldWithItsReason() async throws {
        let consortium = try Consortium()
        let files = try TestAuthority(name: "Other Authority").leaf(id: "ward-7", trusting: consortium.authority)
        try await withListener(consortium.server, onConnection: Self.echo) { port in
            do {
                _ = try await roundTrip(port: port, files)
                Issue.record("the server took a stranger's certificate")
            } catch let error as TransportError {
                #expect(error.code == .refusedByPeer)
                #expect(error.message.contains("unknown_ca"))
            }
        }
    }

    @Test func nobodyListeningIsAClearError() async throws {
        let consortium = try Consortium()
        // TCPMUX (RFC 1078), which nobody runs, and which no test is given as a free port.
        #expect(await transportCode { _ = try await roundTrip(port: 1, consortium.client) } == .connectionRefused)
    }

    @Test func aServerThatNeverAnswersTimesOut() async throws {
        let consortium = try Consortium()
        let silent = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0).get()
        var limits = TransportLimits()
        limits.handshakeTimeout = .milliseconds(200)
        let code = await transportCode {
            _ = try await PeerConnector.connect(
                host: "localhost", port: silent.localAddress!.port!, identity: TLSIdentity(consortium.client),
                limits: limits)
        }
        #expect(code == .handshakeTimedOut)
        try await silent.close()
    }

    // MARK: What it offers

    @Test func everyHandshakeIsFullTLS13WithTheHybridGroup() async throws {
        let consortium = try Consortium()
        let relay = Relay()
        try await withListener(consortium.server, onConnection: Self.echo) { port in
            try await relay.run(to: port) { relayPort in
                for _ in 0..<2 {
                    let answer = try await roundTrip(port: relayPort, consortium.client)
                    #expect(answer == "ping")
                }
            }
        }
        try #require(relay.up.count == 2)
        for (up, down) in zip(relay.up, relay.down) {
            let client = try #require(TLSHello(up))
            let server = try #require(TLSHello(down))
            #expect(client.offeredGroups == [0x11ec, 0x001d, 0x0017])
            #expect(server.selectedGroup == 0x11ec, "X25519MLKEM768")
            #expect(client.offeredVersions == [0x0304])
            #expect(client.extensions[41] == nil, "no pre_shared_key: the session before is not resumed")
            #expect(client.extensions[42] == nil, "no early_data")
            #expect(server.extensions[41] == nil)
        }
    }

    /// A foreign client that does try to resume.
    @Test(.enabled(if: OpenSSLClient.isInstalled))
    func aTicketOfAnEarlierSessionIsWorthNothing() async throws {
        let consortium = try Consortium()
        let session = consortium.authority.folder.appending(path: "session.pem").path
        try await withListener(consortium.server, onConnection: Self.echo) { port in
            let client = OpenSSLClient(files: consortium.client, port: port)
            let first = try await client.exchangeHello("-sess_out \(session)")
            #expect(first.contains("New, TLSv1.3") && first.contains("hello"))
            try #require(FileManager.default.fileExists(atPath: session), "the client has a ticket to try")
            let second = try await client.exchangeHello("-sess_in \(session)")
            #expect(second.contains("New, TLSv1.3") && second.contains("hello") && !second.contains("Reused"))
        }
    }

    // MARK: Our own files

    @Test(arguments: [0o640, 0o604, 0o644, 0o660])
    func aKeyThatOthersCanReadIsRefused(mode: Int) async throws {
        let consortium = try Consortium()
        let path = consortium.client.privateKeyPath
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        do {
            _ = try await roundTrip(port: 1, consortium.client)
            Issue.record("the key was used")
        } catch let error as TransportError {
            #expect(error.code == .privateKeyExposed && error.hint.contains("chmod 600"))
        }
    }

    @Test func aStricterModeThanNeededIsFine() async throws {
        let consortium = try Consortium()
        let path = consortium.client.privateKeyPath
        try FileManager.default.setAttributes([.posixPermissions: 0o400], ofItemAtPath: path)
        try await withListener(consortium.server, onConnection: Self.echo) { port in
            let answer = try await roundTrip(port: port, consortium.client)
            #expect(answer == "ping")
        }
    }

    @Test func unusableFilesAreNamed() async throws {
        let consortium = try Consortium()
        let good = consortium.client
        func identity(chain: String? = nil, key: String? = nil, roots: String? = nil) -> TLSIdentity {
            TLSIdentity(
                certificateChainPath: chain ?? good.certificateChainPath, privateKeyPath: key ?? good.privateKeyPath,
                trustRootsPath: roots ?? good.trustRootsPath)
        }
        let expired = try consortium.authority.leaf(id: "old", validity: .expired)
        let cases: [(TLSIdentity, TransportError.Code)] = [
            (identity(chain: "/nowhere"), .identityUnreadable),
            (identity(chain: good.privateKeyPath), .identityUnreadable),
            (identity(key: good.certificateChainPath), .identityUnreadable),
            (identity(chain: consortium.server.certificateChainPath), .identityUnreadable),
            (identity(roots: "/dev/null"), .identityUnreadable),
            (TLSIdentity(expired), .certificateExpired),
        ]
        for (identity, expected) in cases {
            let code = await transportCode {
                _ = try await PeerConnector.connect(host: "localhost", port: 1, identity: identity)
            }
            #expect(code == expected, "\(identity)")
        }
    }

    // MARK: Through a proxy

    @Test func aProxyOpensATunnelAndTLSGoesThroughItEndToEnd() async throws {
        let consortium = try Consortium()
        try await withListener(consortium.server, onConnection: Self.echo) { port in
            let proxy = TestProxy(answer: .tunnel(requiring: nil))
            try await proxy.run { proxyPort in
                let way = HTTPConnectProxy(host: "127.0.0.1", port: proxyPort)
                let answer = try await roundTrip(port: port, consortium.client, proxy: way)
                #expect(answer == "ping")
                #expect(proxy.targets == ["localhost:\(port)"])
                let code = await transportCode {
                    _ = try await roundTrip(port: port, consortium.client, serverName: "hub.example.org", proxy: way)
                }
                #expect(code == .peerNameMismatch, "the server's name is checked behind a proxy too")
            }
        }
    }

    @Test func theProxyGetsOurPasswordAndWrongOnesAreReported() async throws {
        let consortium = try Consortium()
        try await withListener(consortium.server, onConnection: Self.echo) { port in
            // The example of RFC 7617 §2.
            let proxy = TestProxy(answer: .tunnel(requiring: "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="))
            try await proxy.run { proxyPort in
                func way(_ password: String) -> HTTPConnectProxy {
                    HTTPConnectProxy(
                        host: "127.0.0.1", port: proxyPort, credentials: .init(user: "Aladdin", password: password))
                }
                let answer = try await roundTrip(port: port, consortium.client, proxy: way("open sesame"))
                #expect(answer == "ping")
                let code = await transportCode {
                    _ = try await roundTrip(port: port, consortium.client, proxy: way("open barley"))
                }
                #expect(code == .proxyAuthenticationRequired)
            }
        }
    }

    @Test func aProxyThatRefusesIsReported() async throws {
        let consortium = try Consortium()
        let proxy = TestProxy(answer: .refuse)
        try await proxy.run { proxyPort in
            let way = HTTPConnectProxy(host: "127.0.0.1", port: proxyPort)
            let code = await transportCode { _ = try await roundTrip(port: 1, consortium.client, proxy: way) }
            #expect(code == .proxyRefused)
        }
    }

    @Test func aProxyThatNeverAnswersTimesOut() async throws {
        let consortium = try Consortium()
        let proxy = TestProxy(answer: .silence)
        var limits = TransportLimits()
        limits.connectTimeout = .milliseconds(300)
        try await proxy.run { proxyPort in
            let code = await transportCode {
                _ = try await PeerConnector.connect(
                    host: "localhost", port: 1, identity: TLSIdentity(consortium.client),
                    proxy: HTTPConnectProxy(host: "127.0.0.1", port: proxyPort), limits: limits)
            }
            #expect(code == .connectTimedOut)
        }
    }

    /// Without a name the library would check the certificate against the proxy's address.
    @Test func behindAProxyAServerNeedsAName() async throws {
        let consortium = try Consortium()
        let way = HTTPConnectProxy(host: "127.0.0.1", port: 1)
        let code = await transportCode {
            _ = try await roundTrip(port: 443, host: "192.0.2.1", consortium.client, proxy: way)
        }
        #expect(code == .peerNameMismatch)
    }

    @Test func aPasswordDoesNotShowInDescriptions() {
        let credentials = HTTPConnectProxy.Credentials(user: "Aladdin", password: "open sesame")
        let proxy = HTTPConnectProxy(host: "proxy.example.org", port: 3128, credentials: credentials)
        #expect("\(proxy)" == "proxy.example.org:3128" && "\(credentials)" == "credentials")
    }
}
