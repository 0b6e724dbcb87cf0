// SPDX-License-Identifier: Apache-2.0
// One round at the server: who was asked, who has delivered, when to stop waiting. Pure: time comes in as a number.

/// The collecting phase of one round.
///
/// Invariants: a site is settled at most once; the round ends exactly once, as `closed` with at least the minimum of
/// uploads or as `aborted`; an event for a settled or unknown site changes nothing.
///
/// Liveness is by progress: a site that moves is waited for, up to the straggler terms once the minimum has
/// delivered; a site that shows no progress for ``ProgressTerms/stallSeconds`` is given up. A site that comes back may do
/// its work again, ``ProgressTerms/attempts`` times without getting further than it ever was: a program that fails at
/// the same place each time does not hold the round open.
package struct RoundStateMachine: Sendable {
    package enum Event: Hashable, Sendable {
        /// The site reports work; only an advance of (stage, count) counts as progress.
        case progress(SiteID, RoundStage, count: Int)
        /// The site's vector is complete, checked and durable.
        case uploaded(SiteID)
        case withheld(SiteID, WithholdReason)
        case refused(SiteID, RefusalReason)
        case disconnected(SiteID)
        case connected(SiteID)
        case tick
    }

    package enum Verdict: Hashable, Sendable {
        case wait
        case close(survivors: [SiteID])
        case abort(AbortReason)
    }

    /// How far a site says it is.
    private struct Position: Sendable, Comparable {
        var stage = RoundStage.asked
        var count = 0

        static func < (left: Position, right: Position) -> Bool {
            (left.stage, left.count) < (right.stage, right.count)
        }
    }

    private struct Member: Sendable {
        /// Since the site was last asked.
        var position = Position()
        /// The furthest position of the whole round.
        var furthest = Position()
        /// How often the site may still come back before it must get further.
        var returnsLeft: Int
        var lastProgress: Duration
        var isConnected = true
        var uploadTime: Duration?
        var settled: Participation?
    }

    package let id: RoundID
    private let minimumSites: Int
    private let terms: ProgressTerms
    private let opened: Duration
    private var members: [SiteID: Member]
    private var latestUpload: Duration?
    /// After a restart, until when no straggler is dropped: the sites must find their way back first.
    private var graceEnd: Duration?
    private var isOver = false

    /// Opens a round for `cohort` at time `now`.
    package init(id: RoundID, cohort: [SiteID], minimumSites: Int, terms: ProgressTerms, now: Duration) {
        self.id = id
        self.minimumSites = minimumSites
        self.terms = terms
        opened = now
        let member = Member(returnsLeft: terms.attempts, lastProgress: now)
        members = Dictionary(cohort.map { ($0, member) }, uniquingKeysWith: { first, _ in first })
    }

    /// Goes on with a round after a restart: nobody is connected, `uploaded` have delivered. The verdict comes with the
    /// next event, also when there is nobody left to wait for.
    ///
    /// - Parameter uploadTimes: from the opening to the upload, of those whose time is known. The time that passed
    ///   while nobody ran the round does not count.
    package init(
        resuming id: RoundID, cohort: [SiteID], uploaded: [SiteID], uploadTimes: [SiteID: Duration], minimumSites: Int,
        terms: ProgressTerms, now: Duration
    ) {
        self.init(
            id: id, cohort: cohort, minimumSites: minimumSites, terms: terms,
            now: now - (uploadTimes.values.max() ?? .zero))
        for site in members.keys {
            members[site]?.isConnected = false
            members[site]?.lastProgress = now
        }
        for site in uploaded where members[site] != nil {
            members[site]?.settled = .included
            members[site]?.uploadTime = uploadTimes[site]
            latestUpload = now
        }
        graceEnd = now + .seconds(terms.stallSeconds)
    }

    /// Whether the site is in the cohort and nothing has settled it yet.
    package func awaits(_ site: SiteID) -> Bool { members[site].map { $0.settled == nil } ?? false }

    package var cohort: [SiteID] { members.keys.sorted() }

    /// How every site that is not settled is getting on, by name.
    package func awaited(now: Duration) -> [AwaitedSite] {
        let times = members.values.compactMap(\.uploadTime).sorted()
        let isLate = times.isEmpty ? false : now - opened > times[times.count / 2] * 2
        let limit = Duration.seconds(terms.stallSeconds)
        return members.filter { $0.value.settled == nil }.sorted { $0.key < $1.key }.map { site, member in
            let idle = now - member.lastProgress
            let pace: AwaitedSite.Pace =
                if !member.isConnected { .away } else if idle > limit / 2 { .silent } else { isLate ? .slow : .working }
            return AwaitedSite(
                site: site, stage: member.position.stage, count: member.position.count, pace: pace, idle: idle,
                remaining: max(.zero, limit - idle))
        }
    }

    /// The record so far; sites still at work are listed as interrupted, which they are if the round was aborted.
    package var records: [ParticipationRecord] {
        members.sorted { $0.key < $1.key }.map { site, member in
            ParticipationRecord(
                site: site,
                participation: member.settled
                    ?? (member.isConnected
                        ? .interrupted(member.position.stage) : .connectionLost(member.position.stage)),
                uploadTime: member.uploadTime)
        }
    }

    package mutating func handle(_ event: Event, now: Duration) -> Verdict {
        guard !isOver else { return .wait }
        switch event {
        case .progress(let site, let stage, let count):
            let attempts = terms.attempts
            update(site) { member in
                let position = Position(stage: stage, count: count)
                guard position > member.position else { return }
                member.position = position
                member.lastProgress = now
                guard position > member.furthest else { return }
                member.furthest = position
                member.returnsLeft = attempts
            }
        case .uploaded(let site):
            if awaits(site) { latestUpload = now }
            let uploadTime = now - opened
            update(site) { member in
                member.settled = .included
                member.uploadTime = uploadTime
            }
        case .withheld(let site, let reason): update(site) { $0.settled = .withheld(reason) }
        case .refused(let site, let reason): update(site) { $0.settled = .refused(reason) }
        case .disconnected(let site): update(site) { $0.isConnected = false }
        case .connected(let site):
            update(site) { member in
                member.isConnected = true
                guard member.returnsLeft > 0 else { return }
                // Coming back restarts the stall clock, not the straggler clock, and the site may have lost its work.
                member.returnsLeft -= 1
                member.position = Position()
                member.lastProgress = now
            }
        case .tick: break
        }
        return verdict(now: now)
    }

    private mutating func update(_ site: SiteID, _ change: (inout Member) -> Void) {
        guard var member = members[site], member.settled == nil else { return }
        change(&member)
        members[site] = member
    }

    private mutating func verdict(now: Duration) -> Verdict {
        settleSilent(now: now)
        let uploaded = members.filter { $0.value.settled == .included }.keys.sorted()
        let open = members.values.count { $0.settled == nil }
        if open > 0, uploaded.count >= minimumSites, isPastStragglers(now: now) {
            for (site, member) in members where member.settled == nil {
                let stage = member.position.stage
                members[site]?.settled = member.isConnected ? .tooSlow(stage) : .connectionLost(stage)
            }
            return finish(.close(survivors: uploaded))
        }
        if uploaded.count + open < minimumSites {
            return finish(.abort(.tooFewSites(delivered: uploaded.count, needed: minimumSites)))
        }
        return open == 0 ? finish(.close(survivors: uploaded)) : .wait
    }

    private mutating func settleSilent(now: Duration) {
        let limit = Duration.seconds(terms.stallSeconds)
        for (site, member) in members where member.settled == nil && now - member.lastProgress >= limit {
            let stage = member.position.stage
            members[site]?.settled = member.isConnected ? .stalled(stage) : .connectionLost(stage)
        }
    }

    /// Whether stragglers have had their time: the median time of the uploads so far (the upper one of two), stretched,
    /// but never less than the least time after the latest upload.
    private func isPastStragglers(now: Duration) -> Bool {
        guard let latestUpload, now >= latestUpload + .seconds(terms.stragglerSeconds) else { return false }
        if let graceEnd, now < graceEnd { return false }
        let times = members.values.compactMap(\.uploadTime).sorted()
        guard !times.isEmpty else { return true }
        return now >= opened + times[times.count / 2] * terms.stragglerFactor
    }

    private mutating func finish(_ verdict: Verdict) -> Verdict {
        isOver = true
        return verdict
    }
}

/// Why a round ended without a sum.
package enum AbortReason: Hashable, Sendable {
    case tooFewSites(delivered: Int, needed: Int)
    /// The sum was formed but its numbers are impossible.
    case implausibleSum
    /// The new model has parameters that are not finite.
    case nonFiniteModel
    case ringTooNarrow

    package var word: String {
        switch self {
        case .tooFewSites: "tooFewSites"
        case .implausibleSum: "implausibleSum"
        case .nonFiniteModel: "nonFiniteModel"
        case .ringTooNarrow: "ringTooNarrow"
        }
    }

    package var explanation: String {
        switch self {
        case .tooFewSites(let delivered, let needed): "\(delivered) of at least \(needed) sites delivered"
        case .implausibleSum: "the sum holds impossible numbers: one site is broken or lies"
        case .nonFiniteModel: "the new model has parameters that are not finite"
        case .ringTooNarrow: "more sites than the study's numbers can sum"
        }
    }
}
