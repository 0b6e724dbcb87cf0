// SPDX-License-Identifier: Apache-2.0
// Accepts peers over mutual TLS 1.3.

package import Logging
package import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// The listening end of TLS connections.
package enum PeerListener {
    /// Who may connect.
    package enum Clients: Sendable {
        /// Holders of a certificate under our trust roots.
        case members
        /// Anybody, without a certificate: for enrolment. The peer's identity is empty.
        case newcomers

        var applicationProtocol: String {
            switch self {
            case .members: TLSIdentity.applicationProtocol
            case .newcomers: TLSIdentity.enrolmentProtocol
            }
        }

        var authentication: FrameHandler.Authentication {
            switch self {
            case .members: .tls(protocol: applicationProtocol)
            case .newcomers: .anonymousTLS(protocol: applicationProtocol)
            }
        }
    }

    /// Listens on `host`:`port` and serves every peer whose certificate verifies, until the task is cancelled.
    ///
    /// Each connection gets a task that runs `onConnection` and closes the connection when it returns. A peer that
    /// fails, stalls or lies ends its own connection, never the listener. Certificate files are looked at every
    /// ``TransportLimits/identityReloadInterval``; new connections use what was last readable.
    ///
    /// - Parameters:
    ///   - port: 0 takes any free port.
    ///   - gate: Who of the verified peers is let in, and stays.
    ///   - onBound: Gets the port once peers can connect.
    ///   - onConnection: Serves one peer; its errors are its own.
    /// - Throws: ``TransportError`` `addressInUse`, `addressUnavailable`, or an unreadable identity at the start.
    package static func run(
        host: String,
        port: Int,
        identity: TLSIdentity,
        clients: Clients = .members,
        gate: PeerGate = PeerGate(),
        limits: TransportLimits = TransportLimits(),
        group: any EventLoopGroup = TransportThreads.shared,
        logger: Logger,
        onBound: @Sendable (_ port: Int) -> Void = { _ in },
        onConnection: @escaping @Sendable (any PeerConnection) async -> Void
    ) async throws {
        let settings = try ReloadingConfiguration(identity, for: clients)
        let loop = AcceptLoop(limits: limits, gate: gate, logger: logger)
        let server = try await bind(host: host, port: port, group: group) { channel in
            loop.accept(channel) { channel in
                let context = try TLSIdentity.makeContext(settings.current)
                try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
                return clients.authentication
            }
        }
        try await loop.run(
            server,
            onBound: { onBound(server.channel.localAddress?.port ?? port) },
            alongside: { await settings.watch(every: limits.identityReloadInterval, logger: logger) },
            onConnection: onConnection)
    }

    private static func bind(
        host: String, port: Int, group: any EventLoopGroup,
        initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<AcceptLoop.Arrival>
    ) async throws -> NIOAsyncChannel<AcceptLoop.Arrival, Never> {
        do {
            return try await ServerBootstrap(group: group)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .serverChannelOption(.backlog, value: 256)
                .tunedForFrames()
                .keepingAlive()
                .bind(host: host, port: port, childChannelInitializer: initializer)
        } catch {
            throw TransportError.bindFailed(error, place: "\(host):\(port)")
        }
    }
}

/// TLS settings that follow their files.
private final class ReloadingConfiguration: Sendable {
    private let identity: TLSIdentity
    private let clients: PeerListener.Clients
    /// Guards the settings last read.
    private let configuration: Mutex<TLSConfiguration>
    private let firstFingerprint: [FileVersion?]

    init(_ identity: TLSIdentity, for clients: PeerListener.Clients) throws {
        self.identity = identity
        self.clients = clients
        // Taken before reading: a file changed in between is then read again.
        firstFingerprint = identity.fingerprint()
        configuration = Mutex(try identity.serverConfiguration(for: clients))
    }

    var current: TLSConfiguration { configuration.withLock { $0 } }

    /// Reads the files again when they have changed, until cancelled. Unreadable ones leave the settings as they are.
    func watch(every interval: Duration, logger: Logger) async {
        var seen = firstFingerprint
        while (try? await Task.sleep(for: interval)) != nil {
            let now = identity.fingerprint()
            guard now != seen else { continue }
            do {
                let fresh = try identity.serverConfiguration(for: clients)
                _ = try TLSIdentity.makeContext(fresh)
                configuration.withLock { $0 = fresh }
                seen = now
                logger.info("certificate files read again")
            } catch {
                let reason = TransportError.classify(error).code.rawValue
                logger.error("changed certificate files cannot be used", metadata: ["reason": "\(reason)"])
            }
        }
    }
}
