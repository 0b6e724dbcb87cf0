// SPDX-License-Identifier: Apache-2.0
// Differencing of statistics: B1 (a) to (d) of the privacy design review.

import Federation
import SecureAggregation
import Testing

@Suite struct StatisticsAttackTests {
    private func set(_ text: String) -> Set<SiteID> { Set(text.map { String($0) }.compactMap { SiteID($0) }) }

    private func released(_ claim: ContextClaim, _ survivors: String) -> [ReleaseHistory.Entry] {
        [
            .claimed(claim), .exposed(claim.context), .released(claim.context, survivors: set(survivors)),
            .closed(claim.context, .included),
        ]
    }

    /// (a) The mean over {a,b,c,d}, then mean and variance over {a,b,c}: another question, and d's part as difference.
    @Test func b1a_anotherExactQueryTakesTheSameSet() throws {
        let next = RepeatAttackTests.claim(2, query: 2, exact: 7)
        var history = ReleaseHistory(replaying: released(RepeatAttackTests.claim(1, query: 1, exact: 7), "abcd"))
        history.apply(.claimed(next))
        #expect(throws: ReleaseRefusal.notTheFrozenSet) {
            try history.check(set("abc"), in: next.context, minimumCohort: 3)
        }
        try history.check(set("abcd"), in: next.context, minimumCohort: 3)
    }

    /// (b) The same sites a week later with one patient more; (c) two filters that differ by a year of age. Sums without
    /// noise are refused unless the site's policy accepts them on frozen data, and then for one study only.
    @Test func b1bc_exactSumsAreRefusedByDefaultAndBelongToOneStudy() throws {
        let parameters = try SumParameters.complete(5)
        let terms = RoundTerms(
            minimumSurvivors: 4, minimumHonest: 3, colluders: parameters.colluders, releaseClass: .statistics)
        #expect(
            SiteFloors().refusals(of: terms, parameters: parameters, takesExactSums: true) == [.exactSums])
        let history = ReleaseHistory(replaying: released(RepeatAttackTests.claim(1, query: 1, exact: 7), "abcd"))
        #expect(throws: ReleaseRefusal.sourceInUse) {
            try history.check(RepeatAttackTests.claim(1, query: 2, exact: 7, study: 2))
        }
    }

    /// (d) A chain of sets, each far from the last, that still spans single hospitals.
    @Test func b1d_noSetOfAChainIsCloseToAnyEarlierOne() throws {
        var history = ReleaseHistory(replaying: released(RepeatAttackTests.claim(1, query: 1), "abcdefg"))
        for entry in released(RepeatAttackTests.claim(2, query: 1), "abcd") { history.apply(entry) }
        let third = RepeatAttackTests.claim(3, query: 1)
        history.apply(.claimed(third))
        for close in ["abc", "abcde", "abcdef", "bcdefg"] {
            #expect(throws: ReleaseRefusal.tooCloseToEarlierSet) {
                try history.check(set(close), in: third.context, minimumCohort: 3)
            }
        }
        // Of exact sums, no other set at all.
        var exact = ReleaseHistory(replaying: released(RepeatAttackTests.claim(1, exact: 7), "abcdefg"))
        let next = RepeatAttackTests.claim(2, exact: 7)
        exact.apply(.claimed(next))
        #expect(throws: ReleaseRefusal.notTheFrozenSet) {
            try exact.check(set("abcd"), in: next.context, minimumCohort: 3)
        }
    }
}
