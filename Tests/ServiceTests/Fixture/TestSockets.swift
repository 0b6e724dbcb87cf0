// SPDX-License-Identifier: Apache-2.0
// Real TLS sockets for a test federation, with an authority of its own.

import Glibc
import PeerTransport
import TestSupport
import Testing

/// A port that nobody uses, below those that the system gives to outgoing connections: the listener may go away and come
/// back, and no client of another test takes its place.
func freePort() throws -> Int {
    for _ in 0..<1_000 {
        let port = Int.random(in: 10_240..<32_000)
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw TestFailure("no socket") }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if result == 0 { return port }
    }
    throw TestFailure("no port is free")
}

/// One listener that may come and go, and the certificates of its peers.
final class TestSockets: Sendable {
    private let server: TestAuthority.Files
    private let clients: [String: TestAuthority.Files]
    private let port: Int

    init(sites: [String]) throws {
        port = try freePort()
        let authority = try TestAuthority()
        server = try authority.leaf(id: "aggregator", role: "aggregator")
        clients = Dictionary(uniqueKeysWithValues: try sites.map { ($0, try authority.leaf(id: $0)) })
    }

    /// Serves until the task is cancelled.
    func listen(_ onConnection: @escaping @Sendable (any PeerConnection) async -> Void) async throws {
        try await PeerListener.run(
            host: "127.0.0.1", port: port, identity: DaemonFederation.identity(server), logger: quietLogger,
            onConnection: onConnection)
    }

    func connect(as site: String) async throws -> any PeerConnection {
        try await PeerConnector.connect(
            host: "localhost", port: port, identity: DaemonFederation.identity(try #require(clients[site])))
    }
}
