// SPDX-License-Identifier: Apache-2.0
// Frames between processes of one machine and one user, over a Unix socket.

import Glibc
package import Logging
package import NIOCore
import NIOPosix

/// Connections over a Unix domain socket: the same frames, no TLS; the file's permissions and the kernel's word for the
/// peer's user id stand in for certificates.
package enum LocalSocket {
    /// Listens at `path` and serves every peer of the same user, or of root, until the task is cancelled.
    ///
    /// The socket file is made with mode 0600. A file left behind by a process that is gone is replaced; one where
    /// somebody answers, or that is no socket, is left alone. The file is removed at the end.
    ///
    /// - Throws: ``TransportError`` `socketFileInUse` or `socketFileUnusable`.
    package static func run(
        path: String,
        limits: TransportLimits = TransportLimits(),
        group: any EventLoopGroup = TransportThreads.shared,
        logger: Logger,
        onBound: @Sendable () -> Void = {},
        onConnection: @escaping @Sendable (any PeerConnection) async -> Void
    ) async throws {
        let file = try SocketFile(path: path)
        defer { file.removeIfOurs() }
        let loop = AcceptLoop(limits: limits, logger: logger)
        let server = try await ServerBootstrap(group: group).tunedForFrames().bind(file.takeDescriptor()) { channel in
            peerUser(of: channel).flatMap { user in
                loop.accept(channel) { _ in
                    try checkUser(user)
                    return .known(.localUser)
                }
            }
        }
        try await loop.run(server, onBound: onBound, onConnection: onConnection)
    }

    /// Connects to the socket at `path`.
    ///
    /// - Throws: ``TransportError`` `connectionRefused` when nobody listens there, `peerUserMismatch` when another user
    ///   does.
    package static func connect(
        path: String,
        limits: TransportLimits = TransportLimits(),
        group: any EventLoopGroup = TransportThreads.shared
    ) async throws -> any PeerConnection {
        do {
            let address = try SocketAddress(unixDomainSocketPath: path)
            let bootstrap = ClientBootstrap(group: group).connectTimeout(TimeAmount(limits.connectTimeout))
            let (channel, ready) = try await bootstrap.tunedForFrames().connect(to: address) { channel in
                let ready = channel.eventLoop.makePromise(of: ChannelConnection.self)
                do {
                    let handler = FrameHandler(authentication: .known(.localUser), limits: limits, ready: ready)
                    try channel.pipeline.syncOperations.addHandler(handler)
                } catch {
                    ready.fail(error)
                }
                return channel.eventLoop.makeSucceededFuture((channel, ready.futureResult))
            }
            let connection = try await ready.get(closingOnCancellation: channel)
            do {
                try checkUser(try await peerUser(of: channel).get())
            } catch {
                await connection.close()
                throw error
            }
            return connection
        } catch {
            try Task.checkCancellation()
            throw TransportError.classify(error)
        }
    }

    /// Connects, runs `body`, and closes the connection whichever way it ends.
    ///
    /// - Throws: as ``connect(path:limits:group:)``, or what `body` throws.
    package static func withConnection<Result>(
        path: String,
        limits: TransportLimits = TransportLimits(),
        group: any EventLoopGroup = TransportThreads.shared,
        _ body: (any PeerConnection) async throws -> Result
    ) async throws -> Result {
        try await scoped(try await connect(path: path, limits: limits, group: group), body)
    }

    /// The kernel's word for who is at the other end (`unix(7)`, SO_PEERCRED); nothing when it gives none.
    private static func peerUser(of channel: any Channel) -> EventLoopFuture<uid_t?> {
        guard let options = channel as? any SocketOptionProvider else {
            return channel.eventLoop.makeSucceededFuture(nil)
        }
        let credentials: EventLoopFuture<PeerCredentials> = options.unsafeGetSocketOption(
            level: .socket, name: NIOBSDSocket.Option(rawValue: SO_PEERCRED))
        return credentials.map { $0.user }.recover { _ in nil }
    }

    private static func checkUser(_ user: uid_t?) throws {
        guard let user, user == geteuid() || user == 0 || geteuid() == 0 else {
            throw TransportError(
                .peerUserMismatch, "the process at the other end of the socket belongs to another user",
                hint: "run both as one user")
        }
    }
}

/// `struct ucred` of `unix(7)`, which the C library hides from Swift.
private struct PeerCredentials: Sendable {
    var process: pid_t
    var user: uid_t
    var group: gid_t
}
