// SPDX-License-Identifier: Apache-2.0
// The built daemons as child processes, over real TLS, with configuration and certificates of their own.

import Federation
import Foundation
import Glibc
import PeerTransport
import Synchronization
import TestSupport
import Testing
import WireProtocol

/// One running program. What it says goes to a file.
final class Daemon: Sendable {
    let log: String
    private let process: pid_t
    /// Guards the exit status, once it is known.
    private let ended = Mutex<Int32?>(nil)

    static var programs: URL {
        URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    }

    /// Starts a program; its standard error is appended to `log`.
    ///
    /// Foundation's `Process` was seen to miss the end of its child in a process with many threads.
    init(_ program: String, _ arguments: [String], log: String) throws {
        self.log = log
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 2, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        // Else the program would hold the sockets that other tests listen on.
        for descriptor in 3..<1_024 as Range<Int32> { posix_spawn_file_actions_addclose(&actions, descriptor) }
        let words = ([program] + arguments).map { (word: String) in strdup(word) }
        let environment = ["PATH=/usr/bin:/bin", "LC_ALL=C"].map { (word: String) in strdup(word) }
        defer { for word in words + environment { free(word) } }
        var child = pid_t()
        let failure = posix_spawn(&child, program, &actions, nil, words + [nil], environment + [nil])
        guard failure == 0 else { throw TestFailure("cannot start \(program)") }
        process = child
    }

    deinit {
        guard ended.withLock({ $0 == nil }) else { return }
        kill(process, SIGKILL)
        waitpid(process, nil, 0)
    }

    /// Waits for the end and gives the exit status; nothing but an exit is one.
    func exitStatus() async throws -> Int32 {
        try await eventually("the program ends") {
            ended.withLock { ended in
                if ended != nil { return true }
                var status: Int32 = 0
                guard waitpid(process, &status, WNOHANG) == process else { return false }
                ended = status & 0x7f == 0 ? (status >> 8) & 0xff : -1
                return true
            }
        }
        return ended.withLock { $0 ?? -1 }
    }

    /// Tells the program to stop, and gives its exit status.
    func terminate() async throws -> Int32 {
        kill(process, SIGTERM)
        return try await exitStatus()
    }

    var lines: [String] {
        let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").map(String.init)
    }
}

/// Configurations of an aggregator and its members in one folder.
final class DaemonFederation: Sendable {
    let folder: String
    let authority: TestAuthority
    let members: [String]
    private let files: [String: TestAuthority.Files]
    let port: Int

    init(members: [String], rows: [String: Int]) throws {
        self.members = members
        port = try freePort()
        // Short, because the path of a socket must be.
        folder = FileManager.default.temporaryDirectory.path + "/st-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        authority = try TestAuthority()
        var files = ["aggregator": try authority.leaf(id: "aggregator", role: "aggregator")]
        for name in members { files[name] = try authority.leaf(id: name) }
        self.files = files
        for (name, count) in rows {
            try Data(TestStudy.table(rows: count, seed: UInt64(count))).write(
                to: URL(fileURLWithPath: "\(folder)/\(name).csv"))
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func identity(_ name: String) throws -> TLSIdentity { Self.identity(try #require(files[name])) }

    static func identity(_ files: TestAuthority.Files) -> TLSIdentity {
        TLSIdentity(
            certificateChainPath: files.certificateChainPath, privateKeyPath: files.privateKeyPath,
            trustRootsPath: files.trustRootsPath)
    }

    private func tls(_ name: String) throws -> String {
        let files = try #require(files[name])
        return """
            tls:
              certificate: \(files.certificateChainPath)
              privateKey: \(files.privateKeyPath)
              authority: \(files.trustRootsPath)
            """
    }

    /// Starts an aggregator, and waits until it listens when it has the usual state directory.
    func startAggregator(state: String = "aggregator") async throws -> Daemon {
        let path = "\(folder)/\(state).yaml"
        try members.map { "\"fl://test/site/\($0)\": \($0)\n" }.joined()
            .write(toFile: "\(folder)/members.yaml", atomically: true, encoding: .utf8)
        try """
        federation: test
        stateDirectory: \(state)
        listen: {host: 127.0.0.1, port: \(port)}
        \(try tls("aggregator"))
        members: \(folder)/members.yaml

        """.write(toFile: path, atomically: true, encoding: .utf8)
        let announcement = "\(folder)/\(state)/listening.json"
        try? FileManager.default.removeItem(atPath: announcement)
        let daemon = try Daemon(
            Daemon.programs.appending(path: "consilium-aggregator").path, ["--config", path],
            log: "\(folder)/\(state).log")
        guard state == "aggregator" else { return daemon }
        try await eventually("the aggregator listens") { FileManager.default.fileExists(atPath: announcement) }
        return daemon
    }

    func startSite(_ name: String) throws -> Daemon {
        let path = "\(folder)/\(name).yaml"
        try """
        site: \(name)
        stateDirectory: \(name)
        aggregator: {host: localhost, port: \(port)}
        \(try tls(name))
        datasets:
          - {name: \(TestStudy.dataset), file: \(name).csv}
        policy: policy.yaml
        metrics: {file: \(name).prom}

        """.write(toFile: path, atomically: true, encoding: .utf8)
        try """
        federations: [test]
        tasks: [binary]
        layers: [dense]
        datasets: [{name: \(TestStudy.dataset), minimumRows: 1}]
        minimumSites: 2
        compute: {rounds: 1000, stepsPerRound: 1000000, parameters: 1000000}
        exposesIndividualUpdates: allowed
        approve: [{study: \(TestStudy.name), dataset: \(TestStudy.dataset)}]

        """.write(toFile: "\(folder)/policy.yaml", atomically: true, encoding: .utf8)
        return try Daemon(
            Daemon.programs.appending(path: "consilium-site").path, ["--config", path], log: "\(folder)/\(name).log")
    }

    /// Connects as a member that the test plays.
    func connect(as name: String) async throws -> RawSite {
        RawSite(
            over: try await PeerConnector.connect(
                host: "localhost", port: port, identity: try identity(name)))
    }

    func ask(_ request: ControlRequest) async throws -> ControlReply {
        try await LocalSocket.withConnection(path: folder + "/aggregator/control.sock") { control in
            try await control.send(Frame(controlBytes: request.encoded()))
            let frame = try #require(try await control.nextFrame())
            return try ControlReply(decoding: frame.controlBytes)
        }
    }

    /// The first study's status; nil while the daemon does not answer.
    func progress() async throws -> StudyStatus? {
        guard case .status(let status)? = try? await ask(.status) else { return nil }
        return status.studies.first
    }
}
