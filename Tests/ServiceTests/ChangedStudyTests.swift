// SPDX-License-Identifier: Apache-2.0
// An officer approves one study; whatever is changed in it afterwards is another one, and waits for another approval.

import ClinicalData
import Federation
import Testing
import WireProtocol

@Suite(.timeLimit(.minutes(3)))
struct ChangedStudyTests {
    /// What an aggregator might change under the same name.
    enum Change: CaseIterable, Sendable {
        case purpose, rounds, learningRate, minimumSites, bins

        func applied(to study: Study) -> Study {
            var study = study
            switch self {
            case .purpose: study.purpose = "something else"
            case .rounds: study.federation.rounds += 1
            case .learningRate: study.training.learningRate = 0.2
            case .minimumSites: study.federation.minimumSites = 2
            case .bins: study.evaluation.bins = 1_024
            }
            return study
        }
    }

    @Test(arguments: Change.allCases)
    func aStudyThatIsChangedAfterItsApprovalDoesNotRun(_ change: Change) async throws {
        let officer = try #require(StatementKey(seed: [UInt8](repeating: 9, count: 32)))
        var plan = SitePlan("a")
        plan.approves = false
        var policy = plan.policy
        policy.officers = [SitePolicy.Officer(name: "dpo", key: officer.publicKey)]
        plan.ownPolicy = policy
        try await LyingServer.run(plan: plan) { lies in
            let server = try await lies.welcomed()
            try await server.say(.studyOffer(lies.study.canonicalBytes))
            _ = try await server.hear { if case .decision = $0 { true } else { false } }
            let approval = Approval(
                study: lies.study.hash, site: lies.site.id, dataset: TestStudy.dataset,
                contentHash: try plan.dataset.table(named: TestStudy.dataset, for: lies.study.data).contentHash,
                policyHash: policy.hash, officer: "dpo", expires: EntryTime(seconds: .max))
            let reply = try await lies.site.ask(.approve(try SignedApproval(approval, signedBy: officer)))
            #expect(reply == .decided(study: lies.study.hash, .accepted))

            let changed = change.applied(to: lies.study)
            #expect(changed.name == lies.study.name && changed.hash != lies.study.hash)
            try await server.say(.studyOffer(changed.canonicalBytes))
            let decision = try await server.hear { if case .decision(changed.hash, _) = $0 { true } else { false } }
            #expect(decision == .decision(study: changed.hash, .declined(.notApproved)))
            let statistics = RoundTask(
                study: changed.hash, id: RoundID(kind: .statistics, round: 0, attempt: 1), sites: 3, inputs: [])
            try await server.say(.roundOpen(statistics))
            #expect(try await server.withheld(statistics.hash) == .taskMismatch)
            // Nor does the approval travel to it.
            var moved = approval
            moved.study = changed.hash
            let forged = SignedApproval(
                approval: moved, signature: try SignedApproval(approval, signedBy: officer).signature)
            guard case .error = try await lies.site.ask(.approve(forged)) else {
                throw TestFailure("a signature for one study approved another")
            }
            #expect(lies.offers == 0)
            // The one that was approved runs.
            try await lies.expectHonestRound(on: server)
        }
    }
}
