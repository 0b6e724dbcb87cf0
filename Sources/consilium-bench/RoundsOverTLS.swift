// SPDX-License-Identifier: Apache-2.0
// The measured federation over TLS: the daemon as a child process, the sites in this one.

import Federation
import Foundation
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
        let names = (1...sites).map { "site-\($0)" }
        try AggregatorProcess.prepare(fixedSites: names, in: folder)
        let identities = try names.map { ($0, try folder.makeIdentity($0, role: "site")) }
        let daemon = try await AggregatorProcess.start(in: folder)
        defer { daemon.stop() }
        let idle = try daemon.memory("VmRSS")
        try await runSites(identities, port: daemon.port)
        let store = try AggregatorStore.openReadOnly(directory: folder.path + "/aggregator")
        return MeasuredRounds(
            rounds: try await store.rounds(study: study.study.hash), idleBytes: idle,
            peakBytes: try daemon.memory("VmHWM"))
    }

    private func runSites(_ identities: [(String, TLSIdentity)], port: Int) async throws {
        let parties = try identities.map { name, identity in
            (party: try benchSite(name, study: study, federation: "bench", folder: folder), identity: identity)
        }
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
            try await folder.withControl { ask in try await follow(bytes, deliveries: expected, ask: ask) }
        }
        for party in parties { try await party.party.worker.shutdownGracefully() }
    }
}

/// Submits the study and waits until every site has its result.
func follow(
    _ study: [UInt8], deliveries: Int, ask: (ControlRequest) async throws -> ControlReply
) async throws {
    guard case .submitted(let hash, _) = try await ask(.submit(study)) else {
        throw BenchError("the study was refused")
    }
    while true {
        guard case .status(let status) = try await ask(.status),
            let line = status.studies.first(where: { $0.study == hash })
        else {
            throw BenchError("the aggregator gives no status")
        }
        if line.isFinished {
            guard line.phase == "completed" else { throw BenchError("the study ended as \(line.phase)") }
            if line.deliveries >= deliveries { return }
        } else if line.explanation.contains(" declined: ") {
            throw BenchError("a site refuses the study: \(line.explanation)")
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
