// SPDX-License-Identifier: Apache-2.0
// What a site has taken part in: which context it may open, and which set it may still release.

package import Federation

/// What a site keeps for good about the contexts it took part in. A pure value: the site writes an ``Entry`` to disk
/// before it acts on it, and replays the entries when it starts.
///
/// Sets are of site ids, not of positions: rosters change between epochs.
/// Source: privacy design review, A12 and B1; privacy design note §1.2, item 7.
package struct ReleaseHistory: Hashable, Sendable {
    /// One durable line.
    package enum Entry: Hashable, Sendable {
        case claimed(ContextClaim)
        /// The first chunk may leave.
        case exposed(Digest)
        /// This site releases its shares for a certified set.
        case released(Digest, survivors: Set<SiteID>)
        /// The context is over. Said again, the last word counts: on the complete graph a void certificate may come after
        /// everything else, and proves that nothing was released.
        case closed(Digest, Ending)
        /// The log says that the context's round ended without a usable sum.
        case failed(Digest, survivors: Set<SiteID>, blamed: Set<SiteID>)
        /// The study's latest result names the model of its next round.
        case modelPublished(study: Digest, model: Digest)
        /// An officer's decision: the data of the source are others now.
        case sourceReset(Digest)
        /// The site came back from a backup while the study's roster had this epoch. Every context of before is over, and
        /// nobody here knows what became of it.
        case restored(study: Digest, epoch: UInt64)
    }

    /// What the end of a context proves.
    package enum Ending: Hashable, Sendable {
        /// There is no sum of it, as far as this site's part goes: nothing was uploaded, or a void certificate.
        case notReleased
        /// There is a certificate of a set without this site.
        case excluded
        /// A sum of it holds this site, or may.
        case included
    }

    private enum Stage: Hashable {
        case open
        case exposed
        case released
        case closed(Ending)
    }

    private struct Attempt: Hashable {
        let claim: ContextClaim
        var stage: Stage
        var survivors: Set<SiteID>?
        /// Set where the log says that it failed: the set that may be summed in its place.
        var repetition: Set<SiteID>?
        /// An officer has reset its data source since.
        var isOfOldData = false

        var isClosed: Bool {
            if case .closed = stage { true } else { false }
        }

        /// Whether there is a sum of it, or may be.
        var mayBeSummed: Bool {
            switch stage {
            case .open, .closed(.notReleased): false
            case .exposed, .released, .closed(.excluded), .closed(.included): true
            }
        }

        /// The set that was summed, as far as this site knows.
        var summed: Set<SiteID>? { mayBeSummed ? survivors : nil }
    }

    /// In the order of their claims.
    private var attempts: [Attempt] = []
    /// By study.
    private var publishedModels: [Digest: Digest] = [:]
    /// The epoch of the latest restore, by study.
    private var restoredEpochs: [Digest: UInt64] = [:]

    package init() {}

    /// The history as it was when the last of `entries` was written.
    package init(replaying entries: some Sequence<Entry>) {
        self.init()
        for entry in entries { apply(entry) }
    }
}

// MARK: Claims

extension ReleaseHistory {
    /// Whether a site may open a context, before anything is dealt in it.
    ///
    /// The same claim again is allowed as long as its context is open: a message may be repeated.
    ///
    /// - Returns: contexts of the same study that are open and unexposed, to be closed first.
    package func check(_ claim: ContextClaim) throws(ReleaseRefusal) -> [Digest] {
        if let known = attempts.first(where: { $0.claim.context == claim.context }) {
            guard known.claim == claim else { throw .contextNotUnique }
            guard !known.isClosed else { throw .notOpen }
            return []
        }
        if let restored = restoredEpochs[claim.study], claim.epoch <= restored { throw .restoredInThisEpoch }
        let ofStudy = attempts.filter { $0.claim.study == claim.study }
        try Self.checkOrder(claim, after: ofStudy.last?.claim)
        guard !ofStudy.contains(where: { $0.stage == .exposed || $0.stage == .released }) else {
            throw .earlierContextExposed
        }
        try checkModel(claim)
        try checkSource(claim)
        return ofStudy.filter { $0.stage == .open }.map(\.claim.context)
    }

    private static func checkOrder(_ claim: ContextClaim, after last: ContextClaim?) throws(ReleaseRefusal) {
        guard let last else { return }
        guard claim.round >= last.round else { throw .roundNotNewer }
        guard claim.round == last.round else { return }
        guard claim.attempt != last.attempt else { throw .contextNotUnique }
        guard claim.attempt > last.attempt else { throw .attemptNotNewer }
    }

    /// One training sum for each model: two over different sets would be a pair to subtract. Otherwise only for a round
    /// that the log calls failed, or one spoiled round would block its study.
    private func checkModel(_ claim: ContextClaim) throws(ReleaseRefusal) {
        guard claim.releaseClass == .training else { return }
        if let published = publishedModels[claim.study], published != claim.model { throw .notThePublishedModel }
        let sums = attempts.filter {
            $0.claim.releaseClass == .training && $0.claim.model == claim.model && $0.mayBeSummed
        }
        guard sums.allSatisfy({ $0.repetition != nil && $0.claim.study == claim.study }) else {
            throw .modelAlreadySummed
        }
    }

    /// Exact sums of one data source belong to one study, until an officer says that the data are others.
    private func checkSource(_ claim: ContextClaim) throws(ReleaseRefusal) {
        guard let source = claim.exactSource else { return }
        let isTaken = attempts.contains {
            $0.claim.exactSource == source && $0.claim.study != claim.study && !$0.isOfOldData
                && $0.stage != .closed(.notReleased) && $0.stage != .closed(.excluded)
        }
        guard !isTaken else { throw .sourceInUse }
    }
}

// MARK: Releases

extension ReleaseHistory {
    /// The only set that a claim's context may release; nil where the round's floors decide.
    ///
    /// Exact sums take the set of the first exact release of their source; the repetition of a failed round takes the
    /// failed set without the blamed sites.
    package func demandedSurvivors(for claim: ContextClaim) -> Set<SiteID>? {
        if let source = claim.exactSource {
            let first = attempts.first {
                $0.claim.exactSource == source && !$0.isOfOldData && $0.summed != nil
                    && $0.claim.context != claim.context
            }
            if let summed = first?.summed { return summed }
        }
        guard claim.releaseClass == .training else { return nil }
        return attempts.last {
            $0.claim.releaseClass == .training && $0.claim.model == claim.model && $0.repetition != nil
                && $0.claim.context != claim.context
        }?.repetition
    }

    /// Whether a site may sign, or release its shares for, a set in a claimed context.
    ///
    /// - Parameter minimumCohort: two sums of one query over sets that differ by fewer sites are refused.
    package func check(
        _ survivors: Set<SiteID>, in context: Digest, minimumCohort: Int
    ) throws(ReleaseRefusal) {
        guard let attempt = attempts.first(where: { $0.claim.context == context }), !attempt.isClosed else {
            throw .notOpen
        }
        if attempt.stage == .released, attempt.survivors != survivors { throw .notTheFrozenSet }
        if let demanded = demandedSurvivors(for: attempt.claim), demanded != survivors { throw .notTheFrozenSet }
        guard let query = attempt.claim.query else { return }
        for earlier in attempts where earlier.claim.query == query && earlier.claim.context != context {
            guard let released = earlier.summed else { continue }
            let difference = released.symmetricDifference(survivors).count
            guard difference == 0 || difference >= minimumCohort else { throw .tooCloseToEarlierSet }
        }
    }

    /// The sets of a study's released training sums, in the order of the rounds; for ``LoneDifferences``.
    package func releasedSets(of study: Digest) -> [Set<SiteID>] {
        attempts.filter { $0.claim.study == study && $0.claim.releaseClass == .training && $0.repetition == nil }
            .compactMap(\.summed)
    }

    /// Whether a context is claimed and not closed.
    package func isOpen(_ context: Digest) -> Bool {
        attempts.contains { $0.claim.context == context && !$0.isClosed }
    }

    /// Contexts that are claimed and not closed, oldest first.
    package var openContexts: [Digest] { attempts.filter { !$0.isClosed }.map(\.claim.context) }
}

// MARK: Entries

extension ReleaseHistory {
    /// Takes a line that was checked when it was written. Lines about contexts that were never claimed change nothing.
    package mutating func apply(_ entry: Entry) {
        switch entry {
        case .claimed(let claim):
            guard !attempts.contains(where: { $0.claim.context == claim.context }) else { return }
            attempts.append(Attempt(claim: claim, stage: .open))
        case .exposed(let context):
            change(context) { if $0.stage == .open { $0.stage = .exposed } }
        case .released(let context, let survivors):
            change(context) {
                guard $0.stage == .open || $0.stage == .exposed else { return }
                $0.stage = .released
                $0.survivors = survivors
            }
        case .closed(let context, let ending):
            change(context) { $0.stage = .closed(ending) }
        case .failed(let context, let survivors, let blamed):
            change(context) { $0.repetition = survivors.subtracting(blamed) }
        case .modelPublished(let study, let model): publishedModels[study] = model
        case .restored(let study, let epoch):
            restoredEpochs[study] = max(epoch, restoredEpochs[study] ?? 0)
            for index in attempts.indices where attempts[index].claim.study == study && !attempts[index].isClosed {
                attempts[index].stage = .closed(.included)
            }
        case .sourceReset(let source):
            for index in attempts.indices where attempts[index].claim.exactSource == source {
                attempts[index].isOfOldData = true
            }
        }
    }

    private mutating func change(_ context: Digest, _ body: (inout Attempt) -> Void) {
        guard let index = attempts.firstIndex(where: { $0.claim.context == context }) else { return }
        body(&attempts[index])
    }
}
