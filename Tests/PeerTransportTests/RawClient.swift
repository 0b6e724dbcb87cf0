// SPDX-License-Identifier: Apache-2.0
// A client that need not obey our rules, and a relay that looks at what passes.

import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import PeerTransport
import Synchronization
import TestSupport

/// A TCP client with TLS settings of the test's choice.
struct RawClient {
    /// What a raw connection came to.
    struct Outcome: Sendable {
        var didHandshake = false
        var received: [UInt8] = []
        /// Descriptions of the errors the channel reported.
        var errors: [String] = []
    }

    /// The bytes to send once the connection, or its handshake, stands.
    var bytes: [UInt8] = []
    var tls: TLSConfiguration?
    /// Where the connection comes from; all of 127.0.0.0/8 is this machine.
    var source = "127.0.0.1"
    /// Closes the TCP connection without TLS's goodbye once the bytes are sent.
    var hangsUp = false

    /// Settings that a server of ours accepts, for a test to spoil.
    static func goodTLS(_ files: TestAuthority.Files) throws -> TLSConfiguration {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.certificateChain = try NIOSSLCertificate.fromPEMFile(files.certificateChainPath).map { .certificate($0) }
        tls.privateKey = .privateKey(try NIOSSLPrivateKey(file: files.privateKeyPath, format: .pem))
        tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(files.trustRootsPath))
        tls.applicationProtocols = [TLSIdentity.applicationProtocol]
        return tls
    }

    /// Connects, sends, and waits until the other end has closed the connection.
    func run(port: Int) async throws -> Outcome {
        let recorder = Recorder(bytes: bytes, waitsForHandshake: tls != nil, hangsUp: hangsUp)
        let context = try tls.map { try NIOSSLContext(configuration: $0) }
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(to: SocketAddress(ipAddress: source, port: 0))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let context {
                        let handler = try NIOSSLClientHandler(context: context, serverHostname: "localhost")
                        try channel.pipeline.syncOperations.addHandler(handler)
                    }
                    try channel.pipeline.syncOperations.addHandler(recorder.makeHandler())
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        try? await channel.closeFuture.get()
        return recorder.outcome.withLock { $0 }
    }

    private final class Recorder: Sendable {
        let outcome = Mutex(Outcome())
        private let bytes: [UInt8]
        private let waitsForHandshake: Bool
        private let hangsUp: Bool

        init(bytes: [UInt8], waitsForHandshake: Bool, hangsUp: Bool) {
            self.bytes = bytes
            self.waitsForHandshake = waitsForHandshake
            self.hangsUp = hangsUp
        }

        func makeHandler() -> Handler { Handler(recorder: self) }

        final class Handler: ChannelInboundHandler {
            typealias InboundIn = ByteBuffer
            typealias OutboundOut = ByteBuffer
            private let recorder: Recorder

            init(recorder: Recorder) { self.recorder = recorder }

            func channelActive(context: ChannelHandlerContext) {
                if !recorder.waitsForHandshake { send(context) }
            }

            func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
                guard case .handshakeCompleted? = event as? TLSUserEvent else { return }
                recorder.outcome.withLock { $0.didHandshake = true }
                send(context)
            }

            func channelRead(context: ChannelHandlerContext, data: NIOAny) {
                let bytes = Array(unwrapInboundIn(data).readableBytesView)
                recorder.outcome.withLock { $0.received += bytes }
            }

            func errorCaught(context: ChannelHandlerContext, error: any Error) {
                recorder.outcome.withLock { $0.errors.append(String(describing: error)) }
                context.close(promise: nil)
            }

            private func send(_ context: ChannelHandlerContext) {
                let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
                let sent = context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: recorder.bytes)))
                guard recorder.hangsUp else { return }
                sent.whenComplete { _ in
                    // A close that begins at the TLS handler itself passes it by, so nothing says goodbye.
                    let operations = bound.value.pipeline.syncOperations
                    let tls = try? operations.context(handlerType: NIOSSLClientHandler.self)
                    (tls ?? bound.value).close(promise: nil)
                }
            }
        }
    }
}

/// Passes bytes on to `port` and keeps a copy of what went each way.
final class Relay: Sendable {
    private struct Copies {
        var up: [[UInt8]] = []
        var down: [[UInt8]] = []
    }

    private let copies = Mutex(Copies())

    /// The bytes of each connection, from the client.
    var up: [[UInt8]] { copies.withLock { $0.up } }
    /// The bytes of each connection, from the server.
    var down: [[UInt8]] { copies.withLock { $0.down } }

    /// Runs `body` with the port of a relay in front of `port`.
    func run<Result: Sendable>(to port: Int, _ body: (_ relayPort: Int) async throws -> Result) async throws -> Result {
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { client in
                let number = self.copies.withLock { copies in
                    copies.up.append([])
                    copies.down.append([])
                    return copies.up.count - 1
                }
                let upstream = ClientBootstrap(group: client.eventLoop)
                    .connect(host: "127.0.0.1", port: port)
                return upstream.flatMapThrowing { server in
                    try client.pipeline.syncOperations.addHandler(
                        Pump(to: server) { bytes in self.copies.withLock { $0.up[number] += bytes } })
                    try server.pipeline.syncOperations.addHandler(
                        Pump(to: client) { bytes in self.copies.withLock { $0.down[number] += bytes } })
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        do {
            let result = try await body(server.localAddress!.port!)
            try await server.close()
            return result
        } catch {
            try await server.close()
            throw error
        }
    }
}

/// Writes everything that comes in to another channel.
final class Pump: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let target: any Channel
    private let copy: ([UInt8]) -> Void

    init(to target: any Channel, copy: @escaping ([UInt8]) -> Void = { _ in }) {
        self.target = target
        self.copy = copy
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        copy(Array(bytes.readableBytesView))
        target.writeAndFlush(bytes, promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { target.close(promise: nil) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
