// SPDX-License-Identifier: Apache-2.0
// A network inside one process, with faults on demand, so that a whole federation runs in a test.

import Synchronization

/// The in-process twin of ``PeerListener`` and ``PeerConnector``: one listener, any number of peers.
///
/// Same behaviour as over TLS: order, backpressure, size limits, orderly and disorderly ends. Identities are taken on
/// trust. All timers of faults run in the task group of ``listen(as:onConnection:)``.
package final class InMemoryNetwork: Sendable {
    private enum Event: Sendable {
        case connection(InMemoryConnection)
        case letGo(InMemoryDirection)
        case endOutage(PeerIdentity, after: Duration)
    }

    private struct Link {
        var peer: PeerIdentity
        var directions: [InMemoryDirection]
    }

    private struct State {
        var listener: (identity: PeerIdentity, events: AsyncStream<Event>.Continuation)?
        var links: [UInt64: Link] = [:]
        var nextLink: UInt64 = 0
        /// Connections each identity made, which tells the faults of the next one apart.
        var connections: [PeerIdentity: UInt32] = [:]
        /// Outages each identity suffers.
        var outages: [PeerIdentity: Int] = [:]
        /// Nothing goes wrong any more.
        var isCalm = false
        /// Connections that were cut so far.
        var cuts = 0
    }

    private let limits: TransportLimits
    private let plan: FaultPlan?
    private let clock: any Clock<Duration>
    /// Guards everything in `State`.
    private let state = Mutex(State())

    /// Creates a network nobody listens on.
    ///
    /// - Parameter clock: Measures delays and outages.
    package init(
        limits: TransportLimits = TransportLimits(), faults: FaultPlan? = nil,
        clock: any Clock<Duration> = ContinuousClock()
    ) {
        self.limits = limits
        plan = faults
        self.clock = clock
    }

    /// Serves every peer until the task is cancelled, each in a task of its own, as ``PeerListener`` does.
    ///
    /// - Parameter onBound: Called once peers can connect.
    /// - Throws: ``TransportError`` `addressInUse` when somebody listens already.
    package func listen(
        as identity: PeerIdentity = PeerIdentity(publicKeyHash: [], names: ["fl://memory/aggregator/memory"]),
        onBound: @Sendable () -> Void = {},
        onConnection: @escaping @Sendable (any PeerConnection) async -> Void
    ) async throws {
        let (events, continuation) = AsyncStream.makeStream(of: Event.self)
        try state.withLock { state in
            guard state.listener == nil else {
                throw TransportError(.addressInUse, "another task listens on this network")
            }
            state.listener = (identity, continuation)
        }
        defer { stopListening() }
        onBound()
        await withDiscardingTaskGroup { group in
            for await event in events {
                group.addTask { await self.handle(event, onConnection) }
            }
            group.cancelAll()
        }
    }

    /// Connects to the listener as `identity`.
    ///
    /// - Throws: ``TransportError`` `connectionRefused` when nobody listens or `identity` suffers an outage.
    package func connect(as identity: PeerIdentity) async throws -> any PeerConnection {
        try state.withLock { state in
            guard let listener = state.listener, state.outages[identity] == nil else {
                throw TransportError(.connectionRefused, "nobody listens there")
            }
            let number = state.connections[identity, default: 0]
            state.connections[identity] = number + 1
            let up = makeDirection(from: identity, number: number, isUp: true, isCalm: state.isCalm)
            let down = makeDirection(from: identity, number: number, isUp: false, isCalm: state.isCalm)
            let id = state.nextLink
            state.nextLink += 1
            state.links[id] = Link(peer: identity, directions: [up, down])
            let hooks = makeHooks(link: id, peer: identity)
            let near = InMemoryConnection(
                identity: listener.identity, limits: limits, outgoing: up, incoming: down, clock: clock, hooks: hooks)
            let far = InMemoryConnection(
                identity: identity, limits: limits, outgoing: down, incoming: up, clock: clock, hooks: hooks)
            listener.events.yield(.connection(far))
            return near
        }
    }

    /// Connects, runs `body`, and closes the connection whichever way it ends.
    ///
    /// - Throws: as ``connect(as:)``, or what `body` throws.
    package func withConnection<Result>(
        as identity: PeerIdentity, _ body: (any PeerConnection) async throws -> Result
    ) async throws -> Result {
        try await scoped(try await connect(as: identity), body)
    }

    /// Cuts all connections of `identity` and refuses new ones for `outage`.
    package func cut(_ identity: PeerIdentity, outage: Duration = .zero) {
        cut(identity, outage: outage) { $1.peer == identity }
    }

    /// Ends all faults: what is cut stays cut, and nothing else happens.
    package func calm() {
        let directions = state.withLock { state in
            state.isCalm = true
            return state.links.values.flatMap(\.directions)
        }
        for direction in directions { direction.calm() }
    }

    /// Connections that faults or ``cut(_:outage:)`` have cut so far.
    package var cutConnections: Int { state.withLock { $0.cuts } }

    private func cut(_ identity: PeerIdentity, outage: Duration, where isCut: (UInt64, Link) -> Bool) {
        let directions = state.withLock { state in
            let cut = state.links.filter { isCut($0.key, $0.value) }
            for id in cut.keys { state.links[id] = nil }
            state.cuts += cut.count
            if outage > .zero, let listener = state.listener {
                state.outages[identity, default: 0] += 1
                listener.events.yield(.endOutage(identity, after: outage))
            }
            return cut.sorted { $0.key < $1.key }.flatMap(\.value.directions)
        }
        for direction in directions { direction.finish(.connectionLost) }
    }

    private func handle(_ event: Event, _ onConnection: @Sendable (any PeerConnection) async -> Void) async {
        switch event {
        case .connection(let connection):
            await onConnection(connection)
            await connection.close()
        case .letGo(let direction):
            try? await clock.sleep(for: plan?.reorderPatience ?? .zero)
            direction.letGo()
        case .endOutage(let identity, let duration):
            try? await clock.sleep(for: duration)
            state.withLock { state in
                let left = (state.outages[identity] ?? 1) - 1
                state.outages[identity] = left == 0 ? nil : left
            }
        }
    }

    private func stopListening() {
        let links = state.withLock { state in
            defer {
                state.listener = nil
                state.links = [:]
                state.outages = [:]
            }
            return state.links.sorted { $0.key < $1.key }.map(\.value)
        }
        for direction in links.flatMap(\.directions) { direction.finish(.connectionLost) }
    }

    private func makeDirection(from identity: PeerIdentity, number: UInt32, isUp: Bool, isCalm: Bool)
        -> InMemoryDirection
    {
        let stream =
            identity.publicKeyHash + identity.names.flatMap { Array($0.utf8) + [0] }
            + (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } + [isUp ? 1 : 0]
        let faults = isCalm ? nil : plan.map { FaultStream(plan: $0, stream: stream) }
        return InMemoryDirection(limits: limits, faults: faults)
    }

    private func makeHooks(link: UInt64, peer: PeerIdentity) -> InMemoryConnection.Hooks {
        InMemoryConnection.Hooks(
            letGoLater: { [weak self] direction in
                guard let events = self?.state.withLock({ $0.listener?.events }) else { return direction.letGo() }
                events.yield(.letGo(direction))
            },
            cut: { [weak self] in
                guard let self else { return }
                cut(peer, outage: plan?.outage ?? .zero) { id, _ in id == link }
            },
            closed: { [weak self] in self?.state.withLock { $0.links[link] = nil } })
    }
}
