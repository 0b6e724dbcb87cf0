// SPDX-License-Identifier: Apache-2.0
// Who is asked in a training round of a study that asks only a share of its sites.

import Federation
import Testing

@Suite struct CohortSamplingTests {
    private let all = sites(20)

    private func trainingCohorts(
        seed: UInt64 = 1, _ change: (inout FederationTerms) -> Void
    ) throws -> [[SiteID]] {
        var study = try Study.sample(change)
        study.training.seed = seed
        study.evaluation.everyRounds = 100_000
        var driver = StudyDriver(study, expected: all)
        driver.accept(all)
        driver.finishRounds(limit: 100_000)
        return zip(driver.opened, driver.cohorts).filter { $0.0.kind == .training }.map(\.1)
    }

    @Test func theChoiceIsOfTheStudysSeed() throws {
        func terms(_ terms: inout FederationTerms) {
            terms.rounds = 20
            terms.participation = 0.3
        }
        let first = try trainingCohorts(terms)
        #expect(first.allSatisfy { $0.count == 6 && $0 == $0.sorted() && Set($0).count == 6 })
        #expect(try trainingCohorts(terms) == first)
        #expect(try trainingCohorts(seed: 2, terms) != first)
        #expect(Set(first).count > 15)
    }

    @Test func aShareIsRoundedUpButNotByARoundingError() throws {
        // 0.15 · 20 and 0.35 · 20 are whole; in binary the second lies above 7 or not, as it happens.
        for (share, count) in [(0.15, 3), (0.35, 7), (0.55, 11), (0.51, 11), (0.999, 20), (1, 20)] {
            let cohorts = try trainingCohorts {
                $0.rounds = 2
                $0.participation = share
            }
            #expect(cohorts.map(\.count) == [count, count], "\(share)")
        }
    }

    @Test func theMinimumIsAlwaysAsked() throws {
        let cohorts = try trainingCohorts {
            $0.rounds = 5
            $0.participation = 0.01
            $0.minimumSites = 4
        }
        #expect(cohorts.allSatisfy { $0.count == 4 })
    }

    @Test func everybodyIsAskedForStatisticsAndEvaluation() throws {
        var driver = StudyDriver(try .sample { $0.participation = 0.1 }, expected: all)
        driver.accept(all)
        driver.finishRounds()
        for (id, cohort) in zip(driver.opened, driver.cohorts) where id.kind != .training { #expect(cohort == all) }
    }

    @Test func requiredSitesAreAlwaysAmongThem() throws {
        let required = [all[4], all[17]]
        let cohorts = try trainingCohorts {
            $0.rounds = 50
            $0.participation = 0.2
            $0.requiredSites = required
        }
        #expect(cohorts.allSatisfy { $0.count == 4 && Set(required).isSubset(of: $0) })
        #expect(Set(cohorts).count > 30)
    }

    @Test func theOthersAreRecordedAsNotChosen() throws {
        var driver = StudyDriver(
            try .sample {
                $0.participation = 0.5
                $0.rounds = 1
            }, expected: all)
        driver.accept(all)
        driver.upload(all)
        driver.send(.summed)
        guard case .collecting(let round) = driver.machine.phase else {
            Issue.record("no training round is open")
            return
        }
        driver.upload(round.cohort)
        let records = driver.machine.latestRecords
        #expect(records.map(\.site) == all)
        #expect(records.filter { $0.participation == .included }.map(\.site) == round.cohort)
        #expect(records.count { $0.participation == .notSampled } == 10)
    }

    @Test func noMoreAreAskedThanTheRingCanSum() throws {
        let cohorts = try trainingCohorts {
            $0.rounds = 3
            // 31 bits for one site of weight 64: room for four.
            $0.numbers = NumberTerms(valueBits: 24, clip: 1, weightUnit: 1, maximumWeight: 64)
        }
        #expect(cohorts.map(\.count) == [4, 4, 4])
    }

    /// 2,000 rounds of 6 out of 20: a site is asked 600 times, standard deviation 20.5. Outside 6 of these with odds of
    /// 2e-9 each, below 1e-7 for all; the seed is fixed.
    @Test func everySiteIsAskedEquallyOften() throws {
        let cohorts = try trainingCohorts {
            $0.rounds = 2_000
            $0.participation = 0.3
        }
        var counts: [SiteID: Int] = [:]
        for site in cohorts.joined() { counts[site, default: 0] += 1 }
        for site in all { #expect((477...723).contains(counts[site] ?? 0), "\(site)") }
    }
}
