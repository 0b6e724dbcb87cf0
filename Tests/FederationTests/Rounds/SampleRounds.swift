// SPDX-License-Identifier: Apache-2.0
// Sites, terms and a driver with which the tests of rounds move time and feed events.

import Federation

/// The names `site-01`, `site-02`, …
func sites(_ count: Int) -> [SiteID] {
    (1...count).map { SiteID("site-" + ($0 < 10 ? "0" : "") + String($0))! }
}

extension Study {
    /// The sample study with other federation terms.
    static func sample(_ change: (inout FederationTerms) -> Void = { _ in }) throws -> Study {
        var study = try Study(document: SampleStudy.value.documentNode)
        study.evaluation.everyRounds = 2
        change(&study.federation)
        return study
    }
}

/// A study's machine, its clock, and everything it asked for.
struct StudyDriver {
    var machine: StudyStateMachine
    var now = Duration.zero
    private(set) var actions: [StudyStateMachine.Action] = []

    init(_ study: Study, expected: [SiteID] = []) {
        machine = StudyStateMachine(study: study, expectedSites: Set(expected))
    }

    init(_ machine: StudyStateMachine, now: Duration = .zero) {
        self.machine = machine
        self.now = now
    }

    @discardableResult
    mutating func send(_ event: StudyStateMachine.Event, after wait: Duration = .zero) -> [StudyStateMachine.Action] {
        now += wait
        let new = machine.handle(event, now: now)
        actions += new
        return new
    }

    @discardableResult
    mutating func tick(after wait: Duration) -> [StudyStateMachine.Action] { send(.tick, after: wait) }

    mutating func accept(_ sites: [SiteID]) { for site in sites { send(.accepted(site)) } }

    mutating func upload(_ sites: [SiteID]) { for site in sites { send(.round(.uploaded(site))) } }

    /// Uploads for every round that opens and sums it, until the study wants something else.
    mutating func finishRounds(limit: Int = 10_000) {
        for _ in 0..<limit {
            switch machine.phase {
            case .collecting(let round): upload(round.cohort)
            case .summing: send(.summed)
            default: return
            }
        }
    }

    var outcome: StudyOutcome? {
        if case .finished(let outcome) = machine.phase { outcome } else { nil }
    }

    /// The rounds in the order in which they opened.
    var opened: [RoundID] {
        actions.compactMap { if case .open(let id, _) = $0 { id } else { nil } }
    }

    var cohorts: [[SiteID]] {
        actions.compactMap { if case .open(_, let cohort) = $0 { cohort } else { nil } }
    }

    var survivors: [[SiteID]] {
        actions.compactMap { if case .sum(_, let survivors) = $0 { survivors } else { nil } }
    }
}
