// SPDX-License-Identifier: Apache-2.0
// The aggregator's daemon as a child process of a measurement.

import Foundation
import Glibc

/// The daemon of one measurement; it can be stopped and started again on the same state.
struct AggregatorProcess {
    let folder: BenchFolder
    private let process: Process
    let port: Int
    /// From the start of the process until it listens.
    let startSeconds: Double

    /// Makes certificate and configuration for sites with certificates of the folder's authority.
    static func prepare(fixedSites names: [String], in folder: BenchFolder) throws {
        _ = try folder.makeIdentity("aggregator", role: "aggregator")
        let members = names.map { "\"fl://bench/site/\($0)\": \($0)\n" }.joined()
        try members.write(toFile: folder.path + "/members.yaml", atomically: true, encoding: .utf8)
        try configure(
            """
            tls: {certificate: tls/aggregator.pem, privateKey: tls/aggregator.pem, authority: tls/authority.pem}
            members: members.yaml
            """, sites: names.count, in: folder)
    }

    /// Makes the configuration for a federation with an authority of its own in `keys`.
    static func prepareForMembers(_ count: Int, in folder: BenchFolder) throws {
        try configure("enrolment: {host: 127.0.0.1, port: 0, name: localhost}", sites: count, in: folder)
    }

    private static func configure(_ membership: String, sites: Int, in folder: BenchFolder) throws {
        let configuration = """
            federation: bench
            stateDirectory: aggregator
            listen: {host: 127.0.0.1, port: 0}
            log: {level: error}
            limits: {maximumModelBytes: 17179869184, maximumConnections: \(sites + 64)}
            \(membership)

            """
        try configuration.write(toFile: folder.path + "/aggregator.yaml", atomically: true, encoding: .utf8)
    }

    /// Starts the daemon and waits until it listens.
    static func start(in folder: BenchFolder) async throws -> AggregatorProcess {
        let announcement = folder.path + "/aggregator/listening.json"
        try? FileManager.default.removeItem(atPath: announcement)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: BenchFolder.programs + "/consilium-aggregator")
        process.arguments = ["--config", folder.path + "/aggregator.yaml"]
        let clock = ContinuousClock()
        let began = clock.now
        try process.run()
        struct Listening: Decodable { var port: Int }
        while process.isRunning, clock.now - began < .seconds(30) {
            if let data = FileManager.default.contents(atPath: announcement),
                let listening = try? JSONDecoder().decode(Listening.self, from: data)
            {
                return AggregatorProcess(
                    folder: folder, process: process, port: listening.port,
                    startSeconds: (clock.now - began) / .seconds(1))
            }
            try await Task.sleep(for: .milliseconds(5))
        }
        process.terminate()
        throw BenchError("the aggregator did not start to listen")
    }

    func stop() {
        kill(process.processIdentifier, SIGTERM)
        process.waitUntilExit()
    }

    /// A line of the kernel's account of the process, in bytes.
    func memory(_ key: String) throws -> Int { try residentBytes(of: "\(process.processIdentifier)", key) }
}
