// SPDX-License-Identifier: Apache-2.0
// The site's daemon logic: keep a connection, decide about studies, do the local half of every round.

package import Execution
package import Federation
package import Logging
package import PeerTransport
package import Randomness
package import Store
import WireProtocol

/// What a site must be told.
package struct SiteSettings: Sendable {
    package var site: SiteID
    /// What the hospital allows, read anew for every decision and round. What it throws refuses everything.
    package var policy: @Sendable () throws -> SitePolicy
    /// Signs what the site says in its entries.
    package var statementKey: StatementKey
    /// Pauses between attempts to connect.
    package var backoff: Backoff
    /// The only federation the site works for; nil for any. Set where its secrets are not: see ``SiteDaemon``.
    package var onlyFederation: String?
    /// The time between two checkpoints of local training at least.
    package var checkpointPause: Duration
    /// What trains: a policy is judged for it, and training uses no more.
    package var machine: SiteMachine
    /// The bytes of memory that are free now; nil where the system does not say.
    package var freeMemory: @Sendable () -> Int?
    /// How often it is looked whether the certificate is to be renewed.
    package var renewalInterval = Duration.seconds(60)

    package init(
        site: SiteID, policy: @escaping @Sendable () throws -> SitePolicy, statementKey: StatementKey,
        backoff: Backoff = Backoff(), onlyFederation: String? = nil, checkpointPause: Duration = .seconds(3),
        machine: SiteMachine = .system(),
        freeMemory: @escaping @Sendable () -> Int? = { MachineMemory.system.availableBytes }
    ) {
        self.site = site
        self.policy = policy
        self.statementKey = statementKey
        self.backoff = backoff
        self.onlyFederation = onlyFederation
        self.checkpointPause = checkpointPause
        self.machine = machine
        self.freeMemory = freeMemory
    }
}

/// One hospital's half of the federation.
///
/// Owns the studies, the rounds under way and the current link. Connections come and go; the work goes on: a round that
/// was computed while the network was down is delivered over the next link.
package actor Site {
    let settings: SiteSettings
    let store: SiteStore
    let vault: FileVault
    let workers: any Workers
    let clock: ServiceClock
    let random: RandomSource
    private let jitter: RandomSource
    let datasets: any DatasetProviding
    let updates: any UpdateMaking
    let metrics: SiteMetrics
    let logger: Logger
    /// Renewal and rosters; nil when certificates come from another authority.
    let membership: MembershipKeeper?
    private var rosters = RosterAssembler()

    private var link: AggregatorLink?
    private var linkWaiters: [CheckedContinuation<AggregatorLink, any Error>] = []
    private(set) var isStopping = false
    /// The federation in the certificate of the aggregator that asks now, or asked last.
    private(set) var asker: String?
    /// Why there is no connection, in words for people.
    private(set) var trouble = "not connected yet"
    var isConnected: Bool { link != nil }
    /// What the aggregator was last told to be in this site's way.
    private var reported: [SiteObstacle] = []
    var studies: [Digest: AcceptedStudy] = [:]
    /// Rounds being worked on.
    var active: [Digest: Cancellation] = [:]
    /// Studies that have ended here: none of their inputs is kept.
    var concluded: Set<Digest> = []
    /// The models and controls that the latest round of each study started from.
    var latestInputs: [Digest: [BlobReference]] = [:]
    /// Controls of rounds that did not count, to be removed while no round is under way.
    var discardedControls: [BlobReference] = []
    let memory = ParameterMemory()
    private let work: AsyncStream<SiteWork>
    nonisolated let workInput: AsyncStream<SiteWork>.Continuation

    /// - Parameters:
    ///   - workers: the thread that trains; one for each site process.
    ///   - clock: anything but the system's is for simulations.
    ///   - random: where rounding seeds come from; anything but the system is for simulations.
    ///   - jitter: where the pauses between attempts to connect come from; likewise.
    ///   - datasets: the site's registered tables.
    ///   - updates: nil: trains.
    package init(
        settings: SiteSettings, store: SiteStore, vault: FileVault, workers: any Workers,
        clock: ServiceClock = .system, random: RandomSource, jitter: RandomSource = .system,
        datasets: any DatasetProviding, updates: (any UpdateMaking)? = nil,
        membership: MembershipKeeper? = nil, metrics: SiteMetrics = SiteMetrics(), logger: Logger
    ) {
        self.settings = settings
        self.store = store
        self.vault = vault
        self.workers = workers
        self.clock = clock
        self.random = random
        self.jitter = jitter
        self.datasets = datasets
        self.updates = updates ?? LocalTrainer(threads: settings.machine.threads)
        self.membership = membership
        self.metrics = metrics
        self.logger = logger
        (work, workInput) = AsyncStream.makeStream()
    }

    /// Connects again and again and works until cancelled.
    ///
    /// - Throws: ``StoreError`` when the site's own store fails. A network that is down is not an error.
    package func run(connect: @escaping @Sendable () async throws -> any PeerConnection) async throws {
        if try await store.noticeRestore(at: wallMilliseconds()) {
            logger.warning(
                "the store is older than what ran here: rounds that were open are closed, and of each study the first round from now on is left out",
                metadata: ["hint": "this is expected after `consilium restore`"])
        }
        try await sweepFiles()
        let (failures, failureInput) = AsyncStream.makeStream(of: (any Error).self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.keepConnected(connect) }
            if let membership { group.addTask { try await self.keepRenewed(membership) } }
            group.addTask {
                await withDiscardingTaskGroup { rounds in
                    for await item in self.work {
                        rounds.addTask {
                            // Not thrown here: the group would cancel its other tasks and go on taking work, and a site
                            // that can do nothing would look connected and well.
                            do { try await self.perform(item) } catch { failureInput.yield(error) }
                        }
                    }
                }
            }
            group.addTask { for await failure in failures { throw failure } }
            // Rounds may be waiting for a link that will not come: the group could not end before they are told.
            defer {
                group.cancelAll()
                stopWaiters()
            }
            try await group.next()
        }
    }

    /// Removes the files that a crash left between their making and their record.
    private func sweepFiles() async throws {
        for folder in FileVault.Folder.allCases {
            let needed = try await store.neededFiles(in: folder)
            let vault = vault
            try await workers.runIfActive { _ = try vault.removeAll(in: folder, except: needed) }
        }
    }

    // MARK: Connection

    private func keepConnected(_ connect: @Sendable () async throws -> any PeerConnection) async throws {
        var backoff = settings.backoff
        var generator = JitterGenerator(source: jitter)
        while !Task.isCancelled {
            do {
                let connection = try await connect()
                guard connection.identity.role == .aggregator else {
                    // Every member of the consortium has a certificate of the same authority.
                    await connection.close()
                    throw LinkError.noAggregator
                }
                asker = connection.identity.consortium
                logger.info("connected to the aggregator")
                metrics.count("connections_total")
                let began = clock.now
                let outcome = await serve(connection)
                await connection.close()
                // A connection that held for a while shows that the aggregator is well.
                if clock.now - began > .seconds(1) { backoff.reset() }
                throw outcome
            } catch is CancellationError {
                throw CancellationError()
            } catch LinkError.refused(let code) {
                logger.error("the aggregator refused this site", metadata: ["reason": "\(code.explanation)"])
                trouble = "the aggregator refused this site: \(code.explanation)"
            } catch LinkError.noAggregator {
                logger.error("the server's certificate does not name an aggregator")
                trouble = "the server's certificate does not name an aggregator"
            } catch LinkError.wrongFederation {
                logger.error(
                    "this site's rounding is seeded for tests: it works for the federation named demo only",
                    metadata: ["hint": "unset CONSILIUM_INSECURE_SEED_FOR_SIMULATION and start again"])
                trouble = "this site's rounding is seeded for tests, and the federation is not named demo"
            } catch {
                logger.notice("no connection to the aggregator", metadata: ["cause": "\(error)"])
                trouble = "no connection to the aggregator: \(error)"
            }
            try await clock.sleep(for: backoff.next(using: &generator))
        }
        try Task.checkCancellation()
    }

    /// Runs one link and says why it ended.
    private func serve(_ connection: any PeerConnection) async -> any Error {
        let link = AggregatorLink(connection: connection)
        self.link = link
        for waiter in linkWaiters { waiter.resume(returning: link) }
        linkWaiters = []
        defer { if self.link === link { self.link = nil } }
        do {
            reported = obstacles
            try await link.run(
                software: programVersion, obstacles: reported, onlyFederation: settings.onlyFederation
            ) { message in
                await self.receive(message)
            }
            return LinkError.lost
        } catch {
            return error
        }
    }

    /// The open link, or the next one.
    func currentLink() async throws -> AggregatorLink {
        if let link { return link }
        guard !isStopping else { throw CancellationError() }
        return try await withCheckedThrowingContinuation { linkWaiters.append($0) }
    }

    /// Gives up on a link that failed, so that the next wait gets another one. It is closed, because a peer that broke
    /// the rules once may hold the connection open for ever.
    func abandon(_ failed: AggregatorLink) async {
        if link === failed { link = nil }
        await failed.disconnect()
    }

    /// Says something if there is a link; whatever matters is said again after a reconnection.
    func tell(_ message: SiteMessage) { link?.send(message) }

    /// For records that people read.
    func wallMilliseconds() -> Int64 { clock.wallMilliseconds() }

    private func stopWaiters() {
        isStopping = true
        workInput.finish()
        for round in active.values { round.cancel() }
        for waiter in linkWaiters { waiter.resume(throwing: CancellationError()) }
        linkWaiters = []
    }

    // MARK: Messages

    private func receive(_ message: AggregatorMessage) {
        switch message {
        case .studyOffer(let bytes): workInput.yield(.offer(bytes))
        case .roundOpen(let task): workInput.yield(.round(task))
        case .roundEnded(let task, let ending):
            active[task]?.cancel()
            workInput.yield(.roundEnded(task, wasClosed: ending == .closed))
        case .studyEnded(let study, let ending, let model): workInput.yield(.studyEnded(study, ending.rawValue, model))
        case .renewed(let reply): workInput.yield(.renewed(reply))
        case .rosterPart(let part): collect(part)
        case .ping: reportCondition()
        default: break
        }
    }

    private func collect(_ part: RosterPart) {
        do {
            guard let (roster, denyList) = try rosters.add(part) else { return }
            workInput.yield(.roster(roster, denyList: denyList))
        } catch { logger.error("the aggregator sent an unreadable roster", metadata: ["error": "\(error)"]) }
    }

    /// Asks for the next certificate when it is time, again and again until it is here.
    private func keepRenewed(_ membership: MembershipKeeper) async throws {
        while true {
            if link != nil {
                do {
                    if let request = try await membership.renewalDue() { tell(.renewal(request)) }
                } catch {
                    logger.error("the certificate cannot be renewed", metadata: ["error": "\(error)"])
                }
            }
            try await Task.sleep(for: settings.renewalInterval)
        }
    }

    /// Says so when the site has become able to compute, or no longer is. The aggregator asks often enough.
    private func reportCondition() {
        let obstacles = obstacles
        guard obstacles != reported else { return }
        reported = obstacles
        tell(.condition(obstacles))
    }

    private func perform(_ item: SiteWork) async throws {
        do {
            switch item {
            case .offer(let bytes): try await decide(on: bytes)
            case .round(let task): try await participate(in: task)
            case .progress(let task, let count): tell(.progress(task: task, .computing, count: UInt64(count)))
            case .renewed(let reply): await membership?.received(reply: reply)
            case .roster(let roster, let denyList):
                _ = await membership?.received(roster: roster, denyList: denyList)
            case .downloaded(let task, let byteCount):
                tell(.progress(task: task, .downloading, count: UInt64(byteCount)))
            case .roundEnded(let task, let wasClosed): try await tidy(after: task, wasClosed: wasClosed)
            case .studyEnded(let study, let outcome, let model):
                try await conclude(study, outcome: outcome, model: model)
            }
        } catch is CancellationError {
            // The daemon stops, or the round ended without us.
        }
    }
}

/// Draws the random part of pauses.
private struct JitterGenerator: RandomNumberGenerator {
    let source: RandomSource

    mutating func next() -> UInt64 { source.bytes(8).reduce(0) { $0 << 8 | UInt64($1) } }
}

/// Something for the site to do.
enum SiteWork: Sendable {
    case offer([UInt8])
    case round(RoundTask)
    case progress(Digest, count: Int)
    case downloaded(Digest, byteCount: Int)
    case roundEnded(Digest, wasClosed: Bool)
    case studyEnded(Digest, String, BlobReference?)
    case renewed([UInt8])
    case roster([UInt8], denyList: [UInt8])
}
