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
import Testing
import WireProtocol

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
    /// What trains, and what is free of its memory; the tests' own machine may be short of it.
    var machine = SiteMachine(threads: 2, memoryBytes: 1 << 40)
    var freeMemory: @Sendable () -> Int? = { nil }
    /// The policy in place of one that allows the test's study.
    var ownPolicy: SitePolicy?

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

    /// Allows every study of these tests' name and shape.
    var policy: SitePolicy {
        if let ownPolicy { return ownPolicy }
        var policy = SitePolicy.allowing(
            TestStudy.make(rounds: 1_000, minimumSites: 1), dataset: TestStudy.dataset, federation: "memory")
        policy.federations.append("test")
        policy.compute = SitePolicy.ComputeLimits(rounds: 1_000, stepsPerRound: 1_000_000, parameters: 1_000_000)
        if !approves { policy.standingApprovals = [] }
        return policy
    }

    static let statementSeed = [UInt8](repeating: 5, count: 32)
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
    private let running = Mutex<Site?>(nil)
    /// In place of the plan's policy, from the next decision or round on.
    let policy: Mutex<SitePolicy>

    init(
        _ plan: SitePlan, folder: String, durability: Durability? = nil, workers: NIOThreadPool,
        connect: @escaping @Sendable (PeerIdentity) async throws -> any PeerConnection
    ) throws {
        self.plan = plan
        policy = Mutex(plan.policy)
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
        guard let key = StatementKey(seed: SitePlan.statementSeed) else { preconditionFailure("32 bytes are a key") }
        let random = plan.roundingSeed.map { RandomSource.seeded(forTestingAndSimulation: $0) } ?? .system
        let site = Site(
            settings: SiteSettings(
                site: id, policy: { self.policy.withLock { $0 } }, statementKey: key,
                backoff: Backoff(initial: .milliseconds(5), maximum: .milliseconds(40)),
                onlyFederation: plan.onlyFederation, checkpointPause: plan.checkpointPause,
                machine: plan.machine, freeMemory: plan.freeMemory),
            store: store, vault: vault, workers: workers, random: random, datasets: plan.dataset,
            updates: plan.updates, logger: quietLogger)
        let identity = identity
        let line = line
        let connect = connect
        running.withLock { $0 = site }
        let task = Task {
            try await site.run {
                try line.connected()
                return LineConnection(try await connect(identity), line: line)
            }
        }
        self.task.withLock { $0 = task }
    }

    /// What the people's command would get from the daemon.
    func ask(_ request: SiteControlRequest) async throws -> SiteControlReply {
        await (try #require(running.withLock { $0 })).answer(request)
    }

    /// Its metrics.
    func measurements() async throws -> String {
        try await (try #require(running.withLock { $0 })).measurements()
    }

    /// Stops as the daemon does on SIGTERM, and returns the error that had ended it before.
    @discardableResult
    func stop() async -> (any Error)? {
        let running = task.withLock { task in
            defer { task = nil }
            return task
        }
        // The daemon's logic holds this object by its policy: nothing would be given back.
        self.running.withLock { $0 = nil }
        guard let running else { return nil }
        running.cancel()
        guard case .failure(let error) = await running.result, !(error is CancellationError) else { return nil }
        return error
    }
}

let quietLogger = Logger(label: "service-tests") { _ in SwiftLogNoOpLogHandler() }
