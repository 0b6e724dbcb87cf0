// SPDX-License-Identifier: Apache-2.0
// Holds frames that have arrived until the connection's reader takes them.

import NIOCore
import Synchronization

/// The queue between whatever delivers frames and the one task that reads them.
final class FrameInbox: Sendable {
    private struct Reader {
        var id: UInt64
        var continuation: CheckedContinuation<Frame?, any Error>
    }

    private struct State {
        var frames = CircularBuffer<Frame>()
        var byteCount = 0
        /// The deliverer was told to stop and has not been told to go on.
        var isPaused = false
        /// How the stream ended, after the frames that are still here.
        var end: Result<Void, TransportError>?
        var reader: Reader?
        var nextReaderID: UInt64 = 0
    }

    /// What a reader finds.
    private enum Found {
        case frame(Frame)
        case end(Result<Void, TransportError>)
        case nothingYet
    }

    private let currentLimit: @Sendable () -> Int
    private let onTaken: @Sendable (_ frame: Frame, _ mayResume: Bool) -> Void
    /// Guards everything in `State`.
    private let state = Mutex(State())

    private var limit: Int { currentLimit() }

    /// Creates an inbox that asks for a pause above `limit` bytes, which may change at any time.
    ///
    /// - Parameter onTaken: Called for each frame the reader has taken; `mayResume` is true once after a pause, when at
    ///   least half of the room is free again.
    init(
        limit: @escaping @autoclosure @Sendable () -> Int,
        onTaken: @escaping @Sendable (_ frame: Frame, _ mayResume: Bool) -> Void
    ) {
        currentLimit = limit
        self.onTaken = onTaken
    }

    /// Delivers frames in order.
    ///
    /// - Returns: Whether there is room for more; if not, deliver nothing until `onTaken` says so.
    @discardableResult
    func offer(_ frames: some Collection<Frame>) -> Bool {
        let (reader, frame, hasRoom) = state.withLock { state -> (Reader?, Frame?, Bool) in
            guard state.end == nil else { return (nil, nil, true) }
            for frame in frames {
                state.frames.append(frame)
                state.byteCount += FlowWindow.cost(of: frame)
            }
            let frame = state.reader == nil ? nil : takeFrame(&state)
            let reader = frame == nil ? nil : state.reader.take()
            state.isPaused = state.byteCount >= limit
            return (reader, frame, !state.isPaused)
        }
        reader?.continuation.resume(returning: frame)
        return hasRoom
    }

    /// Ends the stream: the reader gets the frames still here, then nothing or `error`. The first end stays.
    func finish(_ error: TransportError?) {
        let end: Result<Void, TransportError> = error.map { .failure($0) } ?? .success(())
        let reader = state.withLock { state -> Reader? in
            guard state.end == nil else { return nil }
            state.end = end
            return state.reader.take()
        }
        reader?.continuation.resume(with: Result { try nothing(after: end) })
    }

    /// Throws away what is here; the stream must have been ended.
    func discard() {
        state.withLock { state in
            state.frames.removeAll()
            state.byteCount = 0
        }
    }

    /// The next frame, or nothing after an orderly end.
    ///
    /// - Throws: why the stream ended; ``TransportError`` `concurrentRead`; `CancellationError`.
    func next() async throws -> Frame? {
        let frame =
            switch try state.withLock({ try look(&$0) }) {
            case .frame(let frame): frame
            case .end(let end): try nothing(after: end)
            case .nothingYet: try await wait()
            }
        guard let frame else { return nil }
        let mayResume = state.withLock { state in
            guard state.isPaused, state.byteCount <= limit / 2 else { return false }
            state.isPaused = false
            return true
        }
        onTaken(frame, mayResume)
        return frame
    }

    private func look(_ state: inout State) throws -> Found {
        guard state.reader == nil else { throw TransportError.concurrentRead }
        if let frame = takeFrame(&state) { return .frame(frame) }
        return state.end.map { .end($0) } ?? .nothingYet
    }

    private func nothing(after end: Result<Void, TransportError>) throws -> Frame? {
        try end.get()
        return nil
    }

    private func takeFrame(_ state: inout State) -> Frame? {
        guard let frame = state.frames.popFirst() else { return nil }
        state.byteCount -= FlowWindow.cost(of: frame)
        return frame
    }

    private func wait() async throws -> Frame? {
        let id = state.withLock { state in
            state.nextReaderID += 1
            return state.nextReaderID
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { register(Reader(id: id, continuation: $0)) }
        } onCancel: {
            let reader = state.withLock { $0.reader?.id == id ? $0.reader.take() : nil }
            reader?.continuation.resume(throwing: CancellationError())
        }
    }

    /// A frame or the end may have come, or the task may have been cancelled, since the first look.
    private func register(_ reader: Reader) {
        let found = Result {
            try state.withLock { state in
                if Task.isCancelled { throw CancellationError() }
                let found = try look(&state)
                if case .nothingYet = found { state.reader = reader }
                return found
            }
        }
        switch found {
        case .success(.frame(let frame)): reader.continuation.resume(returning: frame)
        case .success(.end(let end)): reader.continuation.resume(with: Result { try nothing(after: end) })
        case .success(.nothingYet): break
        case .failure(let error): reader.continuation.resume(throwing: error)
        }
    }
}
