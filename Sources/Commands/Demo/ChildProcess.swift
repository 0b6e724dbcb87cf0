// SPDX-License-Identifier: Apache-2.0
// A program that the demo started: its log, its end, and how it is asked to stop.

import Foundation
import Glibc
import PeerTransport

/// A child process whose output goes to a log file.
///
/// Its standard input is a pipe that is never written: it ends when this process does, however that happens, and a
/// daemon with `--stop-at-end-of-input` follows.
struct ChildProcess: Sendable {
    let name: String
    private let process: Process
    private let log: URL
    /// The end of the pipe that nobody else holds.
    private let lifeline: FileHandle

    /// Starts `program`.
    ///
    /// - Parameter environment: is added to this process's own, of which our daemons' variables are left out.
    init(name: String, program: URL, arguments: [String], environment: [String: String], log: URL) throws {
        let process = Process()
        process.executableURL = program
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment
            .filter { !$0.key.hasPrefix("CONSILIUM_") }
            .merging(environment) { _, own in own }
        guard FileManager.default.createFile(atPath: log.path, contents: nil, attributes: [.posixPermissions: 0o600]),
            let output = FileHandle(forWritingAtPath: log.path)
        else { throw CommandError(.notDone, "cannot write \(log.path)", hint: "check that its folder may be written") }
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            throw CommandError(.notDone, "this process has too many open files", hint: "raise the limit: ulimit -n")
        }
        // No other child may hold this pipe open; children are started one after the other.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let input = FileHandle(fileDescriptor: ends[0], closeOnDealloc: true)
        lifeline = FileHandle(fileDescriptor: ends[1], closeOnDealloc: true)
        process.standardInput = input
        process.standardOutput = output
        process.standardError = output
        do { try process.run() } catch {
            throw CommandError(
                .notDone, "cannot start \(program.lastPathComponent)", hint: "check that it may be executed")
        }
        try? output.close()
        try? input.close()
        self.name = name
        self.process = process
        self.log = log
    }

    var isRunning: Bool { process.isRunning }

    /// Waits for the end; polled, because a blocked thread of the pool would cost more than a few wake-ups.
    func exitStatus() async throws -> Int32 {
        while process.isRunning { try await Task.sleep(for: .milliseconds(20)) }
        return process.terminationStatus
    }

    /// Asks the process to stop.
    func terminate() {
        if process.isRunning { kill(process.processIdentifier, SIGTERM) }
    }

    /// Ends the process at once.
    func killNow() {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    }

    /// How it ended, for an error message.
    var ending: String {
        process.terminationReason == .uncaughtSignal
            ? "signal \(process.terminationStatus)" : "status \(process.terminationStatus)"
    }

    /// The end of its log, indented.
    func lastLines(_ count: Int) -> String {
        let text = (try? String(contentsOf: log, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").suffix(count).map { "  \($0)" }.joined(separator: "\n")
    }
}

/// The processes of a demo.
actor ChildProcesses {
    private var processes: [ChildProcess] = []
    private var isStopping = false

    func add(_ process: ChildProcess) { processes.append(process) }

    /// Throws as soon as a process has ended that should not have.
    func watch() async throws {
        while true {
            try await Task.sleep(for: .milliseconds(50))
            if let error = earlyEnd { throw error }
        }
    }

    /// What to say about a process that has ended and should not have.
    private var earlyEnd: CommandError? {
        guard !isStopping, let ended = processes.first(where: { !$0.isRunning }) else { return nil }
        return CommandError(
            .notDone, "\(ended.name) ended early with \(ended.ending)\n\(ended.lastLines(5))",
            hint: "its last log lines are above")
    }

    /// The reason behind `error`: a connection that broke may be all that is seen of a process that ended.
    func reason(behind error: any Error) async -> any Error {
        guard error is TransportError else { return error }
        let deadline = ContinuousClock.now + .seconds(1)
        while ContinuousClock.now < deadline {
            if let earlyEnd { return earlyEnd }
            do { try await Task.sleep(for: .milliseconds(20)) } catch { break }
        }
        return error
    }

    /// Asks all to stop, waits ten seconds, and kills what is left. Also works in a task that was cancelled.
    ///
    /// - Returns: the names of those that had to be killed.
    func stop() async -> [String] {
        isStopping = true
        let processes = processes
        return await Task { () -> [String] in
            for process in processes { process.terminate() }
            let deadline = ContinuousClock.now + .seconds(10)
            while ContinuousClock.now < deadline, processes.contains(where: \.isRunning) {
                try? await Task.sleep(for: .milliseconds(20))
            }
            let left = processes.filter(\.isRunning)
            for process in left { process.killNow() }
            return left.map(\.name)
        }.value
    }
}
