// SPDX-License-Identifier: Apache-2.0
// Checks quorum, threshold and losses of the complete graph, and which numbers of others are refused.

import Federation
import SecureAggregation
import Testing

@Suite struct SumParametersTests {
    /// Privacy design review, §5.1: n, Q = t, f, c, uniqueness, smallest |U|, honest parts.
    @Test(arguments: [
        (3, 3, 0, 0, 2, 3, 3), (4, 3, 1, 1, 1, 4, 3), (5, 4, 1, 1, 2, 4, 3), (6, 5, 1, 1, 3, 5, 4),
        (7, 5, 2, 2, 2, 5, 3), (8, 6, 2, 2, 3, 6, 4), (10, 7, 3, 3, 3, 7, 4), (16, 11, 5, 5, 5, 11, 6),
        (64, 43, 21, 21, 21, 43, 22), (100, 67, 33, 33, 33, 67, 34),
    ])
    func completeGraphsAreThoseOfTheReview(
        count: Int, quorum: Int, losses: Int, colluders: Int, unique: Int, fewest: Int, honest: Int
    ) throws {
        let parameters = try SumParameters.complete(count)
        #expect(parameters.isComplete)
        #expect(parameters.quorum == quorum)
        #expect(parameters.threshold == quorum)
        #expect(parameters.neighbours == count - 1)
        #expect(parameters.windowMinimum == 0)
        #expect(parameters.toleratedLosses == losses)
        #expect(parameters.colluders == colluders)
        #expect(parameters.uniquenessBound == unique)
        let terms = RoundTerms.standard(parameters)
        #expect(terms.fewestSurvivors(parameters) == fewest)
        #expect(terms.fewestSurvivors(parameters) - parameters.colluders == honest)
        #expect(try SumParameters.standard(count) == parameters)
    }

    @Test func allSizesKeepTheArguments() throws {
        for count in 3...SumParameters.largestComplete {
            let parameters = try SumParameters.complete(count)
            let (quorum, colluders) = (parameters.quorum, parameters.uniquenessBound)
            #expect(parameters.toleratedLosses == (count - 1) / 3)
            #expect(parameters.colluders == (count - 1) / 3)
            #expect(parameters.colluders <= colluders)
            // Two quorums share an honest site up to the bound, and not beyond it.
            #expect(2 * (quorum - colluders) > count - colluders)
            #expect(2 * (quorum - colluders - 1) <= count - colluders - 1)
            // After a void certificate, who is left cannot rebuild anything.
            #expect(count - quorum + colluders < parameters.threshold)
        }
    }

    @Test func twoHospitalsAreRefusedForTheReason() {
        #expect(throws: SumParametersError.tooFewSites(2)) { try SumParameters.complete(2) }
        #expect(throws: SumParametersError.tooFewSites(0)) { try SumParameters.standard(0) }
        #expect(PromiseText.lines(for: 2) == ["Refused: with two hospitals your partner would see your update."])
    }

    @Test func sizesAndAssumptionsOutsideTheBoundsAreRefused() {
        #expect(throws: SumParametersError.tooManySites(101, most: 100)) { try SumParameters.complete(101) }
        #expect(throws: SumParametersError.tooManySites(10_001, most: 10_000)) { try SumParameters.standard(10_001) }
        #expect(throws: SumParametersError.tooManyColluders(2, most: 1)) { try SumParameters.complete(4, colluders: 2) }
        #expect(throws: SumParametersError.tooManyColluders(-1, most: 1)) {
            try SumParameters.complete(4, colluders: -1)
        }
        #expect(throws: SumParametersError.tooManyLosses(167, most: 166)) {
            try SumParameters.sparse(count: 500, colluders: 100, losses: 167)
        }
        #expect(throws: SumParametersError.tooManyColluders(169, most: 167)) {
            try SumParameters.sparse(count: 500, colluders: 169, losses: 0)
        }
        #expect(throws: SumParametersError.noGraph) {
            try SumParameters.sparse(count: 101, colluders: 33, losses: 33)
        }
        #expect(throws: SumParametersError.otherNumbers) {
            try SumParameters.sparse(count: 100, colluders: 1, losses: 0)
        }
    }

    @Test func withoutColludersAShareIsStillNoSecret() throws {
        let parameters = try SumParameters.sparse(count: 200, colluders: 0, losses: 20)
        #expect(parameters.threshold == 2 && parameters.windowMinimum == 1)
    }

    @Test func everySparseSizeHasParameters() throws {
        for count in [101, 102, 103, 119, 120, 173, 250, 499, 501, 999, 3000, 10_000] {
            let parameters = try SumParameters.standard(count)
            #expect(!parameters.isComplete)
            #expect(parameters.neighbours % 2 == 0 && parameters.neighbours < count)
            #expect(parameters.windowMinimum <= parameters.neighbours / 2)
            #expect(parameters.threshold <= parameters.neighbours)
            #expect(parameters.colluders <= parameters.uniquenessBound)
        }
    }
}

// MARK: Numbers of others

@Suite struct GivenSumParametersTests {
    private func numbers(
        _ sites: Int, _ quorum: Int, _ threshold: Int, _ neighbours: Int, _ windowMinimum: Int, colluders: Int
    ) -> SecureTask.Numbers {
        SecureTask.Numbers(
            sites: sites, quorum: quorum, threshold: threshold, neighbours: neighbours, windowMinimum: windowMinimum,
            minSurvivors: quorum, minimumHonest: 3, colluders: colluders, maxLoneDifferences: nil)
    }

    @Test func ownNumbersAreAccepted() throws {
        for count in [3, 4, 5, 10, 100, 101, 128, 500, 2000] {
            let parameters = try SumParameters.standard(count)
            let given = numbers(
                count, parameters.quorum, parameters.threshold, parameters.neighbours, parameters.windowMinimum,
                colluders: parameters.colluders)
            #expect(try SumParameters(checking: given) == parameters)
        }
    }

    @Test func otherNumbersOfACompleteGraphAreRefused() {
        for given in [
            numbers(7, 4, 5, 6, 0, colluders: 2), numbers(7, 5, 4, 6, 0, colluders: 2),
            numbers(7, 5, 5, 4, 0, colluders: 2), numbers(7, 5, 5, 6, 1, colluders: 2),
        ] {
            #expect(throws: SumParametersError.otherNumbers) { try SumParameters(checking: given) }
        }
        #expect(throws: SumParametersError.tooManyColluders(3, most: 2)) {
            try SumParameters(checking: numbers(7, 5, 5, 6, 0, colluders: 3))
        }
        #expect(throws: SumParametersError.tooFewSites(2)) {
            try SumParameters(checking: numbers(2, 2, 2, 1, 0, colluders: 0))
        }
    }

    @Test func weakerGraphsAreRefusedAndStrongerOnesAccepted() throws {
        // Of 500 sites with 100 corrupt: k = 144, t = 76, m = 53.
        #expect(try SumParameters(checking: numbers(500, 334, 78, 144, 54, colluders: 100)).threshold == 78)
        #expect(throws: SumParametersError.thresholdTooLow) {
            try SumParameters(checking: numbers(500, 334, 75, 144, 53, colluders: 100))
        }
        #expect(throws: SumParametersError.windowTooThin) {
            try SumParameters(checking: numbers(500, 334, 76, 144, 52, colluders: 100))
        }
        // Those of the semi-honest table, which the review withdrew.
        #expect(throws: SumParametersError.windowTooThin) {
            try SumParameters(checking: numbers(500, 334, 57, 82, 1, colluders: 100))
        }
        for given in [
            numbers(500, 333, 76, 144, 53, colluders: 100), numbers(500, 334, 76, 143, 53, colluders: 100),
            numbers(500, 334, 76, 500, 53, colluders: 100), numbers(500, 334, 146, 144, 53, colluders: 100),
            numbers(500, 334, 76, 144, 73, colluders: 100), numbers(500, 334, 76, 144, 0, colluders: 100),
        ] {
            #expect(throws: SumParametersError.otherNumbers) { try SumParameters(checking: given) }
        }
    }
}
