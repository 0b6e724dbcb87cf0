// SPDX-License-Identifier: Apache-2.0
// A site's network line: watches every frame, and breaks where a test says.

import Federation
import NIOCore
import PeerTransport
import Synchronization
import WireProtocol

/// What passes over a line.
enum Passing: Sendable {
    case fromSite(SiteMessage)
    case fromAggregator(AggregatorMessage)
    /// A piece of an upload.
    case upload(offset: Int, byteCount: Int)
    /// A piece of a download.
    case download(offset: Int, byteCount: Int)
}

/// What a line does with what passes.
enum LineVerdict: Sendable {
    case pass
    /// Cuts the line instead of bringing the frame.
    case cut
    /// Brings this many bytes of the piece, then cuts the line.
    case cutAfter(bytes: Int)
}

/// The line of one site. Once cut it stays down until ``restore()``.
final class Line: Sendable {
    struct Down: Error {}

    private struct State {
        var isDown = false
        var rule: (@Sendable (Passing) -> LineVerdict)?
        var passed: [Passing] = []
        var sent: [Frame] = []
        var connections = 0
    }

    /// Guards everything in `State`.
    private let state = Mutex(State())

    /// Cuts the line the first time that `rule` says so.
    func cutWhen(_ rule: @escaping @Sendable (Passing) -> LineVerdict) { state.withLock { $0.rule = rule } }

    func takeDown() { state.withLock { $0.isDown = true } }

    func restore() { state.withLock { $0.isDown = false } }

    var isDown: Bool { state.withLock(\.isDown) }

    /// Connections made so far.
    var connections: Int { state.withLock(\.connections) }

    /// All messages and pieces that went through.
    var passed: [Passing] { state.withLock(\.passed) }

    /// Every frame that the site has sent, whatever is in it.
    var sent: [Frame] { state.withLock(\.sent) }

    func noteSent(_ frame: Frame) { state.withLock { $0.sent.append(frame) } }

    func connected() throws {
        try state.withLock { state in
            guard !state.isDown else { throw Down() }
            state.connections += 1
        }
    }

    func judge(_ passing: Passing) -> LineVerdict {
        state.withLock { state in
            guard !state.isDown else { return .cut }
            let verdict = state.rule?(passing) ?? .pass
            if case .pass = verdict {
                state.passed.append(passing)
            } else {
                state.isDown = true
                state.rule = nil
            }
            return verdict
        }
    }
}

/// A connection over a ``Line``.
final class LineConnection: PeerConnection {
    private let base: any PeerConnection
    private let line: Line

    init(_ base: any PeerConnection, line: Line) {
        self.base = base
        self.line = line
    }

    var identity: PeerIdentity { base.identity }
    var remoteDescription: String { base.remoteDescription }

    func send(_ frame: Frame) async throws {
        line.noteSent(frame)
        guard let passing = Passing(frame, isFromSite: true) else { return try await base.send(frame) }
        switch line.judge(passing) {
        case .pass: try await base.send(frame)
        case .cut: try await cut()
        case .cutAfter(let bytes):
            var payload = frame.payload
            if let head = payload.readSlice(length: min(ChunkHeader.byteCount + bytes, payload.readableBytes)) {
                try await base.send(Frame(kind: frame.kind, payload: head))
            }
            try await cut()
        }
    }

    func nextFrame() async throws -> Frame? {
        guard let frame = try await base.nextFrame() else { return nil }
        guard let passing = Passing(frame, isFromSite: false) else { return frame }
        if case .pass = line.judge(passing) { return frame }
        try await cut()
        return nil
    }

    func close() async { await base.close() }

    private func cut() async throws {
        await base.close()
        throw Line.Down()
    }
}

extension Passing {
    fileprivate init?(_ frame: Frame, isFromSite: Bool) {
        switch frame.kind {
        case .control:
            if isFromSite {
                guard let message = try? SiteMessage(decoding: frame.controlBytes) else { return nil }
                self = .fromSite(message)
            } else {
                guard let message = try? AggregatorMessage(decoding: frame.controlBytes) else { return nil }
                self = .fromAggregator(message)
            }
        case .chunk:
            var payload = frame.payload
            guard let header = ChunkHeader(readingFrom: &payload) else { return nil }
            let offset = Int(header.offset)
            self =
                isFromSite
                ? .upload(offset: offset, byteCount: payload.readableBytes)
                : .download(offset: offset, byteCount: payload.readableBytes)
        }
    }
}
