// SPDX-License-Identifier: Apache-2.0
// A connection over a NIO channel: TLS over TCP, or a Unix socket.

import NIOCore
import Synchronization

/// The tasks' half of a connection; ``FrameHandler`` is the event loop's half.
///
/// A frame goes: `send` → window (waits for room) → outbox → event loop → network. Senders run ahead of the loop by at
/// most the window, so neither side waits for the other at each frame.
final class ChannelConnection: PeerConnection {
    private struct Outbox {
        var frames = CircularBuffer<Frame>()
        /// The event loop has been told that there is something to write.
        var isScheduled = false
    }

    let identity: PeerIdentity
    let remoteDescription: String
    let window: FlowWindow
    let inbox: FrameInbox
    private let limits: TransportLimits
    private let budget: InFlightBudget
    private let channel: any Channel
    private let handler: NIOLoopBound<FrameHandler>
    /// Guards everything in `Outbox`.
    private let outbox = Mutex(Outbox())

    init(
        identity: PeerIdentity, channel: any Channel, limits: TransportLimits, budget: InFlightBudget,
        handler: NIOLoopBound<FrameHandler>
    ) {
        self.identity = identity
        self.budget = budget
        budget.join()
        self.channel = channel
        self.limits = limits
        self.handler = handler
        remoteDescription = channel.remoteAddress.map(Self.describe) ?? "unknown"
        window = FlowWindow(limit: budget.share)
        let eventLoop = channel.eventLoop
        inbox = FrameInbox(limit: budget.share) { _, mayResume in
            if mayResume { eventLoop.execute { handler.value.resumeReading() } }
        }
    }

    func send(_ frame: Frame) async throws {
        try limits.frames.check(frame)
        try await window.admit(frame)
        let mustSchedule = outbox.withLock { outbox in
            outbox.frames.append(frame)
            defer { outbox.isScheduled = true }
            return !outbox.isScheduled
        }
        if mustSchedule { channel.eventLoop.execute { [handler] in handler.value.drain() } }
    }

    func nextFrame() async throws -> Frame? {
        try await inbox.next()
    }

    func close() async {
        window.fail(.closed)
        inbox.finish(.closed)
        channel.eventLoop.execute { [handler] in handler.value.beginClosing() }
        try? await channel.closeFuture.get()
        inbox.discard()
    }

    /// For the event loop: the next frames to write, until they make up `byteCount`. Control frames go in portions
    /// that fit into `controlByteCount` where each of them does.
    ///
    /// An empty answer also means that the next `send` will schedule the loop again.
    func takePortion(ofAtLeast byteCount: Int, controlByteCount: Int) -> CircularBuffer<Frame> {
        outbox.withLock { outbox in
            var portion = CircularBuffer<Frame>()
            var taken = 0
            while taken < byteCount, let frame = outbox.frames.first {
                let isFull = taken + frame.wireByteCount > controlByteCount
                if frame.kind == .control, taken > 0, isFull { break }
                taken += frame.wireByteCount
                portion.append(outbox.frames.removeFirst())
            }
            if portion.isEmpty { outbox.isScheduled = false }
            return portion
        }
    }

    /// For the event loop: nothing more will come or go. Called once.
    func ended(_ error: TransportError?) {
        budget.leave()
        window.fail(error ?? .connectionLost)
        inbox.finish(error)
        outbox.withLock { $0.frames.removeAll() }
    }

    /// Address and port without anything the peer could choose.
    static func describe(_ address: SocketAddress) -> String {
        guard let host = address.ipAddress, let port = address.port else { return "unix socket" }
        return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}
