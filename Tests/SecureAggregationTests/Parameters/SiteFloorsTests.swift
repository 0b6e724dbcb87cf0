// SPDX-License-Identifier: Apache-2.0
// Checks that a site joins no study that promises less than its policy demands.

import Federation
import SecureAggregation
import Testing

@Suite struct SiteFloorsTests {
    private func refusals(
        _ floors: SiteFloors, _ terms: RoundTerms, count: Int, exact: Bool = false
    ) throws -> [SiteFloors.Refusal] {
        floors.refusals(of: terms, parameters: try SumParameters.standard(count), takesExactSums: exact)
    }

    @Test func standardFloorsAcceptStandardTermsOfAnySize() throws {
        for count in [3, 4, 5, 6, 7, 20, 100, 101, 500] {
            let parameters = try SumParameters.standard(count)
            #expect(SiteFloors().accept(.standard(parameters), parameters: parameters))
        }
    }

    @Test func aSiteWithTheStandardFloorStaysOutWhereTwoHonestPartsSuffice() throws {
        let relaxed = RoundTerms(minimumSurvivors: 3, minimumHonest: 2, colluders: 1)
        #expect(try refusals(SiteFloors(), relaxed, count: 4) == [.tooFewSurvivors(3, needed: 4)])
        #expect(try refusals(SiteFloors(minimumHonest: 2), relaxed, count: 4) == [])
    }

    @Test func floorsThatOtherFloorsKeepDoNotMatter() throws {
        // Seven survivors whatever the study says: the quorum asks for them.
        let terms = RoundTerms(minimumSurvivors: 3, minimumHonest: 2, colluders: 3)
        #expect(try refusals(SiteFloors(minimumSurvivors: 7, minimumHonest: 4), terms, count: 10) == [])
        #expect(
            try refusals(SiteFloors(minimumSurvivors: 8), terms, count: 10) == [.tooFewSurvivors(7, needed: 8)])
    }

    @Test func everyReasonIsNamed() throws {
        let terms = RoundTerms(
            minimumSurvivors: 5, minimumHonest: 1, colluders: 1, required: PositionSet(rosterCount: 7, [4]),
            logging: .notAwaited)
        let floors = SiteFloors(
            fewestSites: 8, minimumSurvivors: 6, minimumHonest: 3, colluders: 3,
            required: PositionSet(rosterCount: 7, [2, 4]), logging: .beforeRelease, mostLoneDifferences: 5)
        #expect(
            try refusals(floors, terms, count: 7, exact: true) == [
                .tooFewSites(7, needed: 8), .tooFewSurvivors(5, needed: 6), .tooFewHonest(1, needed: 2),
                .tooManyColluders(3, most: 2), .missingRequired([2]), .notLoggedBeforeRelease,
                .tooManyLoneDifferences(nil, most: 5), .exactSums,
            ])
    }

    @Test func loneDifferencesAreComparedForTrainingOnly() throws {
        let limit = LoneDifferences(limit: 6, minimumHonest: 3, released: [], roster: [])
        var terms = RoundTerms.standard(try SumParameters.complete(7))
        terms.loneDifferences = limit
        #expect(
            try refusals(SiteFloors(mostLoneDifferences: 5), terms, count: 7) == [.tooManyLoneDifferences(6, most: 5)])
        #expect(try refusals(SiteFloors(mostLoneDifferences: 6), terms, count: 7) == [])
        terms.releaseClass = .evaluation
        #expect(try refusals(SiteFloors(mostLoneDifferences: 5), terms, count: 7) == [])
        #expect(try refusals(SiteFloors(exactSums: .acceptedOnFrozenData), terms, count: 7, exact: true) == [])
    }
}

@Suite struct PromiseTextTests {
    private func contains(_ count: Int, _ sentence: String, terms: RoundTerms? = nil) -> Bool {
        PromiseText.lines(for: count, terms: terms).contains(sentence)
    }

    @Test func threeHospitals() {
        #expect(contains(3, "All three must be present in every round."))
        #expect(
            contains(
                3,
                "Each other hospital, alone or with the operator, learns the total of the other two, which is yours and "
                    + "one more."))
        #expect(contains(3, "If both other hospitals work with the operator, they learn your update."))
    }

    @Test func fourHospitals() {
        #expect(contains(4, "All four must be present in every round."))
        #expect(contains(4, "Each other hospital, alone or with the operator, learns the total of the other three."))
        #expect(
            contains(
                4,
                "Two hospitals working with the operator learn the total of the other two, which is yours and one more."
            ))
        #expect(contains(4, "Even by cheating they get only such totals: the only permitted set is all four."))
    }

    @Test func fourHospitalsOfWhichOneMayBeMissing() {
        let terms = RoundTerms(minimumSurvivors: 3, minimumHonest: 2, colluders: 1)
        #expect(contains(4, "One may be missing: a total may cover three.", terms: terms))
        #expect(
            contains(
                4,
                "Each other hospital, alone or with the operator, learns the total of at least two others, which is yours "
                    + "and one more.", terms: terms))
        #expect(
            contains(
                4, "Two of them can single out your update, by declaring another hospital late.", terms: terms))
        #expect(PromiseText.lines(for: 4, terms: terms).contains { $0.hasPrefix("When a hospital is missing") })
    }

    @Test func fiveAndMoreHospitals() {
        #expect(contains(5, "One may be missing: a total may cover four."))
        #expect(
            contains(5, "Each other hospital, alone or with the operator, learns the total of at least three others."))
        #expect(contains(5, "Three of them can single out your update, by declaring another hospital late."))
        #expect(contains(7, "Up to two may be missing: a total may cover five."))
        #expect(contains(7, "Two hospitals working with the operator learn the total of at least three others."))
        #expect(contains(7, "Nothing is promised against three or more of them."))
        #expect(contains(100, "33 hospitals working with the operator learn the total of at least 34 others."))
        #expect(PromiseText.lines(for: 7).contains { $0.hasPrefix("Tables") })
        #expect(!PromiseText.lines(for: 8).contains { $0.hasPrefix("Tables") })
    }

    @Test func termsThatCannotBeKeptPromiseNothing() {
        let terms = RoundTerms(minimumSurvivors: 6, minimumHonest: 2, colluders: 1)
        #expect(PromiseText.lines(for: 5, terms: terms) == ["Refused: five hospitals cannot keep these terms."])
    }

    @Test func tinyFederationsAreWarned() {
        #expect(
            PromiseText.warning(for: 4)
                == "A total may cover only four hospitals, and each hospital can learn the total of three. Without "
                + "patient-level noise that says a lot.")
        #expect(PromiseText.warning(for: 3)?.contains("the total of two") == true)
        #expect(PromiseText.warning(for: 10)?.contains("three hospitals working with the operator") == true)
        #expect(PromiseText.warning(for: 16) == nil)
        #expect(PromiseText.warning(for: 2) == "Refused: with two hospitals your partner would see your update.")
    }

    @Test func noSentenceIsLeftOpen() {
        for count in 3...120 {
            for line in PromiseText.lines(for: count) { #expect(line.hasSuffix(".") && !line.contains("  ")) }
        }
    }
}
