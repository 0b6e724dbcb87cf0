// SPDX-License-Identifier: Apache-2.0
// Properties of one round under random events: it ends once, with enough sites, and nothing settled changes.

import Federation
import Randomness
import Testing

@Suite struct RoundPropertyTests {
    /// Draws events, most of them about the cohort, some about strangers.
    private struct Events {
        var generator: SeededGenerator
        let people: [SiteID]

        mutating func next() -> RoundStateMachine.Event {
            let site = people[generator.index(below: people.count)]
            switch generator.index(below: 12) {
            case 0: return .uploaded(site)
            case 1: return .withheld(site, draw(WithholdReason.self))
            case 2: return .refused(site, draw(RefusalReason.self))
            case 3, 4: return .disconnected(site)
            case 5, 6: return .connected(site)
            case 7, 8, 9: return .progress(site, draw(RoundStage.self), count: generator.index(below: 20))
            default: return .tick
            }
        }

        private mutating func draw<Word: CaseIterable>(_ type: Word.Type) -> Word where Word.AllCases == [Word] {
            Word.allCases[generator.index(below: Word.allCases.count)]
        }
    }

    private struct Ended: Equatable {
        var verdict: RoundStateMachine.Verdict
        var records: [ParticipationRecord]
    }

    @Test(arguments: 0..<300 as Range<UInt64>)
    func aRoundEndsExactlyOnceAndKeepsItsWord(seed: UInt64) {
        var generator = SeededGenerator(seed: seed, stream: "round")
        let people = sites(2 + generator.index(below: 8))
        let cohort = Array(people.dropLast())
        let minimum = min(cohort.count, 1 + generator.index(below: 5))
        let terms = ProgressTerms(
            joinSeconds: 1, stallSeconds: Double(5 + generator.index(below: 60)),
            stragglerFactor: Double(1 + generator.index(below: 5)),
            stragglerSeconds: Double(generator.index(below: 20)), absenceSeconds: 10,
            attempts: 1 + generator.index(below: 4))
        let uploaded = cohort.filter { _ in generator.index(below: 4) == 0 }
        let id = RoundID(kind: .training, round: 1, attempt: 1)
        var round =
            generator.index(below: 3) > 0
            ? RoundStateMachine(id: id, cohort: cohort, minimumSites: minimum, terms: terms, now: .zero)
            : RoundStateMachine(
                resuming: id, cohort: cohort, uploaded: uploaded, uploadTimes: [:], minimumSites: minimum, terms: terms,
                now: .zero)
        var events = Events(generator: generator, people: people)
        var now = Duration.zero
        var settled: [SiteID: ParticipationRecord] = [:]
        var end: Ended?

        func check(_ verdict: RoundStateMachine.Verdict) {
            #expect(round.records.map(\.site) == cohort, "seed \(seed)")
            for record in round.records where !round.awaits(record.site) {
                #expect(settled[record.site] ?? record == record, "seed \(seed): a settled site changed")
                settled[record.site] = record
            }
            if let end {
                #expect(verdict == .wait && round.records == end.records, "seed \(seed): events after the end")
                return
            }
            switch verdict {
            case .wait: return
            case .close(let survivors):
                let included = round.records.filter { $0.participation == .included }.map(\.site)
                #expect(survivors == included && survivors.count >= minimum, "seed \(seed)")
                #expect(Set(survivors).isSubset(of: cohort) && round.awaited(now: .zero).isEmpty, "seed \(seed)")
            case .abort(let reason):
                let delivered = round.records.count { $0.participation == .included }
                #expect(reason == .tooFewSites(delivered: delivered, needed: minimum), "seed \(seed)")
                #expect(delivered < minimum, "seed \(seed)")
            }
            end = Ended(verdict: verdict, records: round.records)
        }

        for _ in 0..<200 {
            now += .milliseconds(events.generator.index(below: 3_000))
            let event = events.next()
            // A stranger's event is worth a tick.
            if let stranger = Self.subject(event), !cohort.contains(stranger) {
                var other = round
                var same = round
                let verdicts = (other.handle(event, now: now), same.handle(.tick, now: now))
                #expect(verdicts.0 == verdicts.1 && other.records == same.records, "seed \(seed)")
            }
            check(round.handle(event, now: now))
            // The same event again changes nothing.
            let records = round.records
            check(round.handle(event, now: now))
            #expect(round.records == records, "seed \(seed): a duplicate changed the record")
        }
        // Silence ends every round.
        now += .seconds(terms.stallSeconds)
        check(round.handle(.tick, now: now))
        #expect(end != nil, "seed \(seed): the round hangs")
    }

    private static func subject(_ event: RoundStateMachine.Event) -> SiteID? {
        switch event {
        case .progress(let site, _, _), .uploaded(let site), .withheld(let site, _), .refused(let site, _),
            .disconnected(let site), .connected(let site):
            site
        case .tick: nil
        }
    }
}
