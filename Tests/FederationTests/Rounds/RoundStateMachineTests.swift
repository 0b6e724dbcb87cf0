// SPDX-License-Identifier: Apache-2.0
// One round at the server: who is waited for, for how long, and how the round ends.

import Federation
import Testing

@Suite struct RoundStateMachineTests {
    private static let id = RoundID(kind: .training, round: 1, attempt: 1)
    private static let terms = ProgressTerms(
        joinSeconds: 5, stallSeconds: 60, stragglerFactor: 4, stragglerSeconds: 10, absenceSeconds: 600, attempts: 3)
    private let all = sites(4)

    private func round(minimum: Int = 2, terms: ProgressTerms = terms) -> RoundStateMachine {
        RoundStateMachine(id: Self.id, cohort: all, minimumSites: minimum, terms: terms, now: .zero)
    }

    private func participation(_ round: RoundStateMachine) -> [Participation] { round.records.map(\.participation) }

    @Test func closesWhenEverySiteHasDelivered() {
        var round = round()
        for site in all.dropLast() { #expect(round.handle(.uploaded(site), now: .seconds(1)) == .wait) }
        #expect(round.handle(.uploaded(all[3]), now: .seconds(2)) == .close(survivors: all))
        #expect(participation(round) == [.included, .included, .included, .included])
        #expect(round.records.map(\.uploadTime) == [.seconds(1), .seconds(1), .seconds(1), .seconds(2)])
    }

    @Test func closesWithoutThoseWhoWithheldOrWereRefused() {
        var round = round()
        #expect(round.handle(.withheld(all[0], .noUsableRows), now: .zero) == .wait)
        #expect(round.handle(.refused(all[1], .wrongDigest), now: .zero) == .wait)
        #expect(round.handle(.uploaded(all[2]), now: .seconds(1)) == .wait)
        #expect(round.handle(.uploaded(all[3]), now: .seconds(1)) == .close(survivors: [all[2], all[3]]))
        #expect(participation(round).prefix(2) == [.withheld(.noUsableRows), .refused(.wrongDigest)])
    }

    @Test func abortsAsSoonAsTheMinimumIsOutOfReach() {
        var round = round(minimum: 3)
        #expect(round.handle(.uploaded(all[0]), now: .seconds(1)) == .wait)
        #expect(round.handle(.withheld(all[1], .nonFinite), now: .seconds(1)) == .wait)
        #expect(
            round.handle(.withheld(all[2], .nonFinite), now: .seconds(1))
                == .abort(.tooFewSites(delivered: 1, needed: 3)))
        // The fourth did nothing wrong.
        #expect(participation(round)[3] == .interrupted(.asked))
    }

    @Test func waitsForASlowSiteFourTimesTheMedian() {
        var round = round()
        for site in all.dropLast() { _ = round.handle(.uploaded(site), now: .seconds(20)) }
        for second in stride(from: 21, through: 79, by: 1) {
            let progress = RoundStateMachine.Event.progress(all[3], .computing, count: second)
            #expect(round.handle(progress, now: .seconds(second)) == .wait)
        }
        #expect(round.handle(.tick, now: .seconds(80)) == .close(survivors: Array(all.dropLast())))
        #expect(participation(round)[3] == .tooSlow(.computing))
    }

    @Test func aSiteTwentyTimesSlowerIsLeftBehind() {
        var round = round()
        for site in all.dropLast() { _ = round.handle(.uploaded(site), now: .seconds(30)) }
        var closed: Int?
        for second in 31...600 where closed == nil {
            let verdict = round.handle(.progress(all[3], .computing, count: second), now: .seconds(second))
            if verdict == .close(survivors: Array(all.dropLast())) { closed = second }
        }
        #expect(closed == 120)
    }

    @Test func shortRoundsGiveStragglersTheLeastTime() {
        var round = round()
        for site in all.dropLast() { _ = round.handle(.uploaded(site), now: .milliseconds(100)) }
        #expect(round.handle(.tick, now: .milliseconds(10_099)) == .wait)
        #expect(round.handle(.tick, now: .milliseconds(10_100)) == .close(survivors: Array(all.dropLast())))
    }

    @Test func theStragglerClockStartsWithTheMinimum() {
        var round = round(minimum: 3)
        _ = round.handle(.uploaded(all[0]), now: .seconds(1))
        _ = round.handle(.uploaded(all[1]), now: .seconds(1))
        // Two of three: the others are waited for as long as they move.
        for second in stride(from: 1, through: 2_000, by: 50) {
            for site in all.suffix(2) {
                #expect(round.handle(.progress(site, .computing, count: second), now: .seconds(second)) == .wait)
            }
        }
        #expect(round.handle(.uploaded(all[2]), now: .seconds(2_000)) == .wait)
        #expect(round.handle(.tick, now: .seconds(2_009)) == .wait)
        #expect(round.handle(.tick, now: .seconds(2_010)) == .close(survivors: Array(all.prefix(3))))
    }

    @Test func silenceIsNotWaitedFor() {
        var round = round()
        _ = round.handle(.progress(all[0], .computing, count: 1), now: .seconds(59))
        _ = round.handle(.uploaded(all[1]), now: .seconds(59))
        #expect(round.handle(.tick, now: .milliseconds(59_999)) == .wait)
        #expect(round.awaits(all[2]))
        #expect(round.handle(.tick, now: .seconds(60)) == .wait)
        #expect(participation(round)[2] == .stalled(.asked))
        #expect(!round.awaits(all[2]))
        #expect(round.handle(.tick, now: .seconds(118)) == .wait)
        #expect(round.handle(.tick, now: .seconds(119)) == .abort(.tooFewSites(delivered: 1, needed: 2)))
        #expect(participation(round) == [.stalled(.computing), .included, .stalled(.asked), .stalled(.asked)])
    }

    @Test func slowIsNotSilentAndSilentIsNotAway() {
        var round = round(minimum: 4)
        func paces(_ now: Duration) -> [AwaitedSite.Pace] { round.awaited(now: now).map(\.pace) }
        #expect(paces(.seconds(29)) == [.working, .working, .working, .working])
        _ = round.handle(.uploaded(all[0]), now: .seconds(10))
        _ = round.handle(.progress(all[1], .computing, count: 7), now: .seconds(19))
        _ = round.handle(.disconnected(all[3]), now: .seconds(19))
        #expect(paces(.seconds(20)) == [.working, .working, .away])
        #expect(paces(.seconds(21)) == [.slow, .slow, .away])
        #expect(paces(.seconds(31)) == [.slow, .silent, .away])
        let site = round.awaited(now: .seconds(31))[0]
        #expect(site.stage == .computing && site.count == 7)
        #expect(site.idle == .seconds(12) && site.remaining == .seconds(48))
        #expect(round.awaited(now: .seconds(500))[0].remaining == .zero)
    }

    @Test func repeatedWordsAreNoProgress() {
        var round = round()
        _ = round.handle(.progress(all[0], .computing, count: 7), now: .seconds(1))
        for second in 2...59 {
            for count in [7, 6, 0, -1] {
                _ = round.handle(.progress(all[0], .computing, count: count), now: .seconds(second))
            }
            _ = round.handle(.progress(all[0], .downloading, count: 1_000), now: .seconds(second))
        }
        _ = round.handle(.tick, now: .seconds(61))
        #expect(participation(round)[0] == .stalled(.computing))
    }

    @Test func aLostSiteMayComeBackUntilItsSilenceIsTooLong() {
        var round = round(minimum: 1)
        #expect(round.handle(.disconnected(all[0]), now: .seconds(1)) == .wait)
        #expect(round.awaited(now: .zero).first?.isConnected == false)
        #expect(round.handle(.connected(all[0]), now: .seconds(59)) == .wait)
        #expect(round.awaited(now: .zero).first?.isConnected == true)
        _ = round.handle(.tick, now: .seconds(118))
        #expect(round.awaits(all[0]))
        #expect(!round.awaits(all[1]))
        _ = round.handle(.disconnected(all[0]), now: .seconds(118))
        _ = round.handle(.tick, now: .seconds(119))
        #expect(participation(round)[0] == .connectionLost(.asked))
        #expect(round.handle(.connected(all[0]), now: .seconds(120)) == .wait)
        #expect(participation(round)[0] == .connectionLost(.asked))
    }

    @Test func aRestartedSiteDoesItsWorkAgain() {
        var round = round(minimum: 1)
        _ = round.handle(.progress(all[0], .computing, count: 900), now: .seconds(50))
        _ = round.handle(.disconnected(all[0]), now: .seconds(51))
        _ = round.handle(.connected(all[0]), now: .seconds(55))
        // Each step is one that the site did before it fell.
        for step in 1...30 {
            _ = round.handle(.progress(all[0], .computing, count: step), now: .seconds(55 + 50 * step))
            #expect(round.awaits(all[0]), "step \(step)")
        }
    }

    @Test func aSiteThatFailsAtTheSamePlaceIsGivenUp() {
        var round = round(minimum: 1)
        var end: Int?
        for start in stride(from: 0, to: 6_000, by: 40) where end == nil {
            _ = round.handle(.connected(all[0]), now: .seconds(start))
            _ = round.handle(.progress(all[0], .downloading, count: 10), now: .seconds(start + 1))
            _ = round.handle(.progress(all[0], .computing, count: 5), now: .seconds(start + 20))
            _ = round.handle(.disconnected(all[0]), now: .seconds(start + 21))
            if !round.awaits(all[0]) { end = start }
        }
        #expect(end != nil)
        #expect([.connectionLost(.computing), .stalled(.computing)].contains(participation(round)[0]))
    }

    @Test func aSiteThatGetsFurtherEachTimeIsWaitedFor() {
        var round = round(minimum: 1)
        for attempt in 1...200 {
            let start = 40 * attempt
            _ = round.handle(.connected(all[0]), now: .seconds(start))
            _ = round.handle(.progress(all[0], .computing, count: attempt), now: .seconds(start + 20))
            _ = round.handle(.disconnected(all[0]), now: .seconds(start + 21))
            #expect(round.awaits(all[0]), "attempt \(attempt)")
        }
    }

    @Test func nothingHappensAfterTheEnd() {
        var round = round()
        for site in all { _ = round.handle(.uploaded(site), now: .seconds(1)) }
        let records = round.records
        let events: [RoundStateMachine.Event] = [
            .tick, .uploaded(all[0]), .withheld(all[1], .stopped), .refused(all[2], .wrongLength),
            .disconnected(all[3]), .connected(all[3]), .progress(all[0], .uploading, count: 9),
        ]
        for event in events { #expect(round.handle(event, now: .seconds(1_000)) == .wait) }
        #expect(round.records == records)
        #expect(round.awaited(now: .zero).isEmpty)
    }

    @Test func theFirstWordAboutASiteCounts() {
        var round = round()
        _ = round.handle(.uploaded(all[0]), now: .seconds(1))
        _ = round.handle(.withheld(all[0], .stopped), now: .seconds(2))
        _ = round.handle(.refused(all[0], .wrongLength), now: .seconds(2))
        _ = round.handle(.uploaded(all[0]), now: .seconds(2))
        #expect(round.records[0] == .init(site: all[0], participation: .included, uploadTime: .seconds(1)))
        _ = round.handle(.withheld(all[1], .stopped), now: .seconds(2))
        _ = round.handle(.uploaded(all[1]), now: .seconds(3))
        #expect(round.records[1] == .init(site: all[1], participation: .withheld(.stopped), uploadTime: nil))
    }

    @Test func theLongestTermsOfAStudyDoNotOverflow() {
        let week = 604_800.0
        let terms = ProgressTerms(
            joinSeconds: week, stallSeconds: week, stragglerFactor: 1e6, stragglerSeconds: week, absenceSeconds: week,
            attempts: 1_000)
        var round = round(terms: terms)
        let year = Duration.seconds(31_557_600)
        for site in all { _ = round.handle(.progress(site, .computing, count: 1), now: .seconds(week - 1)) }
        _ = round.handle(.uploaded(all[0]), now: .seconds(week))
        _ = round.handle(.uploaded(all[1]), now: .seconds(week))
        #expect(round.handle(.tick, now: .seconds(week)) == .wait)
        // A site that still moves: the straggler terms are computed.
        #expect(round.handle(.progress(all[2], .computing, count: 2), now: .seconds(2 * week)) == .wait)
        #expect(round.handle(.tick, now: year * 1_000) == .close(survivors: Array(all.prefix(2))))
    }

    // MARK: After a restart

    private func resumed(
        _ uploaded: [SiteID], times: [SiteID: Duration] = [:], minimum: Int = 2
    ) -> RoundStateMachine {
        RoundStateMachine(
            resuming: Self.id, cohort: all, uploaded: uploaded, uploadTimes: times, minimumSites: minimum,
            terms: Self.terms, now: .seconds(1_000))
    }

    @Test func aRoundThatOnlyLacksItsSumClosesAtOnceAfterARestart() {
        var round = resumed(all)
        #expect(round.handle(.tick, now: .seconds(1_000)) == .close(survivors: all))
        #expect(round.handle(.tick, now: .seconds(1_000)) == .wait)
    }

    @Test func afterARestartTheMissingSitesHaveTimeToComeBack() {
        var round = resumed(Array(all.prefix(2)))
        #expect(round.handle(.tick, now: .seconds(1_030)) == .wait)
        #expect(round.handle(.connected(all[2]), now: .seconds(1_040)) == .wait)
        #expect(round.handle(.uploaded(all[2]), now: .seconds(1_050)) == .wait)
        #expect(round.handle(.tick, now: .seconds(1_059)) == .wait)
        #expect(round.handle(.tick, now: .seconds(1_060)) == .close(survivors: Array(all.prefix(3))))
        #expect(participation(round)[3] == .connectionLost(.asked))
    }

    @Test func afterARestartKnownUploadTimesStillSetThePace() {
        let times = [all[0]: Duration.seconds(100), all[1]: .seconds(120)]
        var round = resumed(Array(all.prefix(2)), times: times)
        // The clock stands at 120 s; the upper median is 120 s, four times that is 360 s after the restart.
        for second in stride(from: 1_000, through: 1_350, by: 50) {
            for site in all.suffix(2) {
                _ = round.handle(.progress(site, .computing, count: second), now: .seconds(second))
            }
        }
        #expect(round.handle(.tick, now: .seconds(1_359)) == .wait)
        #expect(round.handle(.tick, now: .seconds(1_360)) == .close(survivors: Array(all.prefix(2))))
        #expect(round.records[0].uploadTime == .seconds(100))
    }

    @Test func afterARestartNobodyBackMeansTheEndOfTheAttempt() {
        var round = resumed([all[0]])
        #expect(round.handle(.tick, now: .seconds(1_059)) == .wait)
        #expect(round.handle(.tick, now: .seconds(1_060)) == .abort(.tooFewSites(delivered: 1, needed: 2)))
    }
}
