// SPDX-License-Identifier: Apache-2.0
// The life of a study at the server: when it starts, which rounds follow, who is asked, how it ends.

import Federation
import Testing

@Suite struct StudyStateMachineTests {
    private let all = sites(4)

    private static func id(_ kind: RoundKind, _ round: Int, attempt: Int = 1) -> RoundID {
        RoundID(kind: kind, round: round, attempt: attempt)
    }

    /// A study of four expected sites that have all accepted: the statistics round is open.
    private func started(_ change: (inout FederationTerms) -> Void = { _ in }) throws -> StudyDriver {
        var driver = StudyDriver(try .sample(change), expected: all)
        driver.accept(all)
        return driver
    }

    // MARK: The way through

    @Test func aStudyRunsItsRoundsInOrder() throws {
        var driver = try started { $0.rounds = 5 }
        driver.finishRounds()
        #expect(
            driver.opened == [
                Self.id(.statistics, 0), Self.id(.training, 1), Self.id(.training, 2), Self.id(.evaluation, 2),
                Self.id(.training, 3), Self.id(.training, 4), Self.id(.evaluation, 4), Self.id(.training, 5),
                Self.id(.evaluation, 5),
            ])
        #expect(driver.cohorts.allSatisfy { $0 == all } && driver.survivors.allSatisfy { $0 == all })
        #expect(driver.outcome == .completed)
        #expect(driver.actions.last == .finish(.completed))
    }

    @Test func theLastRoundIsJudgedOnce() throws {
        var driver = try started { $0.rounds = 4 }
        driver.finishRounds()
        #expect(driver.opened.filter { $0.kind == .evaluation } == [Self.id(.evaluation, 2), Self.id(.evaluation, 4)])
    }

    // MARK: Gathering

    @Test func startsWhenEveryExpectedSiteHasDecided() throws {
        var driver = StudyDriver(try .sample(), expected: all)
        driver.accept(Array(all.prefix(3)))
        #expect(driver.opened.isEmpty)
        let actions = driver.send(.declined(all[3]))
        #expect(actions == [.open(Self.id(.statistics, 0), cohort: Array(all.prefix(3)))])
    }

    @Test func waitsForExpectedSitesOnlySoLong() throws {
        var driver = StudyDriver(try .sample(), expected: all)
        driver.accept([all[0]])
        driver.tick(after: .seconds(3_600))
        // The minimum is here from now on.
        driver.accept([all[1]])
        driver.tick(after: .milliseconds(4_999))
        #expect(driver.opened.isEmpty)
        #expect(driver.tick(after: .milliseconds(1)) == [.open(Self.id(.statistics, 0), cohort: Array(all.prefix(2)))])
    }

    @Test func withoutExpectedSitesTheJoinTimeAlwaysPasses() throws {
        var driver = StudyDriver(try .sample())
        driver.accept(all)
        driver.tick(after: .milliseconds(4_999))
        #expect(driver.opened.isEmpty)
        driver.tick(after: .milliseconds(1))
        #expect(driver.cohorts == [all])
    }

    @Test func theJoinTimeStartsAgainWhenTheMinimumIsLost() throws {
        var driver = StudyDriver(try .sample(), expected: all)
        driver.accept(Array(all.prefix(2)))
        driver.send(.disconnected(all[0]), after: .seconds(4))
        driver.tick(after: .seconds(10))
        driver.send(.connected(all[0]))
        driver.tick(after: .milliseconds(4_999))
        #expect(driver.opened.isEmpty)
        driver.tick(after: .milliseconds(1))
        #expect(driver.opened.count == 1)
    }

    @Test func aSiteThatDeclinesIsNotAsked() throws {
        var driver = StudyDriver(try .sample(), expected: all)
        driver.accept(Array(all.prefix(3)))
        driver.send(.declined(all[0]))
        driver.send(.connected(all[0]))
        driver.send(.declined(all[3]))
        #expect(driver.cohorts == [[all[1], all[2]]])
    }

    // MARK: Rounds

    @Test func aLateSiteTakesPartInTheNextRound() throws {
        var driver = StudyDriver(try .sample(), expected: Array(all.prefix(3)))
        driver.accept(Array(all.prefix(3)))
        #expect(driver.send(.accepted(all[3])).isEmpty)
        driver.upload(Array(all.prefix(3)))
        driver.send(.summed)
        #expect(driver.cohorts == [Array(all.prefix(3)), all])
    }

    @Test func aSiteThatComesBackIsAskedAgain() throws {
        var driver = try started()
        driver.send(.disconnected(all[0]))
        #expect(driver.send(.connected(all[0]), after: .seconds(1)) == [.ask(all[0])])
        driver.send(.round(.uploaded(all[0])))
        #expect(driver.send(.connected(all[0])).isEmpty)
        // Also when it decides anew.
        driver.send(.declined(all[1]))
        #expect(driver.send(.accepted(all[1])) == [.ask(all[1])])
    }

    @Test func sitesThatAreAwayAreNotAskedAndRecorded() throws {
        var driver = try started()
        driver.send(.disconnected(all[0]))
        driver.tick(after: .seconds(60))
        #expect(driver.actions.contains(.abandon(Self.id(.statistics, 0), .tooFewSites(delivered: 0, needed: 2))))
        driver.upload(Array(all.dropFirst()))
        #expect(driver.survivors == [Array(all.dropFirst())])
        #expect(driver.machine.latestRecords.map(\.participation) == [.notConnected, .included, .included, .included])
    }

    @Test func allSitesGoneAndBackMakeANewAttempt() throws {
        var driver = try started()
        for site in all { driver.send(.disconnected(site)) }
        driver.tick(after: .seconds(60))
        #expect(driver.opened == [Self.id(.statistics, 0)])
        guard case .waiting(Self.id(.statistics, 0, attempt: 2), _) = driver.machine.phase else {
            Issue.record("not waiting for the second attempt")
            return
        }
        driver.send(.connected(all[0]), after: .seconds(100))
        #expect(
            driver.send(.connected(all[2])) == [.open(Self.id(.statistics, 0, attempt: 2), cohort: [all[0], all[2]])])
    }

    @Test func aFailedSumIsTriedAgainWithNewUploads() throws {
        var driver = try started()
        driver.upload(all)
        let actions = driver.send(.summingFailed(.implausibleSum))
        #expect(
            actions == [
                .abandon(Self.id(.statistics, 0), .implausibleSum),
                .open(Self.id(.statistics, 0, attempt: 2), cohort: all),
            ])
        driver.finishRounds()
        #expect(driver.outcome == .completed)
    }

    @Test func attemptsThatAreUsedUpEndAsDegraded() throws {
        var driver = try started { $0.progress.attempts = 3 }
        for _ in 0..<3 {
            driver.upload(all)
            driver.send(.summingFailed(.nonFiniteModel))
        }
        #expect(driver.opened.map(\.attempt) == [1, 2, 3])
        #expect(driver.outcome == .degraded(.roundFailed(Self.id(.statistics, 0, attempt: 3), .nonFiniteModel)))
    }

    @Test func everyRoundHasAllItsAttempts() throws {
        var driver = try started {
            $0.progress.attempts = 2
            $0.rounds = 2
        }
        while driver.outcome == nil {
            driver.upload(all)
            if driver.opened.last?.attempt == 1 { driver.send(.summingFailed(.implausibleSum)) }
            driver.finishRounds(limit: 2)
        }
        #expect(driver.outcome == .completed)
    }

    @Test func longAbsenceEndsAsDegraded() throws {
        var driver = try started()
        for site in all.dropLast() { driver.send(.disconnected(site)) }
        driver.tick(after: .seconds(60))
        driver.tick(after: .milliseconds(599_999))
        #expect(driver.outcome == nil)
        driver.tick(after: .milliseconds(1))
        #expect(driver.outcome == .degraded(.sitesAbsent(present: 1, needed: 2)))
    }

    @Test func eventsOfOtherPhasesChangeNothing() throws {
        var driver = StudyDriver(try .sample(), expected: all)
        for event: StudyStateMachine.Event in [.summed, .summingFailed(.implausibleSum), .round(.uploaded(all[0]))] {
            #expect(driver.send(event).isEmpty)
        }
        driver.accept(all)
        #expect(driver.send(.summed).isEmpty)
        driver.upload(all)
        #expect(driver.send(.round(.withheld(all[0], .stopped))).isEmpty)
        #expect(driver.survivors == [all])
        driver.send(.summed)
        #expect(driver.send(.summed).isEmpty)
        #expect(driver.opened == [Self.id(.statistics, 0), Self.id(.training, 1)])
    }

    // MARK: Required sites

    @Test func aRequiredSiteThatMissedARoundDegradesTheStudy() throws {
        var driver = try started {
            $0.rounds = 2
            $0.requiredSites = [all[3]]
        }
        driver.upload(all)
        driver.send(.summed)
        driver.send(.round(.withheld(all[3], .localFailure)))
        driver.finishRounds()
        #expect(driver.opened.last == Self.id(.evaluation, 2))
        #expect(driver.outcome == .degraded(.requiredSitesMissing([all[3]])))
    }

    @Test func onlyTrainingRoundsAreRequired() throws {
        var driver = try started { $0.requiredSites = [all[3]] }
        driver.send(.round(.withheld(all[3], .localFailure)))
        driver.finishRounds()
        #expect(driver.outcome == .completed)
    }

    @Test func anAttemptThatCameToNothingIsNotMissed() throws {
        var driver = try started {
            $0.rounds = 1
            $0.requiredSites = [all[3]]
        }
        driver.upload(all)
        driver.send(.summed)
        driver.send(.round(.withheld(all[3], .localFailure)))
        driver.upload(all)
        driver.send(.summingFailed(.nonFiniteModel))
        driver.finishRounds()
        #expect(driver.outcome == .completed)
    }

    // MARK: Stopping

    @Test func stopEndsTheStudyInEveryPhase() throws {
        let study = try Study.sample()
        var gathering = StudyDriver(study, expected: all)
        var collecting = try started()
        var summing = try started()
        summing.upload(all)
        var waiting = try started()
        for site in all { waiting.send(.disconnected(site)) }
        waiting.tick(after: .seconds(60))
        func check(_ driver: inout StudyDriver, _ phase: String) {
            #expect(driver.send(.stop) == [.finish(.stopped)], "\(phase)")
            #expect(driver.outcome == .stopped, "\(phase)")
        }
        check(&gathering, "gathering")
        check(&collecting, "collecting")
        check(&summing, "summing")
        check(&waiting, "waiting")
        #expect(summing.send(.summed).isEmpty)
        #expect(collecting.send(.round(.uploaded(all[0]))).isEmpty)
    }

    @Test func theEndIsFinal() throws {
        var driver = try started()
        driver.finishRounds()
        let events: [StudyStateMachine.Event] = [
            .stop, .tick, .summed, .summingFailed(.nonFiniteModel), .connected(all[0]), .disconnected(all[0]),
            .declined(all[1]), .round(.uploaded(all[0])), .accepted(SiteID("late")!),
        ]
        for event in events { #expect(driver.send(event, after: .seconds(10_000)).isEmpty) }
        #expect(driver.outcome == .completed)
        #expect(driver.machine.accepted == Set(all))
    }
}
