// SPDX-License-Identifier: Apache-2.0
// Connects to a peer over mutual TLS 1.3, directly or through a proxy.

package import NIOCore
import NIOPosix
import NIOSSL

/// The connecting end of TLS connections.
package enum PeerConnector {
    /// Connects, proves who we are and verifies who answers.
    ///
    /// TLS 1.3 lets the client finish first: when the server refuses *our* certificate, this returns, and the first
    /// `nextFrame` throws `refusedByPeer`.
    ///
    /// - Parameters:
    ///   - serverName: The name in the server's certificate when it is not `host`.
    ///   - proxy: An HTTP proxy to go through; the server's name is then needed if `host` is an address.
    /// - Throws: ``TransportError``; `CancellationError`-like `connectionLost` when the task is cancelled meanwhile.
    package static func connect(
        host: String,
        port: Int,
        identity: TLSIdentity,
        serverName: String? = nil,
        proxy: HTTPConnectProxy? = nil,
        gate: PeerGate = PeerGate(),
        limits: TransportLimits = TransportLimits(),
        group: any EventLoopGroup = TransportThreads.shared
    ) async throws -> any PeerConnection {
        try await connect(
            identity.clientConfiguration(), protocol: TLSIdentity.applicationProtocol, host: host, port: port,
            serverName: serverName, proxy: proxy, gate: gate, limits: limits, group: group)
    }

    /// Connects with any settings; see the other one.
    static func connect(
        _ configuration: TLSConfiguration, protocol applicationProtocol: String, host: String, port: Int,
        serverName: String?, proxy: HTTPConnectProxy?, gate: PeerGate, limits: TransportLimits,
        group: any EventLoopGroup
    ) async throws -> any PeerConnection {
        let context = try TLSIdentity.makeContext(configuration)
        let name = serverName ?? nameOf(host)
        guard proxy == nil || name != nil else {
            throw TransportError(
                .peerNameMismatch, "the server behind a proxy is given by address only",
                hint: "configure the name in the server's certificate")
        }
        do {
            let (channel, ready) = try await open(
                host: host, port: port, proxy: proxy, limits: limits, group: group,
                authentication: .tls(protocol: applicationProtocol), gate: gate
            ) {
                try NIOSSLClientHandler(context: context, serverHostname: name)
            }
            return try await ready.get(closingOnCancellation: channel)
        } catch {
            try Task.checkCancellation()
            throw TransportError.classify(error)
        }
    }

    /// Connects, runs `body`, and closes the connection whichever way it ends.
    ///
    /// - Throws: as ``connect(host:port:identity:serverName:proxy:gate:limits:group:)``, or what `body` throws.
    package static func withConnection<Result>(
        host: String,
        port: Int,
        identity: TLSIdentity,
        serverName: String? = nil,
        proxy: HTTPConnectProxy? = nil,
        limits: TransportLimits = TransportLimits(),
        group: any EventLoopGroup = TransportThreads.shared,
        _ body: (any PeerConnection) async throws -> Result
    ) async throws -> Result {
        let connection = try await connect(
            host: host, port: port, identity: identity, serverName: serverName, proxy: proxy, limits: limits,
            group: group)
        return try await scoped(connection, body)
    }

    typealias Opened = (channel: any Channel, ready: EventLoopFuture<ChannelConnection>)

    /// Opens the TCP connection, and the tunnel if there is a proxy, and starts TLS on it.
    static func open(
        host: String, port: Int, proxy: HTTPConnectProxy?, limits: TransportLimits, group: any EventLoopGroup,
        authentication: FrameHandler.Authentication, gate: PeerGate = PeerGate(),
        makeTLS: @escaping @Sendable () throws -> NIOSSLClientHandler
    ) async throws -> Opened {
        let deadline = NIODeadline.now() + TimeAmount(limits.connectTimeout)
        let bootstrap = ClientBootstrap(group: group)
            .connectTimeout(TimeAmount(limits.connectTimeout))
            .tunedForFrames()
            .keepingAlive()
        return try await bootstrap.connect(host: proxy?.host ?? host, port: proxy?.port ?? port) { channel in
            let ready = channel.eventLoop.makePromise(of: ChannelConnection.self)
            let tunnel =
                proxy?.openTunnel(channel, toHost: host, port: port, deadline: deadline)
                ?? channel.eventLoop.makeSucceededVoidFuture()
            let started = tunnel.flatMapThrowing {
                let handler = FrameHandler(authentication: authentication, limits: limits, gate: gate, ready: ready)
                try channel.pipeline.syncOperations.addHandlers([makeTLS(), handler])
            }
            started.whenFailure { error in
                ready.fail(error)
                channel.close(promise: nil)
            }
            return channel.eventLoop.makeSucceededFuture((channel, ready.futureResult))
        }
    }

    /// The name to look for in the server's certificate: an address is none.
    static func nameOf(_ host: String) -> String? {
        (try? SocketAddress(ipAddress: host, port: 0)) == nil ? host : nil
    }
}
