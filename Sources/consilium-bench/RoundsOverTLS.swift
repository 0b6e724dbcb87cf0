// SPDX-License-Identifier: Apache-2.0
// The measured federation over TLS: the daemon as a child process, the sites in this one.

import Federation
import Foundation
import Glibc
import NIOPosix
import PeerTransport
import SiteService
import Store
import WireProtocol

/// Sites in this process against the aggregator's daemon in its own.
struct RoundsOverTLS {
    let study: BenchStudy
    let sites: Int
    let folder: BenchFolder

    func run() async throws -> MeasuredRounds {
        _ = try folder.makeIdentity("aggregator", role: "aggregator")
        let names = (1...sites).map { "site-\($0)" }
        let configuration = """
            federation: bench
            stateDirectory: aggregator
            listen: {host: 127.0.0.1, port: 0}
            tls: {certificate: tls/aggregator.pem, privateKey: tls/aggregator.pem, authority: tls/authority.pem}
            log: {level: warning}
            members: members.yaml
            limits: {maximumModelBytes: 17179869184}

            """
        let members = names.map { "\"fl://bench/site/\($0)\": \($0)\n" }.joined()
        try members.write(toFile: folder.path + "/members.yaml", atomically: true, encoding: .utf8)
        try configuration.write(toFile: folder.path + "/aggregator.yaml", atomically: true, encoding: .utf8)
        let daemon = Process()
        daemon.executableURL = URL(fileURLWithPath: BenchFolder.programs + "/consilium-aggregator")
        daemon.arguments = ["--config", folder.path + "/aggregator.yaml"]
        try daemon.run()
        defer {
            kill(daemon.processIdentifier, SIGTERM)
            daemon.waitUntilExit()
        }
        let port = try await listeningPort(daemon)
        let identities = try names.map { ($0, try folder.makeIdentity($0, role: "site")) }
        let idle = try memory(of: daemon.processIdentifier, "VmRSS")
        try await runSites(identities, port: port)
        let store = try AggregatorStore.openReadOnly(directory: folder.path + "/aggregator")
        return MeasuredRounds(
            rounds: try await store.rounds(study: study.study.hash), idleBytes: idle,
            peakBytes: try memory(of: daemon.processIdentifier, "VmHWM"))
    }

    private func listeningPort(_ daemon: Process) async throws -> Int {
        struct Listening: Decodable { var port: Int }
        for _ in 0..<500 {
            guard daemon.isRunning else { break }
            if let data = FileManager.default.contents(atPath: folder.path + "/aggregator/listening.json"),
                let listening = try? JSONDecoder().decode(Listening.self, from: data)
            {
                return listening.port
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw BenchError("the aggregator did not start to listen")
    }

    private func runSites(_ identities: [(String, TLSIdentity)], port: Int) async throws {
        let parties = try identities.map { name, identity in
            (party: try benchSite(name, study: study, federation: "bench", folder: folder), identity: identity)
        }
        let socket = folder.path + "/aggregator/control.sock"
        let bytes = study.study.canonicalBytes
        let expected = sites
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (party, identity) in parties {
                group.addTask {
                    try await party.site.run {
                        try await PeerConnector.connect(
                            host: "localhost", port: port, identity: identity)
                    }
                }
            }
            defer { group.cancelAll() }
            try await LocalSocket.withConnection(path: socket) { control in
                try await follow(bytes, deliveries: expected) { request in
                    try await control.send(Frame(controlBytes: request.encoded()))
                    guard let frame = try await control.nextFrame() else {
                        throw BenchError("the aggregator went away")
                    }
                    return try ControlReply(decoding: frame.controlBytes)
                }
            }
        }
        for party in parties { try await party.party.worker.shutdownGracefully() }
    }

    /// A line of the kernel's account of a process, in bytes.
    private func memory(of process: Int32, _ key: String) throws -> Int {
        try residentBytes(of: "\(process)", key)
    }
}

/// Submits the study and waits until every site has its result.
func follow(
    _ study: [UInt8], deliveries: Int, ask: (ControlRequest) async throws -> ControlReply
) async throws {
    guard case .submitted = try await ask(.submit(study)) else { throw BenchError("the study was refused") }
    while true {
        guard case .status(let status) = try await ask(.status), let line = status.studies.first else {
            throw BenchError("the aggregator gives no status")
        }
        if line.isFinished {
            guard line.phase == "completed" else { throw BenchError("the study ended as \(line.phase)") }
            if line.deliveries >= deliveries { return }
        }
        try await Task.sleep(for: .milliseconds(100))
    }
}

/// A line of `/proc/PROCESS/status`, in bytes.
func residentBytes(of process: String, _ key: String) throws -> Int {
    let text = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
    for line in text.split(separator: "\n") where line.hasPrefix(key + ":") {
        if let kibibytes = line.split(whereSeparator: \.isWhitespace).compactMap({ Int($0) }).first {
            return kibibytes * 1_024
        }
    }
    throw BenchError("the system does not tell the memory of a process")
}
