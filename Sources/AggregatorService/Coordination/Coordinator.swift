// SPDX-License-Identifier: Apache-2.0
// The aggregator's one decision maker: takes events in order, drives the state machines, performs their actions.

import Execution
package import Federation
import Logging
import Store
import WireProtocol

/// What the aggregator must be told.
package struct AggregatorSettings: Sendable {
    /// The federation's name, shown to sites.
    package var federation: String
    package var members: any MemberDirectory

    /// Signs the aggregator's entries.
    package var statementKey: StatementKey
    /// The largest model file a study may have.
    package var maximumModelBytes: Int
    /// How long a new connection may take to say hello: until then it costs a place and has given nothing.
    package var helloTimeout: Duration

    /// - Parameter members: who may take part; asked anew whenever it matters.
    package init(
        federation: String, members: any MemberDirectory, statementKey: StatementKey,
        maximumModelBytes: Int = 1 << 30,
        helloTimeout: Duration = .seconds(10)
    ) {
        self.federation = federation
        self.members = members
        self.statementKey = statementKey
        self.maximumModelBytes = maximumModelBytes
        self.helloTimeout = helloTimeout
    }

    /// Settings with members that never change.
    package init(
        federation: String, members: Set<SiteID>, statementKey: StatementKey, maximumModelBytes: Int = 1 << 30,
        helloTimeout: Duration = .seconds(10)
    ) {
        self.init(
            federation: federation, members: FixedMembers(members), statementKey: statementKey,
            maximumModelBytes: maximumModelBytes, helloTimeout: helloTimeout)
    }
}

/// Owns every study and session.
///
/// Events come through one queue and are handled one at a time, each wholly, so no decision sees a half-done other one.
/// Long work (sums) runs on worker threads and comes back as an event. Order within an event: decide (pure), make
/// durable, then tell the sites.
actor Coordinator {
    nonisolated let federation: String
    nonisolated let settings: AggregatorSettings
    let store: AggregatorStore
    let vault: FileVault
    let workers: any Workers
    let clock: ServiceClock
    let metrics: AggregatorMetrics
    let logger: Logger
    let sumMemory = SumMemory()
    private let started: Duration

    var sessions: [SiteID: SiteSession] = [:]
    /// What connected sites say is in their way; nothing of those who have not said.
    var conditions: [SiteID: [SiteObstacle]] = [:]
    /// The roster that everybody connected has been sent; empty before the first.
    private var lastRoster: [RosterPart] = []
    private var nextPing = Duration.seconds(15)
    /// When connections of a site took over from one that was open, in the last minute.
    private var takeovers: [SiteID: [Duration]] = [:]
    /// When this was last said to be too often.
    private var alarms: [SiteID: Duration] = [:]
    var runs: [Digest: StudyRun] = [:]
    /// Studies in the order of their submission.
    var order: [Digest] = []
    private var isRestored = false
    /// Finished when the studies are restored; one for each session that waits.
    private var restoreWaiters: [AsyncStream<Never>.Continuation] = []
    /// Sums to be made, taken by the worker loop of ``run()``.
    private let sums: AsyncStream<SumWork>
    private let sumInput: AsyncStream<SumWork>.Continuation
    /// Uploads to be made durable, likewise.
    private let uploads: AsyncStream<UploadWork>
    private let uploadInput: AsyncStream<UploadWork>.Continuation
    /// Files that no record names any more, likewise. Removing them may be late or fail: a start sweeps what is left.
    private let removals: AsyncStream<FileRemoval>
    private let removalInput: AsyncStream<FileRemoval>.Continuation
    /// Uploads of rounds that are over, until the next round has got going: its commits would wait for the file system
    /// while that removes large files.
    var leftovers: [FileRemoval] = []
    private nonisolated let events: AsyncStream<CoordinatorEvent>
    private nonisolated let eventInput: AsyncStream<CoordinatorEvent>.Continuation

    init(
        settings: AggregatorSettings, store: AggregatorStore, vault: FileVault, workers: any Workers,
        clock: ServiceClock, metrics: AggregatorMetrics, logger: Logger
    ) {
        self.settings = settings
        federation = settings.federation
        self.store = store
        self.vault = vault
        self.workers = workers
        self.clock = clock
        started = clock.now
        self.metrics = metrics
        self.logger = logger
        (events, eventInput) = AsyncStream.makeStream()
        (sums, sumInput) = AsyncStream.makeStream()
        (uploads, uploadInput) = AsyncStream.makeStream()
        (removals, removalInput) = AsyncStream.makeStream()
    }

    /// Adds an event to the queue; never waits.
    nonisolated func post(_ event: CoordinatorEvent) { eventInput.yield(event) }

    /// Queues a command and waits for its answer; once the coordinator has stopped, the answer says so.
    nonisolated func reply(to request: ControlRequest) async -> ControlReply {
        await withCheckedContinuation { continuation in
            if case .terminated = eventInput.yield(.control(request, continuation)) {
                continuation.resume(returning: Self.hasStopped)
            }
        }
    }

    private static let hasStopped = ControlReply.error(
        message: "the aggregator is stopping", hint: "ask again when it runs")

    /// Time since the start, the clock of all state machines.
    var now: Duration { clock.now - started }

    /// Whether no round is under way.
    var isQuiet: Bool { !runs.values.contains { $0.current != nil } }

    /// For records that people read.
    func wallMilliseconds() -> Int64 { clock.wallMilliseconds() }

    /// Restores open studies, then handles events until cancelled.
    ///
    /// - Throws: ``StoreError`` when the store fails; the state on disk is then still consistent.
    func run() async throws {
        let result: Result<Void, any Error>
        // A cancellation may also end it without an error: the loops over streams just stop.
        do { result = .success(try await handleUntilCancelled()) } catch { result = .failure(error) }
        // Whoever asked and was not answered would wait for ever, and keep the whole process from ending.
        eventInput.finish()
        for await case .control(_, let reply) in events { reply.resume(returning: Self.hasStopped) }
        // They hold this object as it holds them: nothing, not even the store, would be given back.
        sessions = [:]
        try result.get()
    }

    private func handleUntilCancelled() async throws {
        try await restore()
        isRestored = true
        for waiter in restoreWaiters { waiter.finish() }
        restoreWaiters = []
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while true {
                    try await self.clock.sleep(for: .milliseconds(50))
                    self.post(.tick)
                }
            }
            group.addTask {
                for await work in self.sums {
                    // Side by side: hashing a large sum takes as long as adding an upload.
                    async let digest = self.workers.runIfActive { work.digest() }
                    let outcome = try await self.workers.runIfActive { work.run() }
                    self.post(.summed(study: work.study.hash, work.id, outcome, sum: try await digest))
                }
            }
            group.addTask {
                // Side by side: waiting for the device takes longer than the work.
                try await withThrowingDiscardingTaskGroup { group in
                    for await work in self.uploads {
                        group.addTask {
                            let result = try await self.workers.runIfActive { work.run() }
                            self.post(.uploadStored(work.site, task: work.task, result))
                        }
                    }
                }
            }
            group.addTask {
                for await removal in self.removals {
                    try await self.workers.runIfActive { removal.run(logger: self.logger) }
                }
            }
            group.addTask { try await self.handleEvents() }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    /// Waits until the studies are restored.
    ///
    /// A site that came back before would be told that its round is over, and throw its vector away.
    /// - Throws: `CancellationError`.
    func whenRestored() async throws {
        guard !isRestored else { return }
        let (restored, waiter) = AsyncStream.makeStream(of: Never.self)
        restoreWaiters.append(waiter)
        for await _ in restored {}
        try Task.checkCancellation()
    }

    private func handleEvents() async throws {
        for await event in events { try await handle(event) }
        try Task.checkCancellation()
    }

    /// Tells every site that the server goes away.
    func shutDown() {
        for site in sessions.keys.sorted() { sessions[site]?.refuse(.unavailable) }
    }

    // MARK: Events

    private func handle(_ event: CoordinatorEvent) async throws {
        switch event {
        case .opened(let session): try await opened(session)
        case .closed(let session): try await closed(session)
        case .membershipChanged: membershipChanged()
        case .condition(let site, let obstacles): noteCondition(of: site, obstacles)
        case .decided(let site, let study, let decision): try await decided(site, study: study, decision)
        case .progress(let site, let task, let stage, let count):
            try await forward(.progress(site, stage, count: count), task: task)
        case .withheld(let site, let task, let reason):
            logger.notice(
                "site withheld its contribution", metadata: ["site": "\(site)", "reason": "\(reason.rawValue)"])
            try await forward(.withheld(site, reason), task: task)
        case .uploadSpooled(let site, let task, let file, let digest):
            uploadSpooled(UploadWork(site: site, task: task, file: file, digest: digest))
        case .uploadStored(let site, let task, let result): try await uploadStored(site, task: task, result)
        case .refusedUpload(let site, let task, let reason):
            logger.warning("upload refused", metadata: ["site": "\(site)", "reason": "\(reason.rawValue)"])
            try await forward(.refused(site, reason), task: task)
        case .blobSent(_, let byteCount):
            removeLeftovers()
            for hash in order where runs[hash]?.current != nil {
                runs[hash]?.current?.bytesDown += byteCount
                runs[hash]?.progress.bytesDown += UInt64(byteCount)
                metrics.count("sent_bytes_total", by: byteCount)
                break
            }
        case .modelReceived(let site, let study, let model):
            try await delivered(model, of: study, to: site)
        case .summed(let study, let id, let outcome, let sum): try await summed(study, id, outcome, sum: sum)
        case .control(let request, let reply): reply.resume(returning: await answer(request))
        case .tick:
            pingIfDue()
            if isQuiet { removeLeftovers() }
            for hash in order {
                sumObstructed(hash)
                try await advance(hash, .tick)
            }
        }
    }

    /// Keeps connections alive on the way, and lets sites say when their condition has changed.
    private func pingIfDue() {
        guard now >= nextPing else { return }
        nextPing = now + .seconds(15)
        for session in sessions.values { session.send(.ping) }
    }

    private func opened(_ session: SiteSession) async throws {
        // The newer connection wins: the older one is most often half open after a lost network.
        if let older = sessions[session.site] {
            older.refuse(.alreadyConnected)
            try await noteTakeover(of: session.site)
        }
        sessions[session.site] = session
        conditions[session.site] = nil
        metrics.count("site_connections_total")
        logger.info("site connected", metadata: ["site": "\(session.site)"])
        session.send(roster: settings.members.rosterParts)
        for hash in order {
            guard let run = runs[hash] else { continue }
            if case .finished(let outcome) = run.machine.phase {
                if run.accepted.contains(session.site), !run.deliveries.contains(session.site) {
                    session.send(.studyEnded(study: hash, outcome.ending, model: run.model?.blob))
                }
            } else {
                session.send(.studyOffer(run.canonicalBytes))
            }
        }
    }

    /// A lost network lets a connection take over from another now and then; two daemons with one identity, a copied
    /// machine or a thief's, do it to each other again and again.
    private func noteTakeover(of site: SiteID) async throws {
        let recent = (takeovers[site] ?? []).filter { now - $0 < .seconds(60) } + [now]
        takeovers[site] = recent
        guard recent.count >= 5, alarms[site].map({ now - $0 > .seconds(3_600) }) ?? true else { return }
        alarms[site] = now
        metrics.count("membership_alarms_total")
        logger.error("ALARM: two daemons seem to have one identity", metadata: ["site": "\(site)"])
        try await store.entryLog.append(try entry(.sharedIdentity(site)))
    }

    /// Sends away who is no member any more, and a new roster to everybody else.
    private func membershipChanged() {
        // A renewal changes the membership, but not the roster.
        let roster = settings.members.rosterParts
        let isNew = roster != lastRoster
        lastRoster = roster
        for session in sessions.values {
            guard settings.members.site(for: session.identity) == session.site else {
                session.refuse(.notMember)
                continue
            }
            if isNew { session.send(roster: roster) }
        }
    }

    /// The session of a site that is still a member; one that is not is sent away.
    func memberSession(of site: SiteID) -> SiteSession? {
        guard let session = sessions[site] else { return nil }
        guard settings.members.site(for: session.identity) == site else {
            session.refuse(.notMember)
            return nil
        }
        return session
    }

    private func closed(_ session: SiteSession) async throws {
        guard sessions[session.site] === session else { return }
        sessions[session.site] = nil
        conditions[session.site] = nil
        logger.info("site disconnected", metadata: ["site": "\(session.site)"])
        for hash in order { try await advance(hash, .disconnected(session.site)) }
    }

    private func noteCondition(of site: SiteID, _ obstacles: [SiteObstacle]) {
        guard sessions[site] != nil, conditions[site] != obstacles else { return }
        conditions[site] = obstacles
        guard !obstacles.isEmpty else { return }
        logger.warning(
            "site is not able to compute",
            metadata: ["site": "\(site)", "obstacles": "\(obstacles.map(\.rawValue).joined(separator: " "))"])
    }

    private func decided(_ site: SiteID, study: Digest, _ decision: StudyDecision) async throws {
        guard let run = runs[study], sessions[site] != nil else { return }
        let wasAccepted = run.accepted.contains(site)
        switch decision {
        case .accepted:
            if !wasAccepted {
                try await store.recordDecision(study: study, site: site, decision, at: wallMilliseconds())
                logger.info("site accepted the study", metadata: ["site": "\(site)", "study": "\(study.short)"])
            }
            if wasAccepted {
                // The site may have missed how its last rounds ended.
                if let task = run.lastInclusion[site] { tell([site], task: task, included: [site]) }
                if let task = run.lastClosed, task != run.lastInclusion[site] { tell([site], task: task, included: []) }
            }
            try await advance(study, wasAccepted ? .connected(site) : .accepted(site))
        case .declined(let reason):
            try await store.recordDecision(study: study, site: site, decision, at: wallMilliseconds())
            logger.notice(
                "site declined the study",
                metadata: ["site": "\(site)", "study": "\(study.short)", "reason": "\(reason.rawValue)"])
            runs[study]?.progress.explanation = "\(site) declined: \(reason.explanation)"
            try await advance(study, .declined(site))
        }
    }

    private func forward(_ event: RoundStateMachine.Event, task: Digest) async throws {
        guard let hash = order.first(where: { runs[$0]?.current?.taskHash == task }) else { return }
        try await advance(hash, .round(event))
    }

    /// Feeds one event to a study's machine and performs what it asks for.
    func advance(_ hash: Digest, _ event: StudyStateMachine.Event) async throws {
        guard var run = runs[hash] else { return }
        let actions = run.machine.handle(event, now: now)
        runs[hash] = run
        for action in actions { try await perform(action, study: hash) }
    }

    /// Queues the sum of a round for the worker loop.
    func enqueue(_ work: SumWork) { sumInput.yield(work) }

    /// Queues an upload to be made durable.
    func enqueue(_ work: UploadWork) { uploadInput.yield(work) }

    private func removeLeftovers() {
        for removal in leftovers { enqueue(removal) }
        leftovers = []
    }

    /// Queues files to be removed.
    func enqueue(_ removal: FileRemoval) { removalInput.yield(removal) }
}

extension StudyOutcome {
    var ending: AggregatorMessage.StudyEnding {
        switch self {
        case .completed: .completed
        case .degraded: .degraded
        case .stopped: .stopped
        }
    }
}
