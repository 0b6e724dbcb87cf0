// SPDX-License-Identifier: Apache-2.0
// Listeners, connected pairs and logs for the tests of this folder.

import Foundation
import Logging
import NIOCore
import PeerTransport
import Synchronization
import TestSupport

extension TLSIdentity {
    init(_ files: TestAuthority.Files) {
        self.init(
            certificateChainPath: files.certificateChainPath, privateKeyPath: files.privateKeyPath,
            trustRootsPath: files.trustRootsPath)
    }
}

/// A value that one task gives and another waits for.
final class Promised<Value: Sendable>: Sendable {
    private let stream: AsyncThrowingStream<Value, any Error>
    private let continuation: AsyncThrowingStream<Value, any Error>.Continuation

    init() { (stream, continuation) = AsyncThrowingStream.makeStream(of: Value.self) }

    func give(_ value: Value) { continuation.yield(value) }

    /// No value will come.
    func fail(_ error: any Error) { continuation.finish(throwing: error) }

    /// Waits for the next value given.
    func take() async throws -> Value {
        for try await value in stream { return value }
        throw CancellationError()
    }
}

/// What a listener logged.
final class LogRecord: Sendable {
    private let lines = Mutex<[String]>([])

    var reasons: [String] { lines.withLock { $0 } }

    var logger: Logger { Logger(label: "test") { _ in Handler(record: self) } }

    /// Waits until `reason` was logged, for at most five seconds.
    func awaitReason(_ reason: TransportError.Code) async -> Bool {
        for _ in 0..<500 {
            if reasons.contains(reason.rawValue) { return true }
            try? await Task.sleep(for: .milliseconds(10))
        }
        return false
    }

    private struct Handler: LogHandler {
        let record: LogRecord
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.debug

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            guard case .string(let reason)? = event.metadata?["reason"] else { return }
            record.lines.withLock { $0.append(reason) }
        }
    }
}

/// An authority, a server certificate for `localhost` and a client certificate.
struct Consortium {
    let authority: TestAuthority
    let server: TestAuthority.Files
    let client: TestAuthority.Files

    init() throws {
        authority = try TestAuthority()
        server = try authority.leaf(id: "hub", role: "aggregator")
        client = try authority.leaf(id: "ward-7")
    }
}

/// Runs a TLS listener around `body`, which gets its port.
func withListener<Result: Sendable>(
    _ files: TestAuthority.Files, limits: TransportLimits = TransportLimits(), log: LogRecord = LogRecord(),
    onConnection: @escaping @Sendable (any PeerConnection) async -> Void,
    _ body: (_ port: Int) async throws -> Result
) async throws -> Result {
    try await whileRunning { bound in
        try await PeerListener.run(
            host: "127.0.0.1", port: 0, identity: TLSIdentity(files), limits: limits, logger: log.logger,
            onBound: { bound.give($0) }, onConnection: onConnection)
    } do: { port in
        try await body(port)
    }
}

/// Runs `service` beside `body`, which begins when the service says that it is ready, and cancels it afterwards.
///
/// - Throws: what `body` throws, or the service before it was ready.
func whileRunning<Ready: Sendable, Result: Sendable>(
    _ service: @escaping @Sendable (_ ready: Promised<Ready>) async throws -> Void,
    do body: (Ready) async throws -> Result
) async throws -> Result {
    let ready = Promised<Ready>()
    return try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
            do {
                try await service(ready)
                ready.fail(CancellationError())
            } catch {
                ready.fail(error)
            }
        }
        let result = try await body(try await ready.take())
        group.cancelAll()
        return result
    }
}

/// What carries a connection. The behaviour must be the same.
enum Carrier: CaseIterable, Sendable {
    case tls, unixSocket, memory

    /// Connects two ends, runs `body` with both, and tears everything down.
    func withPair<Result: Sendable>(
        limits: TransportLimits = TransportLimits(),
        _ body: (_ near: any PeerConnection, _ far: any PeerConnection) async throws -> Result
    ) async throws -> Result {
        let accepted = Promised<any PeerConnection>()
        let serve: @Sendable (any PeerConnection) async -> Void = { connection in
            accepted.give(connection)
            // Holds the connection open until the test is over.
            try? await Task.sleep(for: .seconds(3600))
        }
        func run(_ near: any PeerConnection) async throws -> Result {
            try await body(near, try await accepted.take())
        }
        switch self {
        case .tls:
            let consortium = try Consortium()
            return try await withListener(consortium.server, limits: limits, onConnection: serve) { port in
                try await PeerConnector.withConnection(
                    host: "localhost", port: port, identity: TLSIdentity(consortium.client), limits: limits, run)
            }
        case .unixSocket:
            let path = temporarySocketPath()
            return try await whileRunning { bound in
                try await LocalSocket.run(
                    path: path, limits: limits, logger: LogRecord().logger, onBound: { bound.give(()) },
                    onConnection: serve)
            } do: {
                return try await LocalSocket.withConnection(path: path, limits: limits, run)
            }
        case .memory:
            let network = InMemoryNetwork(limits: limits)
            return try await whileRunning { bound in
                try await network.listen(onBound: { bound.give(()) }, onConnection: serve)
            } do: {
                return try await network.withConnection(as: .site("ward-7"), run)
            }
        }
    }
}

extension PeerIdentity {
    static func site(_ id: String) -> PeerIdentity {
        PeerIdentity(publicKeyHash: Array(id.utf8), names: ["fl://test/site/\(id)"])
    }
}

/// A path short enough for a socket, in a folder that exists.
func temporarySocketPath() -> String {
    FileManager.default.temporaryDirectory.appending(path: "c-\(UUID().uuidString.prefix(8)).sock").path
}

extension Frame {
    static func control(_ text: String) -> Frame { Frame(kind: .control, payload: ByteBuffer(string: text)) }

    /// A frame whose every byte follows from its number and length.
    static func patterned(_ kind: Kind, byteCount: Int, number: Int = 0) -> Frame {
        let bytes = (0..<byteCount).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ number) }
        return Frame(kind: kind, payload: ByteBuffer(bytes: bytes))
    }

    var text: String { String(buffer: payload) }
}

extension PeerConnection {
    /// Every frame until the orderly end.
    func allFrames() async throws -> [Frame] {
        var frames: [Frame] = []
        while let frame = try await nextFrame() { frames.append(frame) }
        return frames
    }
}

/// The code of the transport error that `body` throws; nothing when it throws none.
func transportCode(_ body: () async throws -> Void) async -> TransportError.Code? {
    do {
        try await body()
        return nil
    } catch {
        return (error as? TransportError)?.code
    }
}
