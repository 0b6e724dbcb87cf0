// SPDX-License-Identifier: Apache-2.0

import Federation
import Testing

@Suite struct SitePolicyTests {
    private static let machine = SiteMachine(threads: 2, memoryBytes: .max)

    private func study() throws -> Study { try Study(document: SampleStudy.document("title", .string("A sample"))) }

    private func allowing() throws -> SitePolicy {
        SitePolicy.allowing(try study(), dataset: "rows", federation: "demo")
    }

    @Test func theEmptyPolicyRefusesEverything() throws {
        let findings = SitePolicy().judge(try study(), federation: "demo", dataset: "rows", machine: Self.machine)
        #expect(
            findings.map(\.key) == [
                "federations", "tasks", "layers", "datasets", "minimumSites", "compute.rounds",
                "compute.stepsPerRound", "compute.parameters", "exposesIndividualUpdates",
            ])
        #expect(findings.allSatisfy { !$0.problem.isEmpty && !$0.hint.isEmpty })
    }

    @Test func theLeastPolicyThatAllowsAStudyAllowsIt() throws {
        #expect(
            try allowing().judge(try study(), federation: "demo", dataset: "rows", rows: 1, machine: Self.machine) == []
        )
    }

    @Test func theNumberOfRowsCountsOnceItIsKnown() throws {
        var policy = try allowing()
        policy.datasets = [SitePolicy.DatasetRule(name: "rows", minimumRows: 50)]
        #expect(policy.judge(try study(), federation: "demo", dataset: "rows", machine: Self.machine) == [])
        #expect(policy.judge(try study(), federation: "demo", dataset: "rows", rows: 50, machine: Self.machine) == [])
        #expect(
            policy.judge(try study(), federation: "demo", dataset: "rows", rows: 49, machine: Self.machine).map(\.key)
                == ["datasets"])
    }

    @Test func epochsBecomeStepsWithTheRows() throws {
        var training = try study().training
        training.localWork = .epochs(2)
        var policy = try allowing()
        policy.compute.stepsPerRound = 20
        #expect(policy.allowsSteps(of: training, rows: 40))
        #expect(!policy.allowsSteps(of: training, rows: 41))
    }

    @Test func everyLimitIsPartOfTheHash() throws {
        let policy = try allowing()
        var others: [SitePolicy] = []
        func change(_ body: (inout SitePolicy) -> Void) {
            var other = policy
            body(&other)
            others.append(other)
        }
        change { $0.federations.append("other") }
        change { $0.tasks.append(.regression) }
        change { $0.layers.append("dropout") }
        change { $0.datasets[0].minimumRows += 1 }
        change { $0.minimumSites += 1 }
        change { $0.compute.rounds += 1 }
        change { $0.compute.stepsPerRound += 1 }
        change { $0.compute.parameters += 1 }
        change { $0.compute.memoryBytes = 1 << 30 }
        change { $0.compute.memoryBytes = 1 << 31 }
        change { $0.compute.operationsPerRound = 1 << 40 }
        change { $0.hours = [TimeWindow(days: [.monday], from: 0, to: 60)] }
        change { $0.exposesIndividualUpdates.toggle() }
        let key = try #require(StatementKey(seed: [UInt8](repeating: 1, count: 32))).publicKey
        change { $0.officers = [SitePolicy.Officer(name: "dpo", key: key)] }
        #expect(Set(([policy] + others).map(\.hash)).count == others.count + 1)
    }

    @Test func anApprovalByHashGoesBeforeOneByName() {
        let (one, other) = (Digest(of: [1], domain: "test"), Digest(of: [2], domain: "test"))
        let approvals = [
            StandingApproval(study: .name("heart"), dataset: "old"),
            StandingApproval(study: .hash(one), dataset: "new"),
        ]
        #expect(approvals.approval(name: "heart", hash: one)?.dataset == "new")
        #expect(approvals.approval(name: "heart", hash: other)?.dataset == "old")
        #expect(approvals.approval(name: "lungs", hash: other) == nil)
    }
}

@Suite struct TimeWindowTests {
    @Test func aSpanWithinOneDay() {
        let window = TimeWindow(days: [.monday], from: 8 * 60, to: 18 * 60)
        #expect(!window.contains(.monday, minute: 8 * 60 - 1))
        #expect(window.contains(.monday, minute: 8 * 60))
        #expect(window.contains(.monday, minute: 18 * 60 - 1))
        #expect(!window.contains(.monday, minute: 18 * 60))
        #expect(!window.contains(.tuesday, minute: 12 * 60))
    }

    @Test func aSpanPastMidnightBelongsToTheDayItBeginsOn() {
        let window = TimeWindow(days: [.sunday], from: 20 * 60, to: 6 * 60)
        #expect(window.contains(.sunday, minute: 23 * 60))
        #expect(window.contains(.monday, minute: 5 * 60))
        #expect(!window.contains(.sunday, minute: 5 * 60))
        #expect(!window.contains(.monday, minute: 23 * 60))
        #expect(!window.contains(.monday, minute: 6 * 60))
    }

    @Test func noWindowsMeanAnyTime() {
        #expect([TimeWindow]().allow(.friday, minute: 0))
        #expect(![TimeWindow(days: [.monday], from: 0, to: 1_440)].allow(.friday, minute: 0))
    }
}

@Suite struct ApprovalTests {
    private let officer = StatementKey(seed: [UInt8](repeating: 2, count: 32))

    @Test func isReadBackFromItsBytesAndNoOthers() throws {
        let approval = try sample()
        #expect(try Approval(canonicalBytes: approval.canonicalBytes) == approval)
        let text = String(decoding: approval.canonicalBytes, as: UTF8.self)
        for (old, new) in [("2027", "2127x"), ("cleveland", "-"), ("\"dataset\"", "\"data set\"")] {
            #expect(throws: (any Error).self) {
                try Approval(canonicalBytes: Array(text.replacing(old, with: new).utf8))
            }
        }
    }

    @Test func theSignatureCoversEveryField() throws {
        let signed = try SignedApproval(try sample(), signedBy: try #require(officer))
        let key = try #require(officer).publicKey
        var changed: [Approval] = []
        for index in 0..<7 {
            var approval = signed.approval
            switch index {
            case 0: approval.study = Digest(of: [9], domain: "")
            case 1: approval.site = try #require(SiteID("budapest"))
            case 2: approval.dataset = "other"
            case 3: approval.contentHash = Digest(of: [9], domain: "")
            case 4: approval.policyHash = Digest(of: [9], domain: "")
            case 5: approval.officer = "other"
            default: approval.expires = EntryTime(seconds: 0)
            }
            changed.append(approval)
        }
        #expect(key.verifies(signed.signature, of: signed.approval.canonicalBytes, domain: Approval.domain))
        for approval in changed {
            #expect(!key.verifies(signed.signature, of: approval.canonicalBytes, domain: Approval.domain))
        }
    }

    private func sample() throws -> Approval {
        Approval(
            study: Digest(of: [1], domain: ""), site: try #require(SiteID("cleveland")), dataset: "rows",
            contentHash: Digest(of: [2], domain: ""), policyHash: Digest(of: [3], domain: ""), officer: "dpo",
            expires: try #require(EntryTime(text: "2027-01-01T00:00:00Z")))
    }
}
