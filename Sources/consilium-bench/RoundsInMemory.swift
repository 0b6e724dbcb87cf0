// SPDX-License-Identifier: Apache-2.0
// The measured federation in one process, over the in-memory network.

import AggregatorService
import Federation
import Foundation
import Logging
import NIOPosix
import PeerTransport
import Randomness
import SiteService
import Store
import StudyFiles
import WireProtocol

/// All parties in this process.
struct RoundsInMemory {
    let study: BenchStudy
    let sites: Int
    let folder: BenchFolder

    func run() async throws -> MeasuredRounds {
        let names = (1...sites).map { "site-\($0)" }
        let workers = NIOThreadPool(numberOfThreads: 2)
        workers.start()
        let store = try AggregatorStore.open(directory: folder.path + "/aggregator")
        guard let key = StatementKey(seed: RandomSource.system.bytes(32)) else { throw BenchError("no key") }
        let aggregator = Aggregator(
            settings: AggregatorSettings(
                federation: "bench", members: Set(names.compactMap(SiteID.init)), statementKey: key,
                maximumModelBytes: 1 << 34),
            store: store, vault: try FileVault(directory: folder.path + "/aggregator"), workers: workers,
            logger: quietLogger)
        let parties = try names.map { try benchSite($0, study: study, federation: "memory", folder: folder) }
        let network = InMemoryNetwork()
        let idle = try residentBytes(of: "self", "VmRSS")
        let bytes = study.study.canonicalBytes
        let expected = sites
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await aggregator.run() }
            group.addTask { try await network.listen { await aggregator.serve($0) } }
            for (name, party) in zip(names, parties) {
                let identity = PeerIdentity(publicKeyHash: [], names: ["fl://bench/site/\(name)"])
                group.addTask { try await party.site.run { try await network.connect(as: identity) } }
            }
            defer { group.cancelAll() }
            try await follow(bytes, deliveries: expected) { await aggregator.answer($0) }
        }
        for party in parties { try await party.worker.shutdownGracefully() }
        try await workers.shutdownGracefully()
        return MeasuredRounds(
            rounds: try await store.rounds(study: study.study.hash), idleBytes: idle,
            peakBytes: try residentBytes(of: "self", "VmHWM"))
    }
}

let quietLogger: Logger = {
    var logger = Logger(label: "bench")
    logger.logLevel = .warning
    return logger
}()

/// A site with a durable store whose update needs no training, and the one thread that a site's daemon has.
func benchSite(
    _ name: String, study: BenchStudy, federation: String, folder: BenchFolder
) throws -> (site: Site, worker: NIOThreadPool) {
    guard let id = SiteID(name) else { throw BenchError("not a site name") }
    let directory = "\(folder.path)/\(name)"
    let worker = NIOThreadPool(numberOfThreads: 1)
    worker.start()
    guard let key = StatementKey(seed: RandomSource.system.bytes(32)) else { throw BenchError("no key") }
    let policy = SitePolicy.allowing(study.study, dataset: "bench", federation: federation)
    let site = Site(
        settings: SiteSettings(site: id, policy: { policy }, statementKey: key),
        store: try SiteStore.open(directory: directory), vault: try FileVault(directory: directory), workers: worker,
        random: .system, datasets: study.tables, updates: study.update, logger: quietLogger)
    return (site, worker)
}
