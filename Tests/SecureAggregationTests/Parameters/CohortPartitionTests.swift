// SPDX-License-Identifier: Apache-2.0
// Checks that cohorts hide their members, and that a roster too small for them is refused.

import Federation
import SecureAggregation
import Testing

@Suite struct CohortPartitionTests {
    private let key = Digest(of: [1], domain: "cohorts")

    private func partition(_ sites: Int, _ count: Int) throws -> CohortPartition {
        try CohortPartition(try SumParameters.standard(sites), count: count, minimumHonest: 3, key: key)
    }

    @Test(arguments: [(24, 2), (25, 2), (500, 7), (1000, 10)])
    func cohortsCoverTheRosterOnce(sites: Int, count: Int) throws {
        let cohorts = try partition(sites, count).cohorts
        #expect(cohorts.map(\.count).reduce(0, +) == sites)
        #expect(cohorts.reduce(PositionSet(rosterCount: sites)) { $0.union($1) } == .full(sites))
        #expect((cohorts.map(\.count).max() ?? 0) - (cohorts.map(\.count).min() ?? 0) <= 1)
        #expect(try partition(sites, count).cohorts == cohorts)
    }

    @Test func smallRostersAndSmallCohortsAreRefused() throws {
        #expect(throws: CohortPartition.Refusal.tooFewSites(23, needed: 24)) { try partition(23, 2) }
        // Seven of 24 may collude, and all of them could be in one cohort.
        #expect(throws: CohortPartition.Refusal.cohortTooSmall(8, needed: 10)) { try partition(24, 3) }
        #expect(throws: CohortPartition.Refusal.self) { try partition(500, 50) }
    }

    @Test func upToAHundredSitesAllColludersMayBeInOneCohort() throws {
        #expect(try partition(24, 2).colluders == [7, 7])
        #expect(try partition(100, 2).colluders == [33, 33])
    }

    @Test func aboveAHundredTheTailDecides() throws {
        let colluders = try partition(500, 10).colluders
        let tail = HypergeometricTail(population: 500, marked: 100, draws: 50)
        for bound in colluders {
            #expect(10 * tail.probability(atLeast: bound + 1) <= 0x1p-40)
            #expect(10 * tail.probability(atLeast: bound) > 0x1p-40)
        }
    }

    /// The aggregator declares the honest members of one cohort late, and nobody else.
    ///
    /// Source of the attack: privacy design review, A20.
    @Test func emptyingACohortIsInadmissible() throws {
        let partition = try partition(24, 2)
        let cohort = partition.cohorts[1].positions
        var set = PositionSet.full(24)
        for late in cohort.dropFirst(10) { set.remove(late) }
        #expect(partition.inadmissibility(of: set) == nil)
        set.remove(cohort[0])
        #expect(partition.inadmissibility(of: set) == .thinCohort(index: 1, members: 9, needed: 10))
        // The quorum alone would allow it.
        #expect(NeighbourGraph.complete(24).isAdmissible(set, parameters: try .complete(24)))
    }
}
