// SPDX-License-Identifier: Apache-2.0
// Checks the floors of a round, the floors of a site against them, and how often sums may nearly agree.

import Federation
import SecureAggregation
import Testing

@Suite struct RoundTermsTests {
    private func set(_ count: Int, without missing: Position...) -> PositionSet {
        PositionSet(rosterCount: count, (1...count).filter { !missing.contains($0) })
    }

    @Test func fourSitesAreAllNeededUnlessTwoHonestPartsSuffice() throws {
        let parameters = try SumParameters.complete(4)
        let standard = RoundTerms.standard(parameters)
        #expect(standard.minimumHonest == 3)
        #expect(standard.violation(of: set(4), parameters: parameters) == nil)
        #expect(
            standard.violation(of: set(4, without: 2), parameters: parameters) == .tooFewSurvivors(3, needed: 4))
        var relaxed = standard
        relaxed.minimumHonest = 2
        #expect(relaxed.violation(of: set(4, without: 2), parameters: parameters) == nil)
        #expect(
            relaxed.violation(of: set(4, without: 2, 3), parameters: parameters) == .tooFewSurvivors(2, needed: 3))
    }

    @Test func eachFloorCountsAlone() throws {
        let parameters = try SumParameters.complete(10)
        var terms = RoundTerms(minimumSurvivors: 0, minimumHonest: 2, colluders: 0)
        #expect(terms.fewestSurvivors(parameters) == 7)
        terms.minimumSurvivors = 9
        #expect(terms.fewestSurvivors(parameters) == 9)
        terms.minimumSurvivors = 0
        terms.minimumHonest = 5
        terms.colluders = 3
        #expect(terms.fewestSurvivors(parameters) == 8)
    }

    @Test func requiredMembersMustBeInTheSetItself() throws {
        let parameters = try SumParameters.complete(7)
        var terms = RoundTerms.standard(parameters)
        terms.required = PositionSet(rosterCount: 7, [2, 6])
        #expect(terms.violation(of: set(7, without: 3), parameters: parameters) == nil)
        #expect(terms.violation(of: set(7, without: 2, 6), parameters: parameters) == .missingRequired([2, 6]))
        #expect(terms.violation(ofDealers: set(7, without: 6), parameters: parameters) == .missingRequired([6]))
    }

    @Test func aFrozenSetIsTakenExactly() throws {
        let parameters = try SumParameters.complete(7)
        var terms = RoundTerms.standard(parameters)
        terms.frozenSurvivors = set(7, without: 3)
        #expect(terms.violation(of: set(7, without: 3), parameters: parameters) == nil)
        #expect(terms.violation(of: set(7), parameters: parameters) == .notTheFrozenSet)
        #expect(terms.violation(of: set(7, without: 3, 4), parameters: parameters) == .notTheFrozenSet)
        // A further site may deal, as long as the frozen set can still come out.
        #expect(terms.violation(ofDealers: set(7), parameters: parameters) == nil)
        #expect(terms.violation(ofDealers: set(7, without: 4), parameters: parameters) == .notTheFrozenSet)
    }

    @Test func theLimitOnLoneDifferencesIsKept() throws {
        let parameters = try SumParameters.complete(7)
        let sites = try (1...7).map { try #require(SiteID("site-\($0)")) }
        let all = Set(sites)
        var terms = RoundTerms.standard(parameters)
        func differences(_ limit: Int?, _ released: [Set<SiteID>]) -> LoneDifferences {
            LoneDifferences(limit: limit, minimumHonest: 3, released: released, roster: sites)
        }
        terms.loneDifferences = differences(1, [all, all.subtracting([sites[0]]), all.subtracting([sites[0]])])
        #expect(terms.violation(of: set(7, without: 1), parameters: parameters) == nil)
        #expect(terms.violation(of: set(7), parameters: parameters) == .tooManyLoneDifferences(limit: 1))
        #expect(terms.violation(ofDealers: set(7), parameters: parameters) == nil)
        terms.loneDifferences = differences(2, [all, all.subtracting([sites[0]])])
        #expect(terms.violation(of: set(7), parameters: parameters) == nil)
        terms.loneDifferences = differences(0, [])
        #expect(terms.violation(of: set(7, without: 1), parameters: parameters) == nil)
        terms.loneDifferences = differences(nil, [all])
        #expect(terms.violation(of: set(7, without: 1), parameters: parameters) == nil)
    }

    @Test func termsAreThoseOfTheTask() throws {
        let parameters = try SumParameters.complete(5)
        let task = try SecureTask(
            study: Digest(of: [1], domain: ""), releaseClass: .statistics, attempt: 1,
            plan: Digest(of: [2], domain: ""),
            sections: [SecureTask.Section(entries: 8, ringBits: 32, valueBits: 16), .checkLanes],
            numbers: SecureTask.Numbers(
                sites: 5, quorum: 4, threshold: 4, neighbours: 4, windowMinimum: 0, minSurvivors: 5, minimumHonest: 2,
                colluders: 1, maxLoneDifferences: 3),
            required: PositionSet(rosterCount: 5, [2]), isStrict: true, privacyPolicy: Digest(of: [3], domain: ""))
        let terms = RoundTerms(task: task)
        #expect(terms.fewestSurvivors(parameters) == 5)
        #expect(terms.required?.positions == [2])
        #expect(terms.releaseClass == .statistics)
        #expect(terms.isStrict)
        #expect(try SumParameters(checking: task.numbers) == SumParameters.complete(5, colluders: 1))
    }
}

@Suite struct LoneDifferencesTests {
    private let sites = ["a", "b", "c", "d", "e"].compactMap { SiteID($0) }

    private func sets(_ texts: String...) -> [Set<SiteID>] {
        texts.map { Set($0.map { String($0) }.compactMap { SiteID($0) }) }
    }

    @Test func differencesByOneAndTwoSitesCount() {
        let released = sets("abcde", "abcde", "abcd", "abce", "ab", "abcde")
        // None, one, two (d left, e came), two (c and e left), three.
        #expect(LoneDifferences.count(in: released, minimumHonest: 3) == 3)
        #expect(LoneDifferences.count(in: released, minimumHonest: 2) == 1)
        #expect(LoneDifferences.count(in: released, minimumHonest: 4) == 4)
        #expect(LoneDifferences.count(in: [], minimumHonest: 3) == 0)
        let perSite = LoneDifferences.perSite(in: released, minimumHonest: 3)
        #expect(sites.map { perSite[$0] ?? 0 } == [0, 0, 1, 1, 3])
    }

    @Test func whoLeftTheRosterCounts() {
        let differences = LoneDifferences(
            limit: 0, minimumHonest: 3, released: sets("abcde"), roster: Array(sites.prefix(3)))
        #expect(differences.departed == 2)
        #expect(differences.isLone(.full(3)))
        #expect(!differences.isLone(PositionSet(rosterCount: 3, [1, 2])))
        #expect(!differences.allows(.full(3)))
    }

    @Test func aQuarterOfTheRoundsWithoutNoise() {
        #expect(LoneDifferences.standardLimit(plannedRounds: 50, noise: .none) == 12)
        #expect(LoneDifferences.standardLimit(plannedRounds: 3, noise: .none) == 0)
        #expect(LoneDifferences.standardLimit(plannedRounds: 50, noise: .recordLevel) == nil)
    }
}
