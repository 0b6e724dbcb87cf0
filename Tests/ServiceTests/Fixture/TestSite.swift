// SPDX-License-Identifier: Apache-2.0
// A real site of a test federation: its own store, vault and line; it can be stopped and started again.

import Federation
import Logging
import NIOPosix
import PeerTransport
import Randomness
import SiteService
import Store
import StudyFiles
import Synchronization

/// What a site of a test is like.
struct SitePlan: Sendable {
    var name: String
    var dataset: TestDataset
    var updates: any UpdateMaking
    var approves = true
    /// Makes the site's rounding repeatable.
    var roundingSeed: UInt64?
    /// The only federation the site works for; these are named `test`.
    var onlyFederation: String?
    /// Between checkpoints of its training.
    var checkpointPause = Duration.seconds(3)

    init(_ name: String, rows: Int = 64, updates: any UpdateMaking = LocalTrainer()) {
        self.init(
            name, dataset: TestDataset(TestStudy.table(rows: rows, seed: UInt64(name.utf8.reduce(0) { $0 + Int($1) }))),
            updates: updates)
    }

    init(_ name: String, dataset: TestDataset, updates: any UpdateMaking = LocalTrainer()) {
        self.name = name
        self.dataset = dataset
        self.updates = updates
    }
}

/// A site and what it stands on.
final class TestSite: Sendable {
    let plan: SitePlan
    let id: SiteID
    let store: SiteStore
    let vault: FileVault
    let line = Line()
    private let workers: NIOThreadPool
    private let connect: @Sendable (PeerIdentity) async throws -> any PeerConnection
    /// Guards the running daemon logic.
    private let task = Mutex<Task<Void, any Error>?>(nil)

    init(
        _ plan: SitePlan, folder: String, durability: Durability? = nil, workers: NIOThreadPool,
        connect: @escaping @Sendable (PeerIdentity) async throws -> any PeerConnection
    ) throws {
        self.plan = plan
        id = try TestFederation.id(plan.name)
        let state = "\(folder)/\(plan.name)"
        vault = try FileVault(
            directory: state, durability: durability ?? .lostOnPowerCutForSimulationOnly)
        store = try durability.map { try SiteStore.open(directory: state, durability: $0) } ?? SiteStore.inMemory()
        self.workers = workers
        self.connect = connect
    }

    var identity: PeerIdentity { PeerIdentity(publicKeyHash: [], names: ["fl://test/site/\(plan.name)"]) }

    /// Starts a new actor on the same store and vault.
    func start() {
        let approvals =
            plan.approves ? [StandingApproval(study: .name(TestStudy.name), dataset: TestStudy.dataset)] : []
        let random = plan.roundingSeed.map { RandomSource.seeded(forTestingAndSimulation: $0) } ?? .system
        let site = Site(
            settings: SiteSettings(
                site: id, approvals: approvals,
                backoff: Backoff(initial: .milliseconds(5), maximum: .milliseconds(40)),
                onlyFederation: plan.onlyFederation, checkpointPause: plan.checkpointPause),
            store: store, vault: vault, workers: workers, random: random, datasets: plan.dataset,
            updates: plan.updates, logger: quietLogger)
        let identity = identity
        let line = line
        let connect = connect
        let running = Task {
            try await site.run {
                try line.connected()
                return LineConnection(try await connect(identity), line: line)
            }
        }
        task.withLock { $0 = running }
    }

    /// Stops as the daemon does on SIGTERM, and returns the error that had ended it before.
    @discardableResult
    func stop() async -> (any Error)? {
        let running = task.withLock { task in
            defer { task = nil }
            return task
        }
        guard let running else { return nil }
        running.cancel()
        guard case .failure(let error) = await running.result, !(error is CancellationError) else { return nil }
        return error
    }
}

let quietLogger = Logger(label: "service-tests") { _ in SwiftLogNoOpLogHandler() }
