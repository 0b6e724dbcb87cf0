// SPDX-License-Identifier: Apache-2.0
// Everything of one torture run: the parties, the network between them, the faults and the eyes on it all.

import AggregatorService
import Federation
import PeerTransport
import Randomness
import Synchronization
import WireProtocol

/// One run. All of it happens on the scheduler's thread.
final class TortureWorld: Sendable {
    let scheduler: VirtualScheduler
    let trace: TortureTrace
    let faults: TortureFaults
    let study: TortureStudy
    let folder: String
    let seed: UInt64

    private struct State {
        var parties: [TortureParty] = []
        var network: InMemoryNetwork?
        var networks: UInt64 = 0
        var generator: SeededGenerator
        var isEnding = false
        var isCalm = false
        var isSettled = false
        var crashes = 0
        var faults = 0
        /// Lives that have begun and not ended.
        var lives = 0
        var checks: TortureChecks?
    }

    private let state: Mutex<State>

    init(seed: UInt64, study: TortureStudy, folder: String, keepsTrace: Bool) {
        let scheduler = VirtualScheduler(seed: seed)
        self.scheduler = scheduler
        self.seed = seed
        self.study = study
        self.folder = folder
        trace = TortureTrace(isKept: keepsTrace) { scheduler.now }
        faults = TortureFaults(seed: seed)
        state = Mutex(State(generator: SeededGenerator(seed: seed, stream: "simulation/world")))
        let parties =
            [TortureParty(site: nil, world: self, seed: seed, slowness: 1)]
            + study.sites.enumerated().map { index, site in
                TortureParty(
                    site: site, world: self, seed: seed, slowness: faults.hasSlowSites && index % 2 == 1 ? 10 : 1)
            }
        let checks = TortureChecks(world: self)
        state.withLock { state in
            state.parties = parties
            state.checks = checks
        }
    }

    var parties: [TortureParty] { state.withLock { $0.parties } }
    var aggregator: TortureParty { state.withLock { $0.parties[0] } }
    var sites: ArraySlice<TortureParty> { state.withLock { $0.parties.dropFirst() } }
    var network: InMemoryNetwork? { state.withLock { $0.network } }
    var isEnding: Bool { state.withLock { $0.isEnding } }
    var crashes: Int { state.withLock { $0.crashes } }
    var faultCount: Int { state.withLock { $0.faults } }
    var checks: TortureChecks? { state.withLock { $0.checks } }

    /// Lets go of the parties, which hold on to the world's scheduler.
    func close() {
        state.withLock { state in
            state.parties = []
            state.checks = nil
            state.network = nil
        }
    }

    func countCrash() { state.withLock { $0.crashes += 1 } }

    private func draw(below bound: Int) -> Int { state.withLock { $0.generator.index(below: bound) } }

    // MARK: Network

    func networkFaults() -> FaultPlan? {
        state.withLock { state in
            guard !state.isCalm else { return nil }
            var plan = faults.network
            // Each life of the aggregator meets other faults.
            state.networks += 1
            plan.seed &+= state.networks
            return plan
        }
    }

    /// The aggregator listens.
    func open(_ network: InMemoryNetwork) { state.withLock { $0.network = network } }

    /// Cuts off a party that is gone.
    func cut(_ party: TortureParty) {
        guard let network = network else { return }
        if party.site != nil { return network.cut(party.identity) }
        state.withLock { $0.network = nil }
        for site in sites { network.cut(site.identity) }
    }

    // MARK: The run

    /// Runs the study to its end, and everything after it.
    func run() {
        for party in parties { party.start() }
        Task(executorPreference: scheduler) { await self.spoil() }
        Task(executorPreference: scheduler) { await self.follow() }
        let limit = faults.end + .seconds(1_800)
        let isAlive = scheduler.run { !state.withLock { $0.isSettled } && scheduler.now < limit }
        if !isAlive { trace.violation("nothing can happen any more, and the study has not ended") }
        if isAlive, !state.withLock({ $0.isSettled }) {
            trace.violation("half an hour without faults, and the study has not ended at all sites")
        }
        state.withLock { $0.isEnding = true }
        for party in parties { party.stop() }
        let steps = scheduler.steps
        _ = scheduler.run { scheduler.steps < steps + 100_000 }
        let left = state.withLock { $0.lives }
        if left > 0 { trace.violation("\(left) lives of parties never ended, though they were cancelled") }
        if scheduler.steps >= steps + 100_000 { trace.violation("a party that was told to stop goes on") }
        if scheduler.strayJobs > 0 { trace.violation("\(scheduler.strayJobs) jobs came from another thread") }
        close()
    }

    func lifeBegan() { state.withLock { $0.lives += 1 } }
    func lifeEnded() { state.withLock { $0.lives -= 1 } }

    /// Makes things go wrong until the faults end.
    private func spoil() async {
        while scheduler.now < faults.end {
            let pause = faults.interval * (Double(draw(below: 2_000)) / 1_000)
            do { try await scheduler.sleep(for: pause) } catch { return }
            guard !faults.kinds.isEmpty, scheduler.now < faults.end, !isEnding else { continue }
            let kind = faults.kinds[draw(below: faults.kinds.count)]
            // Not at the moment when everything waits for time to pass, but between any two jobs after it.
            scheduler.intervene(after: draw(below: 200)) { self.happen(kind) }
        }
        trace.note("network", "no fault happens from now on")
        state.withLock { $0.isCalm = true }
        network?.calm()
        for party in parties { party.freeDisk() }
    }

    private func happen(_ kind: TortureFaults.Kind) {
        guard !state.withLock({ $0.isCalm || $0.isEnding }) else { return }
        state.withLock { $0.faults += 1 }
        let parties = parties
        let site = parties[1 + draw(below: parties.count - 1)]
        let anybody = parties[draw(below: parties.count)]
        switch kind {
        case .siteCrash: site.crash()
        case .aggregatorCrash: parties[0].crash()
        case .partition:
            let outage = Duration.milliseconds(1 + draw(below: 3_000))
            trace.note("network", "\(site.name) is cut off for \(outage / .milliseconds(1)) ms")
            network?.cut(site.identity, outage: outage)
        case .diskFull: anybody.fillDisk()
        case .clockJump: anybody.jumpClock()
        }
    }

    /// Submits the study and looks at its status until it has ended everywhere.
    private func follow() async {
        let bytes = study.study.canonicalBytes
        var isSubmitted = false
        var since: Duration?
        while !isEnding {
            if let aggregator = aggregator.aggregator {
                if !isSubmitted {
                    if case .submitted = await aggregator.answer(.submit(bytes)) { isSubmitted = true }
                } else if case .status(let status) = await aggregator.answer(.status) {
                    let isDone = await checks?.look(at: status) ?? false
                    since = isDone && scheduler.now > faults.end ? since ?? scheduler.now : nil
                }
            }
            // A moment for what is removed late.
            if let since, scheduler.now - since > .seconds(3) { break }
            do { try await scheduler.sleep(for: .milliseconds(100 + draw(below: 200))) } catch { return }
        }
        await checks?.finish()
        state.withLock { $0.isSettled = true }
    }

    // MARK: Eyes

    /// A party's database has changed: looked at before anything else runs.
    func changed(_ party: TortureParty) {
        guard let checks else { return }
        scheduler.check { await checks.changed(party) }
    }

    /// A party's worker has finished something.
    func worked(_ party: TortureParty) { checks?.keepVectors(of: party) }
}
