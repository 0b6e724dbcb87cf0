// SPDX-License-Identifier: Apache-2.0
// Properties of a whole study under random events, with restarts: rounds in order, each summed once, one end.

import Federation
import Randomness
import Testing

@Suite struct StudyPropertyTests {
    /// Plays a study with random events and checks every action against the story so far.
    private struct Play {
        let study: Study
        let people: [SiteID]
        let seed: UInt64
        var generator: SeededGenerator
        var driver: StudyDriver
        /// The latest round that opened, its cohort, and the sites whose uploads a server would have on disk.
        var current: (id: RoundID, cohort: [SiteID], uploaded: Set<SiteID>)?
        var isOpen = false
        var summed: Set<RoundID> = []
        var finishes = 0
        /// The round that must come next, with any attempt.
        var expected = RoundID(kind: .statistics, round: 0, attempt: 1)

        mutating func send(_ event: StudyStateMachine.Event) {
            if case .round(.uploaded(let site)) = event, isOpen, current?.cohort.contains(site) == true,
                case .collecting(let round) = driver.machine.phase, round.awaits(site)
            {
                current?.uploaded.insert(site)
            }
            for action in driver.send(event) { check(action) }
        }

        private mutating func check(_ action: StudyStateMachine.Action) {
            #expect(finishes == 0, "seed \(seed): something after the end")
            switch action {
            case .open(let id, let cohort):
                #expect(!isOpen && id == expected, "seed \(seed): \(id) instead of \(expected)")
                #expect(cohort.count >= study.federation.minimumSites && cohort == cohort.sorted(), "seed \(seed)")
                #expect(Set(cohort).isSubset(of: driver.machine.accepted), "seed \(seed): asked a site that declined")
                current = (id, cohort, [])
                isOpen = true
            case .ask(let site): #expect(isOpen && current?.cohort.contains(site) == true, "seed \(seed)")
            case .sum(let id, let survivors):
                #expect(isOpen && id == current?.id && summed.insert(id).inserted, "seed \(seed): summed twice")
                #expect(survivors.count >= study.federation.minimumSites, "seed \(seed)")
                #expect(Set(survivors) == current?.uploaded, "seed \(seed): the sum covers other sites than uploaded")
            case .abandon(let id, _):
                #expect(isOpen && id == current?.id, "seed \(seed)")
                isOpen = false
                expected = RoundID(kind: id.kind, round: id.round, attempt: id.attempt + 1)
            case .finish: finishes += 1
            }
        }

        mutating func closeRound() {
            guard case .summing(let id, _) = driver.machine.phase else { return }
            isOpen = false
            let next = StudyStateMachine.successor(of: id, wasClosed: true, study: study)
            expected = next ?? id
            send(.summed)
        }

        /// What the server rebuilds from its store.
        mutating func restart() {
            guard finishes == 0, let current else { return }
            if case .finished = driver.machine.phase { return }
            if isOpen { summed.remove(current.id) }
            driver.machine = StudyStateMachine(
                study: study, expectedSites: [], accepted: driver.machine.accepted, missedRequired: [],
                next: isOpen ? current.id : expected, cohort: isOpen ? current.cohort : nil,
                uploaded: current.uploaded.sorted(), now: driver.now)
        }
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func roundsComeInOrderAndTheStudyEndsOnce(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed, stream: "study")
        let people = sites(3 + generator.index(below: 5))
        var study = try Study.sample {
            $0.rounds = 1 + generator.index(below: 4)
            $0.minimumSites = 2 + generator.index(below: 2)
            $0.participation = generator.index(below: 2) == 0 ? 1 : 0.6
            $0.requiredSites = generator.index(below: 3) == 0 ? [people[0]] : []
            $0.progress.attempts = 1 + generator.index(below: 6)
        }
        study.evaluation.everyRounds = 1 + generator.index(below: 3)
        var play = Play(
            study: study, people: people, seed: seed, generator: generator,
            driver: StudyDriver(study, expected: generator.index(below: 2) == 0 ? people : []))
        for site in people { play.send(.accepted(site)) }

        for _ in 0..<1_500 where play.finishes == 0 {
            play.driver.now += .milliseconds(play.generator.index(below: 4_000))
            let site = people[play.generator.index(below: people.count)]
            switch play.generator.index(below: 30) {
            case 0: play.send(.disconnected(site))
            case 1, 2: play.send(.connected(site))
            case 3: play.send(.accepted(site))
            case 4 where play.generator.index(below: 4) == 0: play.send(.declined(site))
            case 5: play.send(.round(.withheld(site, .localFailure)))
            case 6: play.send(.round(.refused(site, .malformedVector)))
            case 7 where play.generator.index(below: 4) == 0: play.send(.summingFailed(.implausibleSum))
            case 8: play.restart()
            case 9 where play.generator.index(below: 100) == 0: play.send(.stop)
            case 10...18: play.send(.round(.uploaded(site)))
            case 19...22: play.send(.round(.progress(site, .computing, count: play.generator.index(below: 100))))
            case 23...26: play.closeRound()
            default: play.send(.tick)
            }
        }
        // From here on silence: sums fail, nobody moves. A study that has begun ends.
        for _ in 0..<200 where play.finishes == 0 {
            play.driver.now += .seconds(600)
            play.send(.tick)
            play.send(.summingFailed(.nonFiniteModel))
        }
        if case .gathering = play.driver.machine.phase { return }
        #expect(play.finishes == 1, "seed \(seed): the study hangs")
    }
}
