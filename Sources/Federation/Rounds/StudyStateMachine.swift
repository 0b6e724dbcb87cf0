// SPDX-License-Identifier: Apache-2.0
// The life of one study at the server: gather acceptances, one round after the other, release. Pure.

import Randomness

/// How a study ended.
package enum StudyOutcome: Hashable, Sendable {
    case completed
    /// It ended, but not as agreed; never shown as success.
    case degraded(DegradedReason)
    /// The operator stopped it.
    case stopped

    package var word: String {
        switch self {
        case .completed: "completed"
        case .degraded: "degraded"
        case .stopped: "stopped"
        }
    }

    /// Reads what ``word`` gave.
    package init?(word: String, explanation: String?) {
        switch word {
        case "completed": self = .completed
        case "degraded": self = .degraded(.recorded(explanation ?? ""))
        case "stopped": self = .stopped
        default: return nil
        }
    }
}

package enum DegradedReason: Hashable, Sendable {
    /// The same round failed as often as the study allows.
    case roundFailed(RoundID, AbortReason)
    /// Fewer than the minimum of sites were present for ``ProgressTerms/absenceSeconds``.
    case sitesAbsent(present: Int, needed: Int)
    /// All rounds are done, but required sites missed at least one training round.
    case requiredSitesMissing([SiteID])
    /// Read from the record of an earlier run.
    case recorded(String)

    /// A stable word for entries and machines.
    package var word: String {
        switch self {
        case .roundFailed: "roundFailed"
        case .sitesAbsent: "sitesAbsent"
        case .requiredSitesMissing: "requiredSitesMissing"
        case .recorded: "recorded"
        }
    }

    package var explanation: String {
        switch self {
        case .recorded(let text): text
        case .roundFailed(let id, let reason):
            "\(id.kind.rawValue) round \(id.round) failed \(id.attempt) times: \(reason.explanation)"
        case .sitesAbsent(let present, let needed): "\(present) of at least \(needed) sites were present for too long"
        case .requiredSitesMissing(let sites):
            "required sites missed a training round: \(sites.map(\.rawValue).joined(separator: ", "))"
        }
    }
}

/// The course of one study.
///
/// The caller performs each action, makes it durable, and feeds its result back in. Invariants: rounds happen in the
/// order statistics, training 1, …; a round is summed at most once; after `finish` nothing follows.
package struct StudyStateMachine: Sendable {
    package enum Event: Hashable, Sendable {
        case accepted(SiteID)
        case declined(SiteID)
        case connected(SiteID)
        case disconnected(SiteID)
        case round(RoundStateMachine.Event)
        /// The caller has summed the round, and the new model is durable.
        case summed
        case summingFailed(AbortReason)
        case stop
        case tick
    }

    package enum Action: Hashable, Sendable {
        /// Make the round durable, then ask every site of the cohort.
        case open(RoundID, cohort: [SiteID])
        /// Ask this site again: it came back while the round still awaits it.
        case ask(SiteID)
        case sum(RoundID, survivors: [SiteID])
        /// The attempt came to nothing; its uploads are to be thrown away.
        case abandon(RoundID, AbortReason)
        case finish(StudyOutcome)
    }

    package enum Phase: Sendable {
        case gathering(minimumSince: Duration?)
        case waiting(RoundID, since: Duration)
        case collecting(RoundStateMachine)
        case summing(RoundID, survivors: [SiteID])
        case finished(StudyOutcome)
    }

    private let terms: FederationTerms
    private let evaluation: EvaluationTerms
    private let seed: UInt64
    /// Sites whose decision the start of the study need not wait for beyond this set.
    private let expectedSites: Set<SiteID>
    package private(set) var phase: Phase
    package private(set) var accepted: Set<SiteID> = []
    private var declined: Set<SiteID> = []
    private var present: Set<SiteID> = []
    private var missedRequired: Set<SiteID> = []
    /// The records of the latest round that ended, for the caller to store.
    package private(set) var latestRecords: [ParticipationRecord] = []
    private var absentees: [ParticipationRecord] = []
    /// After a restart: the last round was closed, only the end is missing.
    private var areRoundsDone = false

    package init(study: Study, expectedSites: Set<SiteID>) {
        terms = study.federation
        evaluation = study.evaluation
        seed = study.training.seed
        self.expectedSites = expectedSites
        phase = .gathering(minimumSince: nil)
    }

    /// Continues a study whose earlier rounds are in the store.
    ///
    /// - Parameters:
    ///   - missedRequired: required sites that are not in the sum of some training round.
    ///   - next: the round to open, or to go on collecting when `cohort` is given; nil when the last one is done. See
    ///     ``successor(of:wasClosed:study:)``.
    ///   - uploaded: sites that have delivered for `next` already.
    ///   - uploadTimes: from the opening of the round to their uploads, as far as known.
    package init(
        study: Study, expectedSites: Set<SiteID>, accepted: Set<SiteID>, missedRequired: Set<SiteID>, next: RoundID?,
        cohort: [SiteID]?, uploaded: [SiteID], uploadTimes: [SiteID: Duration] = [:], now: Duration
    ) {
        self.init(study: study, expectedSites: expectedSites)
        self.accepted = accepted
        self.missedRequired = missedRequired
        guard let next else {
            areRoundsDone = true
            phase = .waiting(RoundID(kind: .evaluation, round: terms.rounds, attempt: 1), since: now)
            return
        }
        guard let cohort else {
            phase = .waiting(next, since: now)
            return
        }
        phase = .collecting(
            RoundStateMachine(
                resuming: next, cohort: cohort, uploaded: uploaded, uploadTimes: uploadTimes,
                minimumSites: terms.minimumSites, terms: terms.progress, now: now))
        absentees = accepted.subtracting(cohort).sorted().map {
            ParticipationRecord(site: $0, participation: .notConnected, uploadTime: nil)
        }
    }

    package var presentSites: [SiteID] { accepted.intersection(present).sorted() }

    package mutating func handle(_ event: Event, now: Duration) -> [Action] {
        if case .finished = phase { return [] }
        switch event {
        case .accepted(let site):
            accepted.insert(site)
            declined.remove(site)
            if let actions = rejoin(site, now: now) { return actions }
        case .declined(let site):
            accepted.remove(site)
            declined.insert(site)
        case .connected(let site):
            if let actions = rejoin(site, now: now) { return actions }
        case .disconnected(let site):
            present.remove(site)
            return forward(.disconnected(site), now: now)
        case .round(let roundEvent): return forward(roundEvent, now: now)
        case .summed:
            guard case .summing(let id, let survivors) = phase else { return [] }
            if id.kind == .training { missedRequired.formUnion(Set(terms.requiredSites).subtracting(survivors)) }
            return advance(after: id, now: now)
        case .summingFailed(let reason):
            guard case .summing(let id, _) = phase else { return [] }
            return retry(id, reason: reason, now: now)
        case .stop: return finish(.stopped)
        case .tick:
            let actions = forward(.tick, now: now)
            if !actions.isEmpty { return actions }
        }
        return proceed(now: now)
    }

    // MARK: Collecting

    /// Notes that a site is here, and asks it again if the round under way awaits it; nil when no round needs to know.
    private mutating func rejoin(_ site: SiteID, now: Duration) -> [Action]? {
        present.insert(site)
        guard case .collecting(var round) = phase, accepted.contains(site) else { return nil }
        let verdict = round.handle(.connected(site), now: now)
        phase = .collecting(round)
        return (round.awaits(site) ? [.ask(site)] : []) + act(on: verdict, now: now)
    }

    private mutating func forward(_ event: RoundStateMachine.Event, now: Duration) -> [Action] {
        guard case .collecting(var round) = phase else { return [] }
        let verdict = round.handle(event, now: now)
        phase = .collecting(round)
        return act(on: verdict, now: now)
    }

    private mutating func act(on verdict: RoundStateMachine.Verdict, now: Duration) -> [Action] {
        guard case .collecting(let round) = phase else { return [] }
        switch verdict {
        case .wait: return []
        case .close(let survivors):
            latestRecords = (round.records + absentees).sorted { $0.site < $1.site }
            phase = .summing(round.id, survivors: survivors)
            return [.sum(round.id, survivors: survivors)]
        case .abort(let reason):
            latestRecords = (round.records + absentees).sorted { $0.site < $1.site }
            return retry(round.id, reason: reason, now: now)
        }
    }

    private mutating func retry(_ id: RoundID, reason: AbortReason, now: Duration) -> [Action] {
        guard id.attempt < terms.progress.attempts else {
            return [.abandon(id, reason)] + finish(.degraded(.roundFailed(id, reason)))
        }
        phase = .waiting(RoundID(kind: id.kind, round: id.round, attempt: id.attempt + 1), since: now)
        return [.abandon(id, reason)] + proceed(now: now)
    }

    // MARK: Between rounds

    /// Starts what can be started.
    private mutating func proceed(now: Duration) -> [Action] {
        switch phase {
        case .gathering(let minimumSince):
            guard presentSites.count >= terms.minimumSites else {
                phase = .gathering(minimumSince: nil)
                return []
            }
            let since = minimumSince ?? now
            phase = .gathering(minimumSince: since)
            let undecided = expectedSites.isEmpty || !expectedSites.isSubset(of: accepted.union(declined))
            guard !undecided || now - since >= .seconds(terms.progress.joinSeconds) else { return [] }
            phase = .waiting(RoundID(kind: .statistics, round: 0, attempt: 1), since: now)
            return proceed(now: now)
        case .waiting where areRoundsDone: return conclude()
        case .waiting(let id, let since):
            let present = presentSites
            if present.count >= terms.minimumSites { return open(id, present: present, now: now) }
            guard now - since < .seconds(terms.progress.absenceSeconds) else {
                return finish(.degraded(.sitesAbsent(present: present.count, needed: terms.minimumSites)))
            }
            return []
        case .collecting, .summing, .finished: return []
        }
    }

    private mutating func open(_ id: RoundID, present: [SiteID], now: Duration) -> [Action] {
        let cohort = id.kind == .training ? sample(present, id: id) : present
        absentees = accepted.subtracting(cohort).sorted().map { site in
            ParticipationRecord(
                site: site, participation: present.contains(site) ? .notSampled : .notConnected, uploadTime: nil)
        }
        phase = .collecting(
            RoundStateMachine(
                id: id, cohort: cohort, minimumSites: terms.minimumSites, terms: terms.progress, now: now))
        return [.open(id, cohort: cohort)]
    }

    /// A uniformly chosen share of the present sites, at least the minimum and never more than the ring can sum.
    ///
    /// Required sites that are present are always among them. The choice is seeded by the study.
    private func sample(_ present: [SiteID], id: RoundID) -> [SiteID] {
        let required = Set(terms.requiredSites).intersection(present)
        // The product of a share like 0.07 may lie a rounding error above the whole number that is meant.
        let wanted = Int((terms.participation * Double(present.count) - 1e-9).rounded(.up))
        let size = min(present.count, terms.numbers.siteCapacity, max(terms.minimumSites, wanted, required.count))
        guard size < present.count else { return present }
        var generator = SeededGenerator(seed: seed, stream: "cohort/\(id.round)/\(id.attempt)")
        var others = present.filter { !required.contains($0) }
        others.shuffle(using: &generator)
        return (required.sorted() + others).prefix(size).sorted()
    }

    private mutating func advance(after id: RoundID, now: Duration) -> [Action] {
        guard let next = next(after: id) else { return conclude() }
        phase = .waiting(next, since: now)
        return proceed(now: now)
    }

    private mutating func conclude() -> [Action] {
        let missed = missedRequired.sorted()
        return finish(missed.isEmpty ? .completed : .degraded(.requiredSitesMissing(missed)))
    }

    /// The round after `id`; nil after the last evaluation.
    fileprivate func next(after id: RoundID) -> RoundID? {
        switch id.kind {
        case .statistics: return RoundID(kind: .training, round: 1, attempt: 1)
        case .training where id.round % evaluation.everyRounds == 0 || id.round == terms.rounds:
            return RoundID(kind: .evaluation, round: id.round, attempt: 1)
        case .training, .evaluation:
            return id.round < terms.rounds ? RoundID(kind: .training, round: id.round + 1, attempt: 1) : nil
        }
    }

    private mutating func finish(_ outcome: StudyOutcome) -> [Action] {
        phase = .finished(outcome)
        return [.finish(outcome)]
    }
}

extension StudyStateMachine {
    /// A study that ended before a restart; it reacts to nothing.
    package init(finished outcome: StudyOutcome, study: Study, accepted: Set<SiteID>) {
        self.init(study: study, expectedSites: [])
        self.accepted = accepted
        phase = .finished(outcome)
    }

    /// The round that follows `id` after a restart: the next one when it was closed, nil when that was the last one;
    /// another attempt otherwise.
    package static func successor(of id: RoundID, wasClosed: Bool, study: Study) -> RoundID? {
        guard wasClosed else { return RoundID(kind: id.kind, round: id.round, attempt: id.attempt + 1) }
        return StudyStateMachine(study: study, expectedSites: []).next(after: id)
    }
}
