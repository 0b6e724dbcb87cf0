// SPDX-License-Identifier: Apache-2.0
// One site is much slower than the others: it is waited for as the study says, and no longer.

import Federation
import Store
import Testing

@Suite(.timeLimit(.minutes(3)))
struct SlowSiteTests {
    @Test
    func aSiteTwentyTimesSlowerIsLeftBehindAndTheStudyCompletes() async throws {
        let progress = ProgressTerms(
            joinSeconds: 60, stallSeconds: 120, stragglerFactor: 2, stragglerSeconds: 0.3, absenceSeconds: 120,
            attempts: 3)
        let fast = SlowUpdate(pause: .milliseconds(5))
        let plans =
            ["a", "b", "c"].map { SitePlan($0, updates: fast) }
            + [SitePlan("slow", updates: SlowUpdate(pause: .milliseconds(400)))]
        try await TestFederation.run(TestStudy.make(rounds: 2, everyRounds: 2, progress: progress), plans) {
            federation in
            let record = try await federation.finish(deliveries: 4)
            #expect(record.outcome == "completed")
            for round in 1...2 {
                let words = try await federation.words(.training, round)
                #expect(words["slow"] == "tooSlow:computing" || words["slow"] == "tooSlow:downloading")
                for site in ["a", "b", "c"] { #expect(words[site] == "included") }
            }
            let rounds = try await federation["slow"].store.rounds(study: federation.hash)
            #expect(rounds.filter { $0.id.kind == .training }.allSatisfy { $0.state == .ended })
            #expect(try federation.uploads(at: "slow") == [])
        }
    }

    @Test
    func aSlowSiteThatIsNeededIsWaitedFor() async throws {
        let progress = ProgressTerms(
            joinSeconds: 60, stallSeconds: 120, stragglerFactor: 1, stragglerSeconds: 0, absenceSeconds: 120,
            attempts: 1)
        let plans = [
            SitePlan("a"), SitePlan("b"), SitePlan("slow", updates: SlowUpdate(pause: .milliseconds(50))),
        ]
        try await TestFederation.run(TestStudy.make(rounds: 1, progress: progress), plans) { federation in
            let record = try await federation.finish(deliveries: 3)
            #expect(record.outcome == "completed")
            let words = try await federation.words(.training, 1)
            #expect(words["slow"] == "included")
        }
    }
}
