// SPDX-License-Identifier: Apache-2.0
// Everything a simulation needs, read once and used for every seed.

import ClinicalData
import Federation
import Foundation
import Logging
import NIOPosix
import Simulation
import SiteService
import StudyFiles

/// A study and the members that are to carry it out.
struct SimulationPlan: Sendable {
    let study: Study
    let members: [SimulatedFederation.Member]
    /// What people should know beforehand: sites that are going to decline.
    let notes: [String]

    /// Reads the study and the tables of all sites.
    init(study path: String, sites directory: String, copies: Int) throws {
        let study = try StudyFile.load(path)
        let hash = study.hash
        var members: [SimulatedFederation.Member] = []
        var notes: [String] = []
        for site in try SampleSite.all(in: directory) {
            let name = site.configuration.site
            var member = SimulatedFederation.Member(site: name, policy: site.policy, tables: [:])
            do {
                if let (dataset, table) = try site.table(for: study, hash: hash) {
                    // By name: another seed gives the study another hash.
                    member.policy.standingApprovals = [
                        StandingApproval(study: .name(study.name), dataset: dataset)
                    ]
                    member.tables = [dataset: table]
                    for finding in site.policy.judge(
                        study, federation: nil, dataset: dataset, machine: .system())
                    {
                        notes.append("\(name) declines: \(finding.key) of its policy: \(finding.problem)")
                    }
                } else {
                    notes.append("\(name) declines: `approve` in its policy.yaml does not name the study")
                }
            } catch let error as DataError {
                notes.append("\(name) declines: \(error.message)")
            }
            guard copies > 1 else {
                members.append(member)
                continue
            }
            for copy in 1...copies {
                guard let id = SiteID("\(name)-\(copy)") else {
                    throw CommandError(
                        .wrongUse, "the name \(name) is too long to be numbered", hint: "shorten it in site.yaml")
                }
                member.site = id
                members.append(member)
            }
        }
        self.study = study
        self.members = members
        let capacity = study.federation.numbers.siteCapacity
        if members.count > capacity {
            notes.append(
                "a training round sums at most \(capacity) of the \(members.count) sites; lower "
                    + "federation.numbers.valueBits or maximumWeight for more")
        }
        self.notes = notes
    }

    /// Runs the study with one seed and judges the result.
    func run(seed: UInt64, faults: FaultProfile, display: SharedDisplay) async throws -> FederationReport {
        var study = study
        study.training.seed = seed
        let folder = FileManager.default.temporaryDirectory.appending(path: "consilium-simulation-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(at: folder) }
        let workers = NIOThreadPool(numberOfThreads: 2)
        workers.start()
        var logger = Logger(label: "consilium.simulation") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = faults == .none ? .error : .critical
        let federation = SimulatedFederation(
            study: study, members: members, seed: seed, faults: faults, folder: folder.path, logger: logger)
        let records: SimulatedFederation.Records
        do {
            records = try await federation.run(workers: workers) { await display.show($0) }
        } catch {
            try? await workers.shutdownGracefully()
            throw CommandError(error)
        }
        try await workers.shutdownGracefully()
        await display.finish()
        let accepted = members.flatMap(\.tables.values)
        var report = FederationReport(
            study: records.study, rounds: records.rounds, sites: records.sites, seed: seed,
            wallSeconds: records.seconds, pooledReference: try? PooledReference.compute(study: study, tables: accepted))
        if faults != .none {
            report.faults = FederationReport.Faults(profile: faults, cutConnections: records.cutConnections)
        }
        return report
    }
}
