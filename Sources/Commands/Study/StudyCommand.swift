// SPDX-License-Identifier: Apache-2.0
// The commands about studies, and how they find the aggregator of this machine.

import ArgumentParser
import Federation
import Foundation
import PeerTransport
import WireProtocol

/// `consilium study …`.
struct StudyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "study", abstract: "Check a study, submit it, look at it, stop it.",
        subcommands: [StudyCheckCommand.self, StudySubmitCommand.self, StudyStatusCommand.self, StudyStopCommand.self])
}

/// Where the aggregator of this machine keeps its state and takes commands.
struct AggregatorLocation: ParsableArguments {
    @Option(help: ArgumentHelp("The aggregator's state directory.", valueName: "dir"))
    var state: String?

    @Option(help: ArgumentHelp("The aggregator's control socket.", valueName: "path"))
    var socket: String?

    func validate() throws {
        guard (state == nil) != (socket == nil) else {
            throw ValidationError("name the aggregator by either --state DIR or --socket PATH")
        }
    }

    var socketPath: String { socket ?? (state ?? ".") + "/control.sock" }

    /// The state directory, also when only its socket was named.
    var directory: String { state ?? URL(fileURLWithPath: socketPath).deletingLastPathComponent().path }
}

/// Questions to the aggregator over its control socket.
enum ControlClient {
    /// Sends one request and waits for its answer.
    ///
    /// - Throws: ``TransportError`` when nobody listens; ``CommandError`` with the aggregator's own words when it
    ///   refuses.
    static func ask(_ request: ControlRequest, at path: String) async throws -> ControlReply {
        try await LocalSocket.withConnection(path: path) { try await ask(request, over: $0) }
    }

    /// Sends one request over an open connection and waits for its answer.
    static func ask(_ request: ControlRequest, over connection: any PeerConnection) async throws -> ControlReply {
        try await connection.send(Frame(controlBytes: try request.encoded()))
        guard let frame = try await connection.nextFrame() else {
            throw CommandError(.notDone, "the aggregator gave no answer", hint: "see its log")
        }
        let reply = try ControlReply(decoding: frame.controlBytes)
        if case .error(let message, let hint) = reply { throw CommandError(.notDone, message, hint: hint) }
        return reply
    }

    static func status(at path: String) async throws -> FederationStatus {
        guard case .status(let status) = try await ask(.status, at: path) else {
            throw CommandError(.notDone, "the aggregator gave another answer than asked", hint: "see its log")
        }
        return status
    }

    /// Says where the aggregator was looked for when nobody answers.
    static func explained(_ error: any Error, path: String) -> any Error {
        guard let error = error as? TransportError else { return error }
        switch error.code {
        case .connectionRefused, .socketFileUnusable, .addressUnavailable:
            return CommandError(
                .notDone, "no aggregator answers at \(path)",
                hint: "start it with `consilium-aggregator --config FILE`, or check the path")
        default: return error
        }
    }
}
