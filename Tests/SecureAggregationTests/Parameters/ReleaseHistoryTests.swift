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
        exact: UInt8? = nil, context: UInt8? = nil
    ) -> ContextClaim {
        let isTraining = query == nil && exact == nil
        return ContextClaim(
            study: Digest(of: [study], domain: "study"), round: round, attempt: attempt,
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

    @Test func unknownContextsChangeNothing() {
        var history = ReleaseHistory()
        history.apply(.exposed(claim(1).context))
        history.apply(.closed(claim(1).context, .included))
        #expect(history == ReleaseHistory())
    }
}
