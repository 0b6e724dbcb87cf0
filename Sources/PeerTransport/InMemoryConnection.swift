// SPDX-License-Identifier: Apache-2.0
// A connection between two tasks of one process.

import Synchronization

/// One direction of an in-memory connection: the sender's window, the reader's inbox and the faults in between.
///
/// A frame counts in the window until its reader has taken it, so a slow reader holds up the sender as it would across
/// a network.
final class InMemoryDirection: Sendable {
    let window: FlowWindow
    let inbox: FrameInbox
    private struct State {
        var faults: FaultStream?
        /// A control frame that waits to be overtaken.
        var held: Frame?
    }
    /// Guards everything in `State`.
    private let state: Mutex<State>

    init(limits: TransportLimits, faults: FaultStream?) {
        let window = FlowWindow(limit: limits.inFlightByteCount)
        self.window = window
        inbox = FrameInbox(limit: .max) { frame, _ in window.release(FlowWindow.cost(of: frame)) }
        state = Mutex(State(faults: faults))
    }

    /// Draws what happens to the next frame.
    func fate(of kind: Frame.Kind) -> FaultStream.Fate {
        state.withLock { $0.faults?.next(kind) ?? FaultStream.Fate() }
    }

    /// Nothing goes wrong from now on.
    func calm() { state.withLock { $0.faults = nil } }

    /// Brings a frame to the reader, or holds it until the next one has passed.
    ///
    /// - Returns: Whether the frame is held; somebody must then call ``letGo()`` some time.
    func deliver(_ frame: Frame, fate: FaultStream.Fate) -> Bool {
        state.withLock { state in
            if fate.isOvertaken, state.held == nil {
                state.held = frame
                return true
            }
            var frames = [frame]
            if fate.isDuplicated {
                window.charge(FlowWindow.cost(of: frame))
                frames.append(frame)
            }
            if let held = state.held.take() { frames.append(held) }
            // Inside the lock, or two senders could deliver in another order than they drew their fates.
            inbox.offer(frames)
            return false
        }
    }

    /// Delivers a frame that nobody has overtaken.
    func letGo() {
        state.withLock { state in
            if let held = state.held.take() { inbox.offer(CollectionOfOne(held)) }
        }
    }

    /// Nothing more comes; the reader gets what is here first.
    func finish(_ error: TransportError?) {
        letGo()
        inbox.finish(error)
        window.fail(error ?? .connectionLost)
    }
}

/// One end of an in-memory connection.
final class InMemoryConnection: PeerConnection {
    let identity: PeerIdentity
    let remoteDescription = "in memory"
    private let limits: TransportLimits
    private let outgoing: InMemoryDirection
    private let incoming: InMemoryDirection
    private let clock: any Clock<Duration>
    private let hooks: Hooks

    /// What a connection asks of its network.
    struct Hooks: Sendable {
        /// Lets a held frame go after a while.
        var letGoLater: @Sendable (InMemoryDirection) -> Void
        /// Both directions are cut.
        var cut: @Sendable () -> Void
        /// The connection was closed in order.
        var closed: @Sendable () -> Void
    }

    init(
        identity: PeerIdentity, limits: TransportLimits, outgoing: InMemoryDirection, incoming: InMemoryDirection,
        clock: any Clock<Duration>, hooks: Hooks
    ) {
        self.identity = identity
        self.limits = limits
        self.outgoing = outgoing
        self.incoming = incoming
        self.clock = clock
        self.hooks = hooks
    }

    func send(_ frame: Frame) async throws {
        try limits.frames.check(frame)
        try await outgoing.window.admit(frame)
        let fate = outgoing.fate(of: frame.kind)
        if fate.delay > .zero {
            do {
                try await clock.sleep(for: fate.delay)
            } catch {
                outgoing.window.release(FlowWindow.cost(of: frame))
                throw error
            }
        }
        if outgoing.deliver(frame, fate: fate) { hooks.letGoLater(outgoing) }
        if fate.isCutAfter { hooks.cut() }
    }

    func nextFrame() async throws -> Frame? {
        try await incoming.inbox.next()
    }

    func close() async {
        outgoing.window.fail(.closed)
        incoming.inbox.finish(.closed)
        incoming.inbox.discard()
        outgoing.finish(nil)
        incoming.finish(.connectionLost)
        hooks.closed()
    }
}
