// SPDX-License-Identifier: Apache-2.0
// Serves one connection at the port for newcomers: a request in, replies out until the matter is decided.

import Enrolment
import Logging
import PeerTransport

/// The server's half of joining.
struct EnrolmentDesk: Sendable {
    let registry: Registry
    let logger: Logger

    private static let pollInterval = Duration.milliseconds(100)
    private static let repeatInterval = 150
    /// A newcomer sends its request at once, or goes.
    private static let requestTimeout = Duration.seconds(20)

    func serve(_ connection: any PeerConnection) async {
        do {
            guard let frame = try await firstFrame(connection) else { return }
            let bytes = frame.controlBytes
            var reply = await registry.answer(
                bytes, source: Self.source(connection), serverKeyHash: registry.folder.shownKeyHash)
            try await connection.send(Frame(controlBytes: reply.bytes))
            var rounds = 0
            while case .waiting = reply {
                try await Task.sleep(for: Self.pollInterval)
                rounds += 1
                guard let next = await registry.standing(of: bytes) else { break }
                if case .waiting = next {
                    // Silence would look like a dead server, and a send that fails shows that the newcomer is gone.
                    if rounds % Self.repeatInterval == 0 { try await connection.send(Frame(controlBytes: next.bytes)) }
                } else {
                    try await connection.send(Frame(controlBytes: next.bytes))
                }
                reply = next
            }
        } catch {
            logger.debug("a newcomer's connection ended", metadata: ["cause": "\(error)"])
        }
        await connection.close()
    }

    /// The address without its port.
    private static func source(_ connection: any PeerConnection) -> String {
        let text = connection.remoteDescription
        return text.lastIndex(of: ":").map { String(text[..<$0]) } ?? text
    }

    private func firstFrame(_ connection: any PeerConnection) async throws -> Frame? {
        try await withThrowingTaskGroup(of: Frame?.self) { group in
            group.addTask { try await connection.nextFrame() }
            group.addTask {
                try await Task.sleep(for: Self.requestTimeout)
                return nil
            }
            defer { group.cancelAll() }
            guard let frame = try await group.next() ?? nil, frame.kind == .control else { return nil }
            return frame
        }
    }
}
