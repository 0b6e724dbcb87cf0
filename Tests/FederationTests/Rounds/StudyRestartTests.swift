// SPDX-License-Identifier: Apache-2.0
// A study after a restart of the server: nothing is lost, repeated or skipped, and nothing hangs.

import Federation
import Testing

@Suite struct StudyRestartTests {
    private let all = sites(4)
    private let study: Study

    init() throws { study = try .sample { $0.rounds = 3 } }

    private static func id(_ kind: RoundKind, _ round: Int, attempt: Int = 1) -> RoundID {
        RoundID(kind: kind, round: round, attempt: attempt)
    }

    private func restarted(
        _ next: RoundID?, cohort: [SiteID]?, uploaded: [SiteID] = [], missed: Set<SiteID> = []
    ) -> StudyDriver {
        StudyDriver(
            StudyStateMachine(
                study: study, expectedSites: Set(all), accepted: Set(all), missedRequired: missed, next: next,
                cohort: cohort, uploaded: uploaded, now: .seconds(7)), now: .seconds(7))
    }

    @Test func anOpenRoundGoesOnWithItsUploads() {
        var driver = restarted(Self.id(.training, 2), cohort: all, uploaded: [all[0], all[2]])
        #expect(driver.send(.connected(all[0])).isEmpty)
        #expect(driver.send(.connected(all[1])) == [.ask(all[1])])
        driver.send(.connected(all[3]))
        #expect(driver.send(.round(.uploaded(all[0]))).isEmpty)
        driver.upload([all[1]])
        #expect(driver.send(.round(.uploaded(all[3]))) == [.sum(Self.id(.training, 2), survivors: all)])
        driver.send(.connected(all[2]))
        driver.finishRounds()
        #expect(
            driver.opened == [Self.id(.evaluation, 2), Self.id(.training, 3), Self.id(.evaluation, 3)])
        #expect(driver.outcome == .completed)
    }

    @Test func aRoundWithAllItsUploadsIsSummedAgain() {
        var driver = restarted(Self.id(.training, 2), cohort: all, uploaded: all)
        #expect(driver.tick(after: .zero) == [.sum(Self.id(.training, 2), survivors: all)])
        #expect(driver.tick(after: .seconds(1)).isEmpty)
    }

    @Test func nobodyComingBackEndsAsDegraded() {
        var driver = restarted(Self.id(.training, 2), cohort: all, uploaded: [all[0]])
        for _ in 0..<100 { driver.tick(after: .seconds(10)) }
        #expect(driver.outcome == .degraded(.sitesAbsent(present: 0, needed: 2)))
    }

    @Test func betweenRoundsTheNextOneOpensWhenSitesAreBack() {
        var driver = restarted(Self.id(.training, 3), cohort: nil)
        driver.tick(after: .seconds(1))
        #expect(driver.opened.isEmpty)
        driver.send(.connected(all[1]))
        #expect(driver.send(.connected(all[2])) == [.open(Self.id(.training, 3), cohort: [all[1], all[2]])])
    }

    @Test func aStudyWhoseRoundsAreAllClosedOnlyEnds() {
        var completed = restarted(nil, cohort: nil)
        #expect(completed.tick(after: .zero) == [.finish(.completed)])
        var degraded = restarted(nil, cohort: nil, missed: [all[2]])
        #expect(degraded.send(.connected(all[0])) == [.finish(.degraded(.requiredSitesMissing([all[2]])))])
        var stopped = restarted(nil, cohort: nil)
        #expect(stopped.send(.stop) == [.finish(.stopped)])
    }

    @Test func missedRoundsAreRemembered() {
        var driver = restarted(Self.id(.evaluation, 3), cohort: all, uploaded: all, missed: [all[1]])
        driver.tick(after: .zero)
        driver.send(.summed)
        #expect(driver.outcome == .degraded(.requiredSitesMissing([all[1]])))
    }

    @Test func aFinishedStudyStaysFinished() {
        var driver = StudyDriver(StudyStateMachine(finished: .stopped, study: study, accepted: Set(all)))
        for site in all { #expect(driver.send(.connected(site)).isEmpty) }
        #expect(driver.outcome == .stopped)
        #expect(driver.machine.accepted == Set(all))
    }

    /// Whatever round the server died in, following ``StudyStateMachine/successor(of:wasClosed:study:)`` gives the
    /// rounds of an undisturbed study.
    @Test func successorsAreTheRoundsOfTheStudy() {
        var undisturbed = StudyDriver(study, expected: all)
        undisturbed.accept(all)
        undisturbed.finishRounds()
        for (id, next) in zip(undisturbed.opened, undisturbed.opened.dropFirst()) {
            #expect(StudyStateMachine.successor(of: id, wasClosed: true, study: study) == next)
        }
        #expect(StudyStateMachine.successor(of: undisturbed.opened.last!, wasClosed: true, study: study) == nil)
        for id in undisturbed.opened {
            #expect(
                StudyStateMachine.successor(of: id, wasClosed: false, study: study)
                    == Self.id(id.kind, id.round, attempt: 2))
        }
    }
}
