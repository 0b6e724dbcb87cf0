// SPDX-License-Identifier: Apache-2.0
// One party of a torture run: started, crashed between any two jobs, and started again from what was on its disk.

import AggregatorService
import Execution
import Federation
import Foundation
import Logging
import PeerTransport
import Randomness
import SiteService
import Store
import Synchronization

/// The aggregator or a site, through all its lives.
///
/// A crash copies the state directory as it is between two jobs, tears what was not synced, and starts the next life
/// from the copy. The tasks of the old life are cancelled, and what they still do reaches nobody: they write to the old
/// directory, their connections are cut and their log lines are dropped.
final class TortureParty: Sendable {
    let name: String
    /// nil: the aggregator.
    let site: SiteID?
    let identity: PeerIdentity
    private unowned let world: TortureWorld

    private struct State {
        var life = 0
        var isAlive = false
        var task: Task<Void, Never>?
        var isDiskFull = false
        var skewMilliseconds: Int64 = 0
        /// How much slower than others.
        var slowness = 1.0
        var generator: SeededGenerator
        var aggregator: Aggregator?
        var aggregatorStore: AggregatorStore?
        var siteStore: SiteStore?
    }

    private let state: Mutex<State>

    init(site: SiteID?, world: TortureWorld, seed: UInt64, slowness: Double) {
        self.site = site
        self.world = world
        name = site?.rawValue ?? "aggregator"
        identity = PeerIdentity(publicKeyHash: [], names: ["fl://simulation/site/\(name)"])
        state = Mutex(
            State(slowness: slowness, generator: SeededGenerator(seed: seed, stream: "simulation/party/\(name)")))
    }

    var isAlive: Bool { state.withLock { $0.isAlive } }
    var aggregator: Aggregator? { state.withLock { $0.isAlive ? $0.aggregator : nil } }
    var aggregatorStore: AggregatorStore? { state.withLock { $0.isAlive ? $0.aggregatorStore : nil } }
    var siteStore: SiteStore? { state.withLock { $0.isAlive ? $0.siteStore : nil } }
    /// Where the present life keeps its files.
    var directory: String { state.withLock { directory(life: $0.life) } }

    private func directory(life: Int) -> String { "\(world.folder)/\(name)-\(life)" }

    private func isCurrent(_ life: Int) -> Bool { state.withLock { $0.isAlive && $0.life == life } }

    // MARK: Life and death

    func start() {
        let life = state.withLock { state in
            state.isAlive = true
            return state.life
        }
        world.trace.note(name, "starts")
        world.lifeBegan()
        let task = Task(executorPreference: world.scheduler) { await self.live(life) }
        state.withLock { $0.task = task }
    }

    private func live(_ life: Int) async {
        defer { world.lifeEnded() }
        do {
            if let site { try await live(life, as: site) } else { try await liveAsAggregator(life) }
        } catch is CancellationError {
            // Crashed, or the run is over.
        } catch {
            guard isCurrent(life) else { return }
            world.trace.note(name, "ends by itself: \(error)".replacingOccurrences(of: "\n", with: "; "))
        }
        if isCurrent(life) { end(isTorn: false) }
    }

    /// The party is gone from one moment to the next, and comes back later.
    func crash() {
        guard isAlive else { return }
        world.trace.note(name, "crashes")
        world.countCrash()
        end(isTorn: true)
    }

    private func end(isTorn: Bool) {
        let (life, task) = state.withLock { state in
            state.isAlive = false
            state.life += 1
            state.aggregator = nil
            state.aggregatorStore = nil
            state.siteStore = nil
            return (state.life, state.task)
        }
        world.cut(self)
        task?.cancel()
        guard !world.isEnding else { return }
        do { try copyState(from: directory(life: life - 1), to: directory(life: life), isTorn: isTorn) } catch {
            world.trace.violation("the simulation cannot copy a state directory: \(error)")
        }
        let pause = Duration.milliseconds(1 + draw(below: 1_500))
        Task(executorPreference: world.scheduler) {
            do { try await self.world.scheduler.sleep(for: pause) } catch { return }
            if !self.world.isEnding { self.start() }
        }
    }

    /// Ends the last life for good.
    func stop() {
        let task = state.withLock { state in
            state.isAlive = false
            return state.task
        }
        world.cut(self)
        task?.cancel()
    }

    // MARK: The two kinds

    /// Signs the entries of all parties of a simulation.
    package static let statementKey: StatementKey = {
        guard let key = StatementKey(seed: [UInt8](repeating: 1, count: 32)) else {
            preconditionFailure("32 bytes are a key")
        }
        return key
    }()

    private func liveAsAggregator(_ life: Int) async throws {
        let store = try AggregatorStore.open(directory: directory(life: life), access: storeAccess(life))
        let vault = try FileVault(directory: directory(life: life), beforeWrite: beforeWrite(life))
        let aggregator = Aggregator(
            settings: AggregatorSettings(
                federation: "torture", members: Set(world.study.sites), statementKey: Self.statementKey),
            store: store, vault: vault, workers: workers(life), clock: clock, logger: logger(life))
        let network = InMemoryNetwork(
            faults: world.networkFaults(), clock: VirtualClock(scheduler: world.scheduler))
        state.withLock { state in
            state.aggregator = aggregator
            state.aggregatorStore = store
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await aggregator.run() }
            group.addTask {
                try await network.listen(onBound: { self.world.open(network) }) { await aggregator.serve($0) }
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func live(_ life: Int, as site: SiteID) async throws {
        guard let table = world.study.tables[site] else { return }
        let store = try SiteStore.open(directory: directory(life: life), access: storeAccess(life))
        let vault = try FileVault(directory: directory(life: life), beforeWrite: beforeWrite(life))
        let policy = SitePolicy.allowing(
            world.study.study, dataset: TortureStudy.dataset, federation: SimulatedFederation.federation)
        let daemon = Site(
            settings: SiteSettings(
                site: site, policy: { policy }, statementKey: Self.statementKey,
                backoff: Backoff(initial: .milliseconds(50), maximum: .seconds(2))),
            store: store, vault: vault, workers: workers(life), clock: clock,
            random: .seeded(forTestingAndSimulation: drawWord()),
            jitter: .seeded(forTestingAndSimulation: drawWord()),
            datasets: TortureStudy.Dataset(table: table), logger: logger(life))
        state.withLock { $0.siteStore = store }
        try await daemon.run {
            guard self.isCurrent(life), let network = self.world.network else { throw NoAggregator() }
            return try await network.connect(as: self.identity)
        }
    }

    private struct NoAggregator: Error, CustomStringConvertible {
        var description: String { "nobody listens there" }
    }

    // MARK: What a life stands on

    private var clock: ServiceClock {
        world.scheduler.clock(skew: { self.state.withLock { $0.skewMilliseconds } })
    }

    private func logger(_ life: Int) -> Logger {
        world.trace.logger(name, folder: world.folder) { self.isCurrent(life) }
    }

    private func storeAccess(_ life: Int) -> StoreAccess {
        .inPlace(
            before: {
                try self.checkDisk(life)
                await self.pause(share: 0.1)
                try self.checkDisk(life)
            },
            after: {
                guard self.isCurrent(life) else { throw CancellationError() }
                self.world.changed(self)
                await self.pause(share: 0.1)
                guard self.isCurrent(life) else { throw CancellationError() }
            })
    }

    private func workers(_ life: Int) -> any Workers {
        WorkersInPlace(
            before: {
                await self.pause(share: 1)
                guard self.isCurrent(life) else { throw CancellationError() }
            },
            after: {
                guard self.isCurrent(life) else { throw CancellationError() }
                self.world.worked(self)
                await self.pause(share: 0.1)
            })
    }

    private func beforeWrite(_ life: Int) -> @Sendable (Int) throws -> Void {
        { _ in try self.checkDisk(life) }
    }

    private func checkDisk(_ life: Int) throws {
        guard isCurrent(life) else { throw CancellationError() }
        if state.withLock({ $0.isDiskFull }) {
            throw StoreError(.diskFull, "no space left (simulated)", hint: "wait until the simulation frees some")
        }
    }

    /// Gives other tasks a turn, and sometimes takes a while.
    private func pause(share: Double) async {
        let isShort = draw(below: 2) == 0
        let part = Double(draw(below: 1_000)) / 1_000
        let slowness = state.withLock { $0.slowness }
        if isShort || world.isEnding { return await Task.yield() }
        // Cancelled: the caller looks whether it still lives.
        try? await world.scheduler.sleep(for: world.faults.slowness * (share * part * slowness))
    }

    // MARK: Faults

    func fillDisk() {
        world.trace.note(name, "disk is full")
        state.withLock { $0.isDiskFull = true }
        let pause = Duration.milliseconds(50 + draw(below: 2_000))
        Task(executorPreference: world.scheduler) {
            try? await self.world.scheduler.sleep(for: pause)
            self.freeDisk()
        }
    }

    func freeDisk() {
        guard state.withLock({ $0.isDiskFull }) else { return }
        world.trace.note(name, "disk has space again")
        state.withLock { $0.isDiskFull = false }
    }

    func jumpClock() {
        let skew = Int64(draw(below: 1_200_001)) - 600_000
        world.trace.note(name, "wall clock is wrong by \(skew) ms")
        state.withLock { $0.skewMilliseconds = skew }
    }

    func draw(below bound: Int) -> Int { state.withLock { $0.generator.index(below: bound) } }

    private func drawWord() -> UInt64 { state.withLock { $0.generator.next() } }

    /// Copies what is on the disk; `isTorn` damages what a power cut may damage: files that were never synced, and the
    /// write-ahead log behind its last commit.
    private func copyState(from old: String, to new: String, isTorn: Bool) throws {
        let files = FileManager.default
        guard files.fileExists(atPath: old) else { return }
        try files.createDirectory(atPath: new, withIntermediateDirectories: false, attributes: Self.privateFolder)
        for name in try files.contentsOfDirectory(atPath: old).sorted() where !name.hasSuffix(".lock") {
            let (from, to) = ("\(old)/\(name)", "\(new)/\(name)")
            if name.hasSuffix("-shm") { continue }
            guard ["models", "uploads"].contains(name) else {
                try files.copyItem(atPath: from, toPath: to)
                if isTorn, name.hasSuffix("-wal"), draw(below: 3) == 0 { try appendGarbage(to) }
                continue
            }
            try files.createDirectory(atPath: to, withIntermediateDirectories: false, attributes: Self.privateFolder)
            for file in try files.contentsOfDirectory(atPath: from).sorted() {
                try files.copyItem(atPath: "\(from)/\(file)", toPath: "\(to)/\(file)")
                if isTorn, file.hasSuffix(".partial"), draw(below: 2) == 0 { try tear("\(to)/\(file)") }
            }
        }
    }

    private static var privateFolder: [FileAttributeKey: Any] { [.posixPermissions: 0o700] }

    private func appendGarbage(_ path: String) throws {
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        defer { try? handle.close() }
        try handle.seekToEnd()
        try handle.write(contentsOf: Data((0...draw(below: 5_000)).map { _ in UInt8(draw(below: 256)) }))
    }

    /// Cuts the file somewhere, or leaves zeros where its end was.
    private func tear(_ path: String) throws {
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        defer { try? handle.close() }
        let length = Int(try handle.seekToEnd())
        guard length > 0 else { return }
        world.trace.note(name, "a file that was being written is torn")
        let kept = draw(below: length + 1)
        try handle.truncate(atOffset: UInt64(kept))
        if draw(below: 2) == 0 { try handle.truncate(atOffset: UInt64(length)) }
    }
}
