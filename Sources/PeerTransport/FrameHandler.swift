// SPDX-License-Identifier: Apache-2.0
// The last handler of a channel: bytes to frames, frames to bytes, and the clocks of a connection.

import NIOCore
import NIOSSL
import NIOTLS

/// Joins a channel to a ``ChannelConnection``. All of it runs on the channel's event loop.
///
/// Life: waits for the handshake (TLS) or for the channel (a Unix socket), then fulfils `ready` with the connection;
/// reads while the connection's inbox has room; writes what its outbox holds; ends on close, error or silence.
final class FrameHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Where the peer's identity comes from.
    enum Authentication {
        /// By its certificate; both ends agree on this protocol.
        case tls(protocol: String)
        /// A client without a certificate.
        case anonymousTLS(protocol: String)
        case known(PeerIdentity)
        /// Not at all: the connection is never opened.
        case none
    }

    let authentication: Authentication
    let limits: TransportLimits
    private let budget: InFlightBudget
    private let gate: PeerGate
    let ready: EventLoopPromise<ChannelConnection>
    private var decoder: FrameDecoder

    var context: ChannelHandlerContext?
    var connection: ChannelConnection?
    private var handshakeDeadline: Scheduled<Void>?
    private var closeDeadline: Scheduled<Void>?
    private var watch: RepeatedTask?

    private var arrived: [Frame] = []
    private var isReading = true
    private var lastRead = NIODeadline.now()
    /// When the write that is under way began.
    var writeBegan: NIODeadline?
    var isClosing = false
    private var isFinished = false

    /// - Parameters:
    ///   - budget: what the connection shares its bytes in flight with; nil when with nobody.
    ///   - gate: who is let in.
    init(
        authentication: Authentication, limits: TransportLimits, budget: InFlightBudget? = nil,
        gate: PeerGate = PeerGate(), ready: EventLoopPromise<ChannelConnection>
    ) {
        self.budget = budget ?? InFlightBudget(limits: limits)
        self.gate = gate
        self.authentication = authentication
        self.limits = limits
        self.ready = ready
        decoder = FrameDecoder(limits: limits.frames)
    }

    // MARK: Beginning

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        handshakeDeadline = context.eventLoop.scheduleTask(in: TimeAmount(limits.handshakeTimeout)) {
            bound.value.fail(.handshakeTimedOut)
        }
        if context.channel.isActive { openIfKnown(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        openIfKnown(context)
        context.fireChannelActive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted(let negotiated)? = event as? TLSUserEvent {
            do { try handshakeCompleted(context, negotiated) } catch { fail(.classify(error)) }
        }
        context.fireUserInboundEventTriggered(event)
    }

    private func handshakeCompleted(_ context: ChannelHandlerContext, _ negotiated: String?) throws {
        switch authentication {
        case .tls(let name):
            guard negotiated == name else { throw TransportError.wrongProtocol }
            guard let certificate = try context.pipeline.syncOperations.nioSSL_peerCertificate() else {
                throw TransportError(.peerNotTrusted, "the peer presented no certificate")
            }
            open(context, as: try PeerIdentity(certificate: certificate))
        case .anonymousTLS(let name):
            guard negotiated == name else { throw TransportError.wrongProtocol }
            open(context, as: .newcomer)
        case .known, .none: break
        }
    }

    private func openIfKnown(_ context: ChannelHandlerContext) {
        if case .known(let identity) = authentication { open(context, as: identity) }
    }

    private func open(_ context: ChannelHandlerContext, as identity: PeerIdentity) {
        guard connection == nil, !isFinished else { return }
        if let objection = gate.objection(to: identity) { return fail(objection) }
        handshakeDeadline?.cancel()
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        let connection = ChannelConnection(
            identity: identity, channel: context.channel, limits: limits, budget: budget, handler: bound)
        self.connection = connection
        // From here on we ask for each read, so that a slow reader of ours slows the peer down.
        try? context.channel.syncOptions?.setOption(.autoRead, value: false)
        lastRead = .now()
        watch = context.eventLoop.scheduleRepeatedTask(initialDelay: watchInterval, delay: watchInterval) { _ in
            bound.value.checkClocks()
        }
        let eventLoop = context.eventLoop
        gate.enter(ObjectIdentifier(self), identity) { error in eventLoop.execute { bound.value.fail(error) } }
        ready.succeed(connection)
        context.read()
    }

    // MARK: Reading

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isClosing, !isFinished else { return }
        var bytes = unwrapInboundIn(data)
        do {
            while let frame = try decoder.decode(buffer: &bytes) { arrived.append(frame) }
        } catch {
            deliver()
            fail(.classify(error))
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        lastRead = .now()
        let hasRoom = deliver()
        // An ending connection reads on, or it would never see the peer's goodbye.
        isReading = hasRoom || isClosing || isFinished
        if isReading { context.read() }
        context.fireChannelReadComplete()
    }

    /// The reader has made room.
    func resumeReading() {
        guard !isReading, !isFinished else { return }
        isReading = true
        lastRead = .now()
        context?.read()
    }

    @discardableResult
    private func deliver() -> Bool {
        guard !arrived.isEmpty else { return true }
        defer { arrived.removeAll(keepingCapacity: true) }
        return connection?.inbox.offer(arrived) ?? true
    }

    // MARK: Clocks

    private var watchInterval: TimeAmount {
        let shortest = min(limits.idleReadTimeout ?? limits.stalledWriteTimeout, limits.stalledWriteTimeout)
        return TimeAmount(shortest / 4)
    }

    /// Silence counts only while we read, and a stall only while we write.
    private func checkClocks() {
        let now = NIODeadline.now()
        if let timeout = limits.idleReadTimeout, isReading, now - lastRead >= TimeAmount(timeout) {
            fail(.idleTimedOut)
        } else if let writeBegan, now - writeBegan >= TimeAmount(limits.stalledWriteTimeout) {
            fail(.writeStalled)
        }
        if let identity = connection?.identity, let objection = gate.objection(to: identity) { fail(objection) }
        if now - lastRead >= watchInterval { decoder.releaseSpareMemory() }
    }

    // MARK: Ending

    /// Closes once everything in the outbox has been written, or the close timeout has passed.
    func beginClosing() {
        guard let context, !isClosing, !isFinished else { return }
        isClosing = true
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        closeDeadline = context.eventLoop.scheduleTask(in: TimeAmount(limits.closeTimeout)) {
            bound.value.fail(.closed)
        }
        // The peer's goodbye can only be seen by reading on.
        resumeReading()
        drain()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(.classify(error))
    }

    func channelInactive(context: ChannelHandlerContext) {
        deliver()
        do {
            var nothing = ByteBuffer()
            _ = try decoder.decodeLast(buffer: &nothing, seenEOF: true)
            finish(connection == nil ? .connectionLost : nil)
        } catch {
            finish(.classify(error))
        }
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        finish(.connectionLost)
        self.context = nil
    }

    /// Ends the connection with an error and closes the channel.
    func fail(_ error: TransportError) {
        guard !isFinished else { return }
        finish(error)
        context?.close(promise: nil)
        context?.read()
    }

    /// Tells everyone who waits how the connection ended; nothing for the peer's orderly goodbye.
    private func finish(_ error: TransportError?) {
        guard !isFinished else { return }
        isFinished = true
        gate.leave(ObjectIdentifier(self))
        handshakeDeadline?.cancel()
        closeDeadline?.cancel()
        watch?.cancel()
        connection?.ended(error)
        // Breaks the cycle between connection and handler.
        connection = nil
        ready.fail(error ?? .connectionLost)
    }
}
