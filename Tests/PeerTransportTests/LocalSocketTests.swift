// SPDX-License-Identifier: Apache-2.0
// The socket file is private, replaced only when nobody answers, and gone afterwards.

import Foundation
import NIOCore
import PeerTransport
import Testing

@Suite(.timeLimit(.minutes(3))) struct LocalSocketTests {
    private static let echo: @Sendable (any PeerConnection) async -> Void = { connection in
        while let frame = try? await connection.nextFrame() { try? await connection.send(frame) }
    }

    private func run(_ path: String, _ body: () async throws -> Void) async throws {
        try await whileRunning { bound in
            try await LocalSocket.run(
                path: path, logger: LogRecord().logger, onBound: { bound.give(()) }, onConnection: Self.echo)
        } do: {
            try await body()
        }
    }

    private func roundTrip(_ path: String) async throws -> String? {
        try await LocalSocket.withConnection(path: path) { connection in
            try await connection.send(.control("ping"))
            return try await connection.nextFrame()?.text
        }
    }

    /// Mode and kind of the file.
    private func mode(_ path: String) -> mode_t? {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode : nil
    }

    @Test func theFileIsASocketOfMode0600AndGoneAfterwards() async throws {
        let path = temporarySocketPath()
        try await run(path) {
            #expect(mode(path) == S_IFSOCK | 0o600)
            let answer = try await roundTrip(path)
            #expect(answer == "ping")
        }
        #expect(mode(path) == nil)
    }

    @Test func aFileThatADeadProcessLeftIsReplaced() async throws {
        let path = temporarySocketPath()
        // A socket that is bound and closed leaves its file behind.
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(bound == 0)
        close(descriptor)
        #expect(await transportCode { _ = try await roundTrip(path) } == .connectionRefused)
        try await run(path) {
            let answer = try await roundTrip(path)
            #expect(answer == "ping")
        }
    }

    @Test func aSocketSomebodyAnswersOnIsLeftAlone() async throws {
        let path = temporarySocketPath()
        try await run(path) {
            let code = await transportCode { try await run(path) { Issue.record("took over a live socket") } }
            #expect(code == .socketFileInUse)
            let answer = try await roundTrip(path)
            #expect(answer == "ping")
        }
    }

    @Test func anythingElseAtThePathIsLeftAlone() async throws {
        let path = temporarySocketPath()
        try Data("precious".utf8).write(to: URL(filePath: path))
        defer { unlink(path) }
        #expect(await transportCode { try await run(path) {} } == .socketFileUnusable)
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "precious")
    }

    @Test(arguments: ["", "/nowhere/at/all.sock", "/tmp/" + String(repeating: "x", count: 120)])
    func aPathThatCannotBeBoundIsAClearError(path: String) async {
        #expect(await transportCode { try await run(path) {} } == .socketFileUnusable)
    }

    @Test func nobodyListeningIsAClearError() async {
        #expect(await transportCode { _ = try await roundTrip(temporarySocketPath()) } == .connectionRefused)
    }
}
