// SPDX-License-Identifier: Apache-2.0
// Suspends senders while too many of their bytes are on the way.

import NIOCore
import Synchronization

/// Counts the bytes of one direction that were accepted and have not arrived, and lets senders wait for room.
///
/// Invariant: while a sender waits, bytes are in flight, and the release of the last of them wakes it. Waiting control frames
/// go before waiting chunk frames; within a kind the order is that of arrival.
final class FlowWindow: Sendable {
    private struct Waiter {
        var id: UInt64
        var byteCount: Int
        var continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var inFlight = 0
        var nextID: UInt64 = 0
        var control = CircularBuffer<Waiter>()
        var chunks = CircularBuffer<Waiter>()
        var failure: TransportError?
    }

    private let currentLimit: @Sendable () -> Int
    /// Guards everything in `State`.
    private let state = Mutex(State())

    /// Creates a window of `limit` bytes, which may change at any time.
    init(limit: @escaping @autoclosure @Sendable () -> Int) { currentLimit = limit }

    private var limit: Int { currentLimit() }

    /// What a frame counts for: its payload, and never nothing.
    static func cost(of frame: Frame) -> Int { max(frame.payload.readableBytes, 64) }

    /// Bytes accepted and not released.
    var inFlightByteCount: Int { state.withLock(\.inFlight) }

    /// Waits for room for a frame and takes it.
    ///
    /// - Throws: the failure of the window; `CancellationError` when cancelled while waiting, and then nothing is taken.
    func admit(_ frame: Frame) async throws {
        let byteCount = Self.cost(of: frame)
        let id: UInt64? = try state.withLock { state in
            if let failure = state.failure { throw failure }
            let mustQueue = !state.control.isEmpty || (frame.kind == .chunk && !state.chunks.isEmpty)
            if !mustQueue, hasRoom(for: byteCount, state) {
                state.inFlight += byteCount
                return nil
            }
            state.nextID += 1
            return state.nextID
        }
        if let id { try await wait(id, byteCount: byteCount, kind: frame.kind) }
    }

    /// Takes `byteCount` without waiting, above the limit if need be.
    func charge(_ byteCount: Int) { state.withLock { $0.inFlight += byteCount } }

    /// Gives back bytes that have arrived. Senders are woken when half of the window is free, not for each frame:
    /// waking a task costs more than encrypting 16 KiB.
    func release(_ byteCount: Int) {
        let admitted = state.withLock { state -> [Waiter] in
            state.inFlight -= byteCount
            return state.inFlight > limit / 2 ? [] : admitWaiters(&state)
        }
        for waiter in admitted { waiter.continuation.resume() }
    }

    /// Ends the window: senders that wait, and all later ones, get `error`. The first failure stays.
    func fail(_ error: TransportError) {
        let waiters = state.withLock { state -> [Waiter] in
            guard state.failure == nil else { return [] }
            state.failure = error
            defer {
                state.control.removeAll()
                state.chunks.removeAll()
            }
            return Array(state.control) + Array(state.chunks)
        }
        for waiter in waiters { waiter.continuation.resume(throwing: error) }
    }

    private func wait(_ id: UInt64, byteCount: Int, kind: Frame.Kind) async throws {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                enqueue(Waiter(id: id, byteCount: byteCount, continuation: continuation), kind: kind)
            }
        } onCancel: {
            cancel(id)
        }
    }

    /// Room may have appeared, the window may have failed or the task may have been cancelled since the first look.
    private func enqueue(_ waiter: Waiter, kind: Frame.Kind) {
        let outcome: Result<[Waiter], any Error> = state.withLock { state in
            if let failure = state.failure { return .failure(failure) }
            if Task.isCancelled { return .failure(CancellationError()) }
            switch kind {
            case .control: state.control.append(waiter)
            case .chunk: state.chunks.append(waiter)
            }
            return .success(admitWaiters(&state))
        }
        switch outcome {
        case .success(let admitted): for waiter in admitted { waiter.continuation.resume() }
        case .failure(let error): waiter.continuation.resume(throwing: error)
        }
    }

    private func cancel(_ id: UInt64) {
        let (cancelled, admitted) = state.withLock { state -> (Waiter?, [Waiter]) in
            let waiter = remove(id, from: &state.control) ?? remove(id, from: &state.chunks)
            return (waiter, waiter == nil ? [] : admitWaiters(&state))
        }
        cancelled?.continuation.resume(throwing: CancellationError())
        for waiter in admitted { waiter.continuation.resume() }
    }

    private func remove(_ id: UInt64, from waiters: inout CircularBuffer<Waiter>) -> Waiter? {
        waiters.firstIndex { $0.id == id }.map { waiters.remove(at: $0) }
    }

    private func admitWaiters(_ state: inout State) -> [Waiter] {
        var admitted: [Waiter] = []
        while let next = state.control.first ?? state.chunks.first, hasRoom(for: next.byteCount, state) {
            state.inFlight += next.byteCount
            admitted.append(state.control.popFirst() ?? state.chunks.removeFirst())
        }
        return admitted
    }

    private func hasRoom(for byteCount: Int, _ state: State) -> Bool {
        state.inFlight == 0 || state.inFlight + byteCount <= limit
    }
}
