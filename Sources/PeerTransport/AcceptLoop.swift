// SPDX-License-Identifier: Apache-2.0
// Serves the connections of one listening socket, each in a task of its own.

import Glibc
import Logging
import NIOCore
import NIOPosix
import Synchronization

/// What TCP and Unix listeners share: admission, handshake, one child task per connection, orderly end.
///
/// Structured: everything runs inside `run`, and cancelling its task closes all connections before it returns. An error
/// of one connection is logged and goes no further.
struct AcceptLoop: Sendable {
    /// A connection that was accepted from the socket.
    struct Arrival: Sendable {
        var channel: any Channel
        /// Fulfilled when the peer is known; failed at once when the connection was refused.
        var ready: EventLoopFuture<ChannelConnection>
        /// Whether ``AdmissionControl`` counts it.
        var isAdmitted: Bool
        /// What it is counted by; kept because a closed socket has no address any more.
        var rateKey: String?
    }

    private let limits: TransportLimits
    private let budget: InFlightBudget
    private let gate: PeerGate
    private let logger: Logger
    private let started = NIODeadline.now()
    /// Guards the counts.
    private let admission: AdmissionBox
    private let unserved = UnservedChannels()

    init(limits: TransportLimits, gate: PeerGate = PeerGate(), logger: Logger) {
        self.limits = limits
        self.gate = gate
        budget = InFlightBudget(limits: limits)
        self.logger = logger
        admission = AdmissionBox(limits: limits)
    }

    /// For the event loop, as a channel initialiser: counts the connection and builds its pipeline, or refuses it.
    ///
    /// - Parameter addSecurity: Puts the handlers in front of the frames and says how the peer is known.
    func accept(
        _ channel: any Channel,
        addSecurity: (any Channel) throws -> FrameHandler.Authentication
    ) -> EventLoopFuture<Arrival> {
        let ready = channel.eventLoop.makePromise(of: ChannelConnection.self)
        unserved.add(channel)
        var isAdmitted = false
        let rateKey = Self.rateKey(channel.remoteAddress)
        do {
            let seconds = Double((NIODeadline.now() - started).nanoseconds) / 1e9
            try admission.state.withLock { control throws(TransportError) in
                try control.admit(address: rateKey, atSeconds: seconds)
            }
            isAdmitted = true
            let authentication = try addSecurity(channel)
            try channel.pipeline.syncOperations.addHandler(
                FrameHandler(authentication: authentication, limits: limits, budget: budget, gate: gate, ready: ready))
        } catch {
            ready.fail(error)
            channel.close(promise: nil)
        }
        return channel.eventLoop.makeSucceededFuture(
            Arrival(channel: channel, ready: ready.futureResult, isAdmitted: isAdmitted, rateKey: rateKey))
    }

    /// Serves until the task is cancelled or the listening socket fails.
    ///
    /// - Parameter alongside: Runs in the same task group, and is cancelled with it.
    func run(
        _ server: NIOAsyncChannel<Arrival, Never>,
        onBound: @Sendable () -> Void,
        alongside: @escaping @Sendable () async -> Void = {},
        onConnection: @escaping @Sendable (any PeerConnection) async -> Void
    ) async throws {
        // Event loops accept and shake hands before anybody asks: peers whose turn never came must not wait for ever.
        defer { unserved.closeAll() }
        try await server.executeThenClose { arrivals in
            onBound()
            try await withThrowingDiscardingTaskGroup { group in
                group.addTask { await alongside() }
                for try await arrival in arrivals {
                    group.addTask { await serve(arrival, onConnection) }
                }
                group.cancelAll()
            }
        }
    }

    private func serve(_ arrival: Arrival, _ onConnection: @Sendable (any PeerConnection) async -> Void) async {
        unserved.remove(arrival.channel)
        defer { if arrival.isAdmitted { admission.state.withLock { $0.connectionClosed() } } }
        let address = arrival.channel.remoteAddress.map(ChannelConnection.describe) ?? "unknown"
        do {
            let connection = try await establish(arrival)
            logger.debug("connection opened", metadata: ["address": "\(address)"])
            await onConnection(connection)
            await connection.close()
            logger.debug("connection closed", metadata: ["address": "\(address)"])
        } catch {
            let reason = TransportError.classify(error)
            logger.notice(
                "connection refused", metadata: ["address": "\(address)", "reason": "\(reason.code.rawValue)"])
        }
    }

    private func establish(_ arrival: Arrival) async throws -> ChannelConnection {
        defer {
            if arrival.isAdmitted { admission.state.withLock { $0.handshakeEnded(address: arrival.rateKey) } }
        }
        return try await arrival.ready.get(closingOnCancellation: arrival.channel)
    }

    /// IPv4 by address, also inside IPv6; IPv6 by /64, which is what one customer gets.
    static func rateKey(_ address: SocketAddress?) -> String? {
        guard let text = address?.ipAddress else { return nil }
        var bytes = [UInt8](repeating: 0, count: 16)
        guard !text.contains("."), inet_pton(AF_INET6, text, &bytes) == 1 else { return text }
        return bytes.prefix(8).map { String($0, radix: 16) }.joined(separator: ":")
    }
}

/// A reference to the counts that a listener's tasks share.
private final class AdmissionBox: Sendable {
    let state: Mutex<AdmissionControl>

    init(limits: TransportLimits) { state = Mutex(AdmissionControl(limits: limits)) }
}

/// Channels that event loops have accepted and no task serves yet.
private final class UnservedChannels: Sendable {
    /// Guards the channels; nil once the listener is over.
    private let channels = Mutex<[ObjectIdentifier: any Channel]?>([:])

    /// Notes a channel; closes it when the listener is over.
    func add(_ channel: any Channel) {
        let isOver = channels.withLock { channels in
            channels?[ObjectIdentifier(channel)] = channel
            return channels == nil
        }
        if isOver { channel.close(promise: nil) }
    }

    func remove(_ channel: any Channel) {
        channels.withLock { _ = $0?.removeValue(forKey: ObjectIdentifier(channel)) }
    }

    func closeAll() {
        let left = channels.withLock { channels in
            defer { channels = nil }
            return channels.map { Array($0.values) } ?? []
        }
        for channel in left { channel.close(promise: nil) }
    }
}

extension EventLoopFuture where Value: Sendable {
    /// Waits for the value; cancelling the task closes `channel`, which fails the future.
    func get(closingOnCancellation channel: any Channel) async throws -> Value {
        try await withTaskCancellationHandler {
            try await get()
        } onCancel: {
            channel.close(promise: nil)
        }
    }
}
