// SPDX-License-Identifier: Apache-2.0
// A whole federation in one process: the real aggregator and sites, over the in-memory network.

import AggregatorService
package import ClinicalData
package import Federation
package import Logging
package import NIOPosix
import PeerTransport
import Randomness
import SiteService
package import Store
import WireProtocol

/// The parties of a simulation and what they work on.
package struct SimulatedFederation: Sendable {
    /// A hospital of the simulation.
    package struct Member: Sendable {
        package var site: SiteID
        /// The member's own, except that the simulation is the federation that may ask.
        package var policy: SitePolicy
        /// By the data sets' names.
        package var tables: [String: EncodedTable]

        package init(site: SiteID, policy: SitePolicy, tables: [String: EncodedTable]) {
            self.site = site
            self.policy = policy
            self.tables = tables
        }
    }

    /// The name in the certificate that the simulated aggregator would have.
    package static let federation = "memory"

    package var study: Study
    package var members: [Member]
    /// Seeds the rounding of updates at every site, and the faults of the network.
    package var seed: UInt64
    package var faults: FaultProfile
    /// An existing, empty folder for the parties' files.
    package var folder: String
    package var logger: Logger

    package init(
        study: Study, members: [Member], seed: UInt64, faults: FaultProfile = .none, folder: String, logger: Logger
    ) {
        self.study = study
        self.members = members
        self.seed = seed
        self.faults = faults
        self.folder = folder
        self.logger = logger
    }

    /// What the parties' stores hold after a run.
    package struct Records: Sendable {
        package var study: StudyRecord
        package var rounds: [RoundRecord]
        package var sites: [SiteRecords]
        package var seconds: Double
        /// Connections that the faults have cut.
        package var cutConnections: Int
    }

    /// Runs the study to its end.
    ///
    /// Without faults the same study, members and seed give the same model, bit for bit.
    /// - Parameter workers: two threads or more; they train and sum for all parties.
    /// - Throws: ``SimulationError``, ``StoreError``.
    package func run(
        workers: NIOThreadPool, onChange: @escaping @Sendable (FederationMoment) async -> Void = { _ in }
    ) async throws -> Records {
        let began = ContinuousClock.now
        let network = InMemoryNetwork(faults: faults.plan(seed: seed))
        let store = try AggregatorStore.inMemory()
        let random = RandomSource.seeded(forTestingAndSimulation: seed)
        guard let key = StatementKey(seed: random.bytes(32)) else { preconditionFailure("32 bytes are a key") }
        let aggregator = Aggregator(
            settings: AggregatorSettings(
                federation: "simulation", members: Set(members.map(\.site)), statementKey: key),
            store: store,
            vault: try FileVault(directory: folder + "/aggregator", durability: .lostOnPowerCutForSimulationOnly),
            workers: workers, logger: logger)
        let parties = try members.map { try party($0, workers: workers) }

        let bytes = study.canonicalBytes
        let hash = study.hash
        let minimum = study.federation.minimumSites
        let expected = Set(members.map(\.site))
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                try await aggregator.run()
                return false
            }
            group.addTask {
                try await network.listen { await aggregator.serve($0) }
                return false
            }
            for party in parties {
                group.addTask {
                    try await party.actor.run { try await network.connect(as: party.identity) }
                    return false
                }
            }
            group.addTask {
                if case .error(let message, let hint) = await aggregator.answer(.submit(bytes)) {
                    throw SimulationError(.refused, message, hint: hint)
                }
                let watch = StudyWatch(
                    study: hash, minimumSites: minimum, expectedSites: expected, store: store,
                    interval: .milliseconds(10))
                try await watch.follow(
                    ask: {
                        guard case .status(let status) = await aggregator.answer(.status) else {
                            throw SimulationError(
                                .partyEnded, "the aggregator gives no status", hint: "see the log above")
                        }
                        return status
                    },
                    onChange: onChange)
                return true
            }
            defer { group.cancelAll() }
            while let isFollower = try await group.next() {
                if isFollower { return }
                throw SimulationError(
                    .partyEnded, "a party of the simulation ended before the study did", hint: "see the log above")
            }
        }
        let seconds = (ContinuousClock.now - began).inSeconds
        guard let record = try await store.study(hash) else {
            throw SimulationError(.partyEnded, "the aggregator lost the study", hint: "see the log above")
        }
        var sites: [SiteRecords] = []
        for party in parties { sites.append(try await SiteRecords(party.store, site: party.site, study: hash)) }
        return Records(
            study: record, rounds: try await store.rounds(study: hash), sites: sites, seconds: seconds,
            cutConnections: network.cutConnections)
    }

    private struct Party: Sendable {
        var site: SiteID
        var actor: Site
        var store: SiteStore
        var identity: PeerIdentity
    }

    private func party(_ member: Member, workers: NIOThreadPool) throws -> Party {
        let store = try SiteStore.inMemory()
        let random = RandomSource.seeded(forTestingAndSimulation: SiteSeed.value(seed, of: member.site))
        guard let key = StatementKey(seed: random.bytes(32)) else { preconditionFailure("32 bytes are a key") }
        var policy = member.policy
        policy.federations = [Self.federation]
        let allowed = policy
        let actor = Site(
            settings: SiteSettings(
                site: member.site, policy: { allowed }, statementKey: key,
                backoff: Backoff(initial: .milliseconds(5), maximum: .milliseconds(100))),
            store: store,
            vault: try FileVault(
                directory: "\(folder)/\(member.site)", durability: .lostOnPowerCutForSimulationOnly),
            workers: workers, random: random,
            datasets: TableDatasets(tables: member.tables), logger: logger)
        return Party(
            site: member.site, actor: actor, store: store,
            identity: PeerIdentity(publicKeyHash: [], names: ["fl://simulation/site/\(member.site)"]))
    }
}

/// Tables that were read beforehand and never change.
private struct TableDatasets: DatasetProviding {
    let tables: [String: EncodedTable]

    func table(named name: String, for contract: DataContract) throws -> EncodedTable {
        guard let table = tables[name] else {
            throw DatasetError(.noDataset, message: "no data set `\(name)` is registered at this site")
        }
        return table
    }

    func fingerprint(of name: String) -> SourceFingerprint? { nil }
}
