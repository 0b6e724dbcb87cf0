// SPDX-License-Identifier: Apache-2.0
// The smallest HTTP proxy that can open a tunnel, or decline to.

import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// A proxy on this machine.
final class TestProxy: Sendable {
    enum Answer: Sendable {
        /// Opens tunnels; with a value, only for this `Proxy-Authorization`.
        case tunnel(requiring: String?)
        case refuse
        case silence
    }

    private let answer: Answer
    private let seen = Mutex<[String]>([])

    /// The targets of the requests so far.
    var targets: [String] { seen.withLock { $0 } }

    init(answer: Answer) { self.answer = answer }

    /// Runs `body` with the proxy's port.
    func run(_ body: (_ port: Int) async throws -> Void) async throws {
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Handler(proxy: self))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        do {
            try await body(server.localAddress!.port!)
            try await server.close()
        } catch {
            try await server.close()
            throw error
        }
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart
        private let proxy: TestProxy

        init(proxy: TestProxy) { self.proxy = proxy }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            guard case .head(let head) = unwrapInboundIn(data), head.method == .CONNECT else { return }
            proxy.seen.withLock { $0.append(head.uri) }
            switch proxy.answer {
            case .silence: break
            case .refuse: respond(context, .forbidden)
            case .tunnel(let required):
                guard required == nil || head.headers["Proxy-Authorization"] == [required!] else {
                    return respond(context, .proxyAuthenticationRequired)
                }
                openTunnel(context, port: Int(head.uri.split(separator: ":").last!)!)
            }
        }

        private func respond(_ context: ChannelHandlerContext, _ status: HTTPResponseStatus) {
            let headers: HTTPHeaders = status == .ok ? [:] : ["Content-Length": "0"]
            let head = HTTPResponseHead(version: .http1_1, status: status, headers: headers)
            context.write(wrapOutboundOut(.head(head)), promise: nil)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }

        private func openTunnel(_ context: ChannelHandlerContext, port: Int) {
            let channel = context.channel
            let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            ClientBootstrap(group: context.eventLoop).connect(host: "127.0.0.1", port: port).whenSuccess { target in
                let (handler, context) = bound.value
                handler.respond(context, .ok)
                // In front of the HTTP handlers: from here on they see nothing.
                try? channel.pipeline.syncOperations.addHandler(Pump(to: target), position: .first)
                try? target.pipeline.syncOperations.addHandler(RawPump(to: channel))
            }
        }
    }
}

/// Writes everything that comes in to the head of another channel's pipeline, past its HTTP encoder.
private final class RawPump: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let target: any Channel

    init(to target: any Channel) { self.target = target }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        let first = try? target.pipeline.syncOperations.context(handlerType: Pump.self)
        first?.writeAndFlush(NIOAny(bytes), promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { target.close(promise: nil) }
}
