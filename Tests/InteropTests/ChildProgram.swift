// SPDX-License-Identifier: Apache-2.0
// A program that runs beside the tests and ends with them: daemons, Python, openssl.

import Foundation
import Testing

/// A started program whose output goes to a file. It is killed when the last reference goes.
final class ChildProgram: Sendable {
    struct Ended: Error, CustomStringConvertible {
        var name: String
        var output: String

        var description: String { "\(name) did not do what was expected of it; it printed:\n\(output)" }
    }

    /// What is waited for must be there within this time, on a machine that is busy with other tests, too.
    static let patience = Duration.seconds(120)

    let name: String
    private let process: pid_t
    private let printed: URL

    /// Starts `words[0]`; standard input is empty.
    ///
    /// Not Foundation's `Process`, which was seen to miss the end of its child here.
    init(_ name: String, _ words: [String], output: URL) throws {
        self.name = name
        printed = output
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // Sockets of tests beside this one are not for the child: a listener would seem to go on.
        for descriptor in 3..<1_024 as Range<Int32> { posix_spawn_file_actions_addclose(&actions, descriptor) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output.path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        let arguments = words.map { strdup($0) } + [nil]
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        let variables: [String] = ["PATH=\(path)", "LC_ALL=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1"]
        let environment = variables.map { strdup($0) } + [nil]
        defer { for text in arguments + environment { free(text) } }
        var child = pid_t()
        let failure = posix_spawnp(&child, words[0], &actions, nil, arguments, environment)
        guard failure == 0 else {
            throw Ended(name: name, output: "not started: \(String(cString: strerror(failure)))")
        }
        process = child
    }

    deinit {
        kill(process, SIGKILL)
        waitpid(process, nil, 0)
    }

    var output: String { (try? String(decoding: Data(contentsOf: printed), as: UTF8.self)) ?? "" }

    /// The exit status, when the program has ended by itself.
    func status() async throws -> Int32 {
        try await Self.until(name, output: self.output) {
            // The child stays a zombie until `deinit`, so that its number is not given to another.
            var info = siginfo_t()
            guard waitid(P_PID, id_t(self.process), &info, WEXITED | WNOHANG | WNOWAIT) == 0,
                info.si_signo == SIGCHLD
            else { return nil }
            return info.si_code == CLD_EXITED ? info._sifields._sigchld.si_status : -1
        }
    }

    /// Waits for a value to be there, and looks every few milliseconds.
    static func until<Value>(
        _ name: String, output: @autoclosure () -> String = "", _ find: () async throws -> Value?
    ) async throws -> Value {
        let deadline = ContinuousClock.now + patience
        while ContinuousClock.now < deadline {
            if let value = try await find() { return value }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw Ended(name: name, output: output())
    }

    /// Runs a program to its end.
    static func run(_ name: String, _ words: [String], in folder: URL) async throws -> (status: Int32, output: String) {
        let program = try ChildProgram(
            name, words, output: folder.appending(path: "\(name)-\(UUID().uuidString.prefix(8)).out"))
        let status = try await program.status()
        return (status, program.output)
    }
}
