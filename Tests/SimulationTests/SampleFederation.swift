// SPDX-License-Identifier: Apache-2.0
// The heart study and its four sample hospitals, as simulations use them.

import ClinicalData
import Federation
import Foundation
import Logging
import NIOPosix
import Simulation
import StudyFiles
import Testing

enum SampleFederation {
    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static func study() throws -> Study {
        try StudyFile.load(root.appending(path: "studies/heart-disease.yaml").path)
    }

    static let siteNames = ["budapest", "cleveland", "long-beach", "zurich-basel"]

    static func member(_ name: String, study: Study) throws -> SimulatedFederation.Member {
        let configuration = try SiteConfiguration.load(
            root.appending(path: "sites/\(name)/site.yaml").path, environment: [:])
        let dataset = try #require(configuration.dataset(named: "heart-disease"))
        let table = try TableLoader(contract: study.data, mapping: dataset.mapping).load().table
        return SimulatedFederation.Member(
            site: configuration.site, policy: try PolicyFile.load(configuration.policyFile),
            tables: [dataset.name: table])
    }

    static func members(of study: Study, copies: Int = 1) throws -> [SimulatedFederation.Member] {
        try siteNames.flatMap { name in
            let member = try member(name, study: study)
            guard copies > 1 else { return [member] }
            return try (1...copies).map { copy in
                var own = member
                own.site = try #require(SiteID("\(name)-\(copy)"))
                return own
            }
        }
    }

    /// Runs a simulation in a folder and threads of its own.
    static func run(
        _ study: Study, members: [SimulatedFederation.Member], seed: UInt64, faults: FaultProfile = .none
    ) async throws -> SimulatedFederation.Records {
        let folder = FileManager.default.temporaryDirectory.appending(path: "simulation-tests-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(at: folder) }
        let workers = NIOThreadPool(numberOfThreads: 2)
        workers.start()
        let logger = Logger(label: "simulation-tests") { _ in SwiftLogNoOpLogHandler() }
        let federation = SimulatedFederation(
            study: study, members: members, seed: seed, faults: faults, folder: folder.path, logger: logger)
        let result: Result<SimulatedFederation.Records, any Error>
        do { result = .success(try await federation.run(workers: workers)) } catch { result = .failure(error) }
        try await workers.shutdownGracefully()
        return try result.get()
    }

    static func report(
        _ study: Study, members: [SimulatedFederation.Member], seed: UInt64, faults: FaultProfile = .none
    ) async throws -> FederationReport {
        let records = try await run(study, members: members, seed: seed, faults: faults)
        return FederationReport(
            study: records.study, rounds: records.rounds, sites: records.sites, seed: seed,
            wallSeconds: records.seconds,
            pooledReference: try PooledReference.compute(
                study: study, tables: members.flatMap(\.tables.values)))
    }
}
