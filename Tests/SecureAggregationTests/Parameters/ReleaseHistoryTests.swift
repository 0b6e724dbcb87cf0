// SPDX-License-Identifier: Apache-2.0
// Checks which contexts a site opens and which sets it releases, given what it took part in before.

import Federation
import SecureAggregation
import Testing

@Suite struct ReleaseHistoryTests {
    private let study = Digest(of: [1], domain: "study")
    private let sites = ["a", "b", "c", "d", "e"].compactMap { SiteID($0) }

    private func claim(
        _ round: UInt64, _ attempt: Int = 1, model: UInt8? = nil, study: UInt8 = 1, query: UInt8? = nil,
        exact: UInt8? = nil, context: UInt8? = nil, epoch: UInt64 = 1
    ) -> ContextClaim {
        let isTraining = query == nil && exact == nil
        return ContextClaim(
            study: Digest(of: [study], domain: "study"), epoch: epoch, round: round, attempt: attempt,
            context: Digest(of: [context ?? UInt8(round), UInt8(attempt), study], domain: "context"),
            releaseClass: isTraining ? .training : .statistics,
            model: Digest(of: [model ?? UInt8(round)], domain: "model"),
            query: query.map { Digest(of: [$0], domain: "query") },
            exactSource: exact.map { Digest(of: [$0], domain: "source") })
    }

    private func set(_ text: String) -> Set<SiteID> { Set(text.map { String($0) }.compactMap { SiteID($0) }) }

    /// A context that ran to its end.
    private func released(_ claim: ContextClaim, _ survivors: String) -> [ReleaseHistory.Entry] {
        [
            .claimed(claim), .exposed(claim.context), .released(claim.context, survivors: set(survivors)),
            .closed(claim.context, .included),
        ]
    }

    // MARK: Order

    @Test func anAttemptHasOneContext() throws {
        var history = ReleaseHistory()
        #expect(try history.check(claim(1)) == [])
        history.apply(.claimed(claim(1)))
        #expect(try history.check(claim(1)) == [])
        #expect(throws: ReleaseRefusal.contextNotUnique) { try history.check(claim(1, context: 9)) }
        // The same context for another attempt.
        var other = claim(2)
        other.context = claim(1).context
        #expect(throws: ReleaseRefusal.contextNotUnique) { try history.check(other) }
        history.apply(.closed(claim(1).context, .notReleased))
        #expect(throws: ReleaseRefusal.notOpen) { try history.check(claim(1)) }
    }

    @Test func roundsAndAttemptsIncrease() throws {
        let history = ReleaseHistory(replaying: released(claim(3, 2), "abc"))
        #expect(throws: ReleaseRefusal.roundNotNewer) { try history.check(claim(2)) }
        #expect(throws: ReleaseRefusal.attemptNotNewer) { try history.check(claim(3, 1)) }
        #expect(try history.check(claim(4)) == [])
        // Another study counts for itself.
        #expect(try history.check(claim(1, study: 2)) == [])
    }

    @Test func anUnexposedContextIsClosedForTheNext() throws {
        var history = ReleaseHistory(replaying: [.claimed(claim(1))])
        #expect(try history.check(claim(2)) == [claim(1).context])
        #expect(history.openContexts == [claim(1).context])
        history.apply(.exposed(claim(1).context))
        #expect(throws: ReleaseRefusal.earlierContextExposed) { try history.check(claim(1, 2)) }
        #expect(throws: ReleaseRefusal.earlierContextExposed) { try history.check(claim(2)) }
        history.apply(.closed(claim(1).context, .notReleased))
        #expect(try history.check(claim(1, 2)) == [])
        #expect(!history.isOpen(claim(1).context))
    }

    // MARK: Models

    @Test func aModelIsSummedOnce() throws {
        for ending in [ReleaseHistory.Ending.included, .excluded, .notReleased] {
            var history = ReleaseHistory(replaying: [
                .claimed(claim(1)), .exposed(claim(1).context), .closed(claim(1).context, ending),
            ])
            history.apply(.claimed(claim(2, model: 2)))
            history.apply(.closed(claim(2).context, .notReleased))
            if ending == .notReleased {
                #expect(try history.check(claim(3, model: 1)) == [])
            } else {
                #expect(throws: ReleaseRefusal.modelAlreadySummed) { try history.check(claim(3, model: 1)) }
                #expect(throws: ReleaseRefusal.modelAlreadySummed) { try history.check(claim(1, model: 1, study: 2)) }
            }
            // Statistics with the same model are no training sum.
            #expect(try history.check(claim(3, model: 1, query: 1)) == [])
        }
    }

    @Test func aVoidCertificateThatComesLateCounts() throws {
        var history = ReleaseHistory(replaying: [.claimed(claim(1)), .exposed(claim(1).context)])
        history.apply(.closed(claim(1).context, .excluded))
        #expect(throws: ReleaseRefusal.modelAlreadySummed) { try history.check(claim(1, 2)) }
        history.apply(.closed(claim(1).context, .notReleased))
        #expect(try history.check(claim(1, 2)) == [])
    }

    @Test func aFailedRoundIsRepeatedWithoutTheBlamed() throws {
        var history = ReleaseHistory(replaying: released(claim(1), "abcde"))
        let again = claim(2, model: 1)
        #expect(throws: ReleaseRefusal.modelAlreadySummed) { try history.check(again) }
        history.apply(.failed(claim(1).context, survivors: set("abcde"), blamed: set("d")))
        #expect(try history.check(again) == [])
        #expect(history.demandedSurvivors(for: again) == set("abce"))
        // It is the study's failure, not a licence for others.
        #expect(throws: ReleaseRefusal.modelAlreadySummed) { try history.check(claim(1, model: 1, study: 2)) }
        history.apply(.claimed(again))
        try history.check(set("abce"), in: again.context, minimumCohort: 3)
        #expect(throws: ReleaseRefusal.notTheFrozenSet) {
            try history.check(set("abcde"), in: again.context, minimumCohort: 3)
        }
        for entry in released(again, "abce") { history.apply(entry) }
        #expect(throws: ReleaseRefusal.modelAlreadySummed) { try history.check(claim(3, model: 1)) }
        // The failed round is no released one.
        #expect(history.releasedSets(of: study) == [set("abce")])
    }

    @Test func aTrainingRoundTakesThePublishedModel() throws {
        var history = ReleaseHistory(replaying: released(claim(1), "abc"))
        history.apply(.modelPublished(study: study, model: claim(2).model))
        #expect(try history.check(claim(2)) == [])
        #expect(throws: ReleaseRefusal.notThePublishedModel) { try history.check(claim(2, model: 3)) }
        // An older model may be evaluated.
        #expect(try history.check(claim(2, model: 3, query: 1)) == [])
        #expect(try history.check(claim(2, model: 3, study: 2)) == [])
    }

    // MARK: Restores

    @Test func afterARestoreNothingIsOpenUntilTheNextEpoch() throws {
        var history = ReleaseHistory(replaying: [.claimed(claim(1))])
        history.apply(.restored(study: study, epoch: 4))
        #expect(history.openContexts.isEmpty)
        #expect(throws: ReleaseRefusal.notOpen) { try history.check(claim(1)) }
        #expect(throws: ReleaseRefusal.restoredInThisEpoch) { try history.check(claim(2, epoch: 4)) }
        #expect(try history.check(claim(2, epoch: 5)) == [])
        #expect(try history.check(claim(2, study: 2, epoch: 4)) == [])
        // It may have been exposed, even released, after the backup was taken.
        #expect(throws: ReleaseRefusal.modelAlreadySummed) { try history.check(claim(2, model: 1, epoch: 5)) }
    }

    // MARK: Sets

    @Test func aContextReleasesOneSet() throws {
        var history = ReleaseHistory(replaying: [.claimed(claim(1)), .exposed(claim(1).context)])
        try history.check(set("abcd"), in: claim(1).context, minimumCohort: 3)
        history.apply(.released(claim(1).context, survivors: set("abcd")))
        try history.check(set("abcd"), in: claim(1).context, minimumCohort: 3)
        #expect(throws: ReleaseRefusal.notTheFrozenSet) {
            try history.check(set("abc"), in: claim(1).context, minimumCohort: 3)
        }
        history.apply(.released(claim(1).context, survivors: set("abc")))
        #expect(history.releasedSets(of: study) == [set("abcd")])
        history.apply(.closed(claim(1).context, .included))
        #expect(throws: ReleaseRefusal.notOpen) {
            try history.check(set("abcd"), in: claim(1).context, minimumCohort: 3)
        }
        #expect(throws: ReleaseRefusal.notOpen) {
            try history.check(set("abcd"), in: claim(9).context, minimumCohort: 3)
        }
    }

    @Test func sumsOfOneQueryDifferByNobodyOrByMany() throws {
        var history = ReleaseHistory(replaying: released(claim(1, query: 1), "abcde"))
        let next = claim(2, query: 1)
        history.apply(.claimed(next))
        try history.check(set("abcde"), in: next.context, minimumCohort: 3)
        try history.check(set("ab"), in: next.context, minimumCohort: 3)
        for close in ["abcd", "abc"] {
            #expect(throws: ReleaseRefusal.tooCloseToEarlierSet) {
                try history.check(set(close), in: next.context, minimumCohort: 3)
            }
        }
        history.apply(.closed(next.context, .notReleased))
        let other = claim(3, query: 2)
        history.apply(.claimed(other))
        try history.check(set("abcd"), in: other.context, minimumCohort: 3)
    }

    /// Privacy design review, B1 (a) to (c): other queries, other studies, other sets over the same rows.
    @Test func exactSumsOfASourceHaveOneSetAndOneStudy() throws {
        var history = ReleaseHistory(replaying: released(claim(1, exact: 7), "abcd"))
        let next = claim(2, exact: 7)
        #expect(try history.check(next) == [])
        #expect(history.demandedSurvivors(for: next) == set("abcd"))
        history.apply(.claimed(next))
        #expect(throws: ReleaseRefusal.notTheFrozenSet) {
            try history.check(set("abc"), in: next.context, minimumCohort: 3)
        }
        try history.check(set("abcd"), in: next.context, minimumCohort: 3)
        #expect(throws: ReleaseRefusal.sourceInUse) { try history.check(claim(1, study: 2, exact: 7)) }
        #expect(try history.check(claim(1, study: 2, exact: 8)) == [])
        #expect(try history.check(claim(1, study: 2, query: 1)) == [])
        history.apply(.sourceReset(Digest(of: [7], domain: "source")))
        #expect(try history.check(claim(1, study: 2, exact: 7)) == [])
        #expect(history.demandedSurvivors(for: claim(3, exact: 7)) == nil)
    }

    @Test func aSourceIsFreeAgainIfNothingWasReleased() throws {
        var history = ReleaseHistory(replaying: [.claimed(claim(1, exact: 7))])
        #expect(throws: ReleaseRefusal.sourceInUse) { try history.check(claim(1, study: 2, exact: 7)) }
        history.apply(.closed(claim(1).context, .notReleased))
        #expect(try history.check(claim(1, study: 2, exact: 7)) == [])
    }

    @Test func releasedSetsComeInTheOrderOfTheRounds() {
        var entries = released(claim(1), "abcde") + released(claim(2, query: 1), "abc") + released(claim(3), "abcd")
        // Shares were released, but a void certificate shows that fewer than a threshold were.
        entries += [
            .claimed(claim(4)), .exposed(claim(4).context), .released(claim(4).context, survivors: set("abc")),
            .closed(claim(4).context, .notReleased),
        ]
        #expect(ReleaseHistory(replaying: entries).releasedSets(of: study) == [set("abcde"), set("abcd")])
    }

    @Test func termsFollowFromWhatWasReleased() throws {
        let numbers = SecureTask.Numbers(
            sites: 5, quorum: 4, threshold: 4, neighbours: 4, windowMinimum: 0, minSurvivors: 4, minimumHonest: 3,
            colluders: 1, maxLoneDifferences: 0)
        let task = try SecureTask(
            study: study, releaseClass: .training, attempt: 1, plan: study,
            sections: [SecureTask.Section(entries: 8, ringBits: 32, valueBits: 16), .checkLanes], numbers: numbers,
            required: PositionSet(rosterCount: 5), isStrict: true, privacyPolicy: study)
        let parameters = try SumParameters(checking: numbers)
        let fourOfThem = PositionSet(rosterCount: 5, [1, 2, 3, 5])

        var history = ReleaseHistory(replaying: released(claim(1), "abcde"))
        let next = try history.terms(of: task, for: claim(2), roster: sites)
        #expect(next.violation(of: .full(5), parameters: parameters) == nil)
        #expect(next.violation(of: fourOfThem, parameters: parameters) == .tooManyLoneDifferences(limit: 0))
        // The log knows of a round that this site missed.
        let informed = try history.terms(
            of: task, for: claim(2), roster: sites, released: [set("abcde"), set("abce")])
        #expect(informed.violation(of: .full(5), parameters: parameters) == .tooManyLoneDifferences(limit: 0))

        history.apply(.failed(claim(1).context, survivors: set("abcde"), blamed: set("d")))
        let again = try history.terms(of: task, for: claim(2, model: 1), roster: sites)
        #expect(again.violation(of: fourOfThem, parameters: parameters) == nil)
        #expect(again.violation(of: .full(5), parameters: parameters) == .notTheFrozenSet)
        let others = ["b", "c", "d", "e", "f"].compactMap { SiteID($0) }
        #expect(throws: ReleaseRefusal.notTheFrozenSet) {
            try history.terms(of: task, for: claim(2, model: 1), roster: others)
        }
    }

    @Test func unknownContextsChangeNothing() {
        var history = ReleaseHistory()
        history.apply(.exposed(claim(1).context))
        history.apply(.closed(claim(1).context, .included))
        #expect(history == ReleaseHistory())
    }
}
