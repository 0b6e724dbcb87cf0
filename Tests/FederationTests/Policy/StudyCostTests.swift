// SPDX-License-Identifier: Apache-2.0
// A study too large for a site is refused before any work, with its number, the limit, and what would fit.

import Federation
import NeuralNetworks
import Testing

@Suite struct StudyCostTests {
    private func sample() throws -> Study { try Study(document: SampleStudy.document("title", .string("A sample"))) }

    /// A valid study with layers whose outputs are 2²⁸ bytes or so for each example.
    private func giant(batchSize: Int) throws -> Study {
        var study = try sample()
        let features = study.data.features.count
        study.model = ModelSpecification(inputs: [.values("map", [1, features, 1])]) {
            Upsample(64)
            Upsample(64)
            for _ in 0..<4 { Upsample(1) }
            GlobalAveragePool()
            Dense(study.task.head.outputs)
        }
        study.training.batchSize = batchSize
        return study
    }

    private func findings(
        _ study: Study, memoryBytes: Int? = nil, operations: Int? = nil, rows: Int? = nil,
        machine: SiteMachine = SiteMachine(threads: 2, memoryBytes: .max)
    ) -> [PolicyFinding] {
        var policy = SitePolicy.allowing(study, dataset: "rows", federation: "demo")
        policy.compute.memoryBytes = memoryBytes
        policy.compute.operationsPerRound = operations
        return policy.judge(study, federation: "demo", dataset: "rows", rows: rows, machine: machine)
    }

    @Test func aStudyWithActivationsOfAThousandTerabytesIsRefused() throws {
        let study = try giant(batchSize: 1_000_000)
        _ = try study.model.graph(inputs: study.data.features.count, head: study.task.head)
        #expect(try StudyCost(study, threads: 2).memoryBytes > 1_000_000_000_000_000)
        let found = findings(study, memoryBytes: 4 << 30)
        #expect(found.map(\.key) == ["compute.memory"])
        let problem = try #require(found.first?.problem)
        #expect(problem.contains("\(try StudyCost(study, threads: 2).memoryBytes) bytes"))
        #expect(problem.contains("\(4 << 30) allowed"))
        #expect(problem.contains("would fit"))
    }

    @Test func theMachineIsALimitUnderAnyPolicy() throws {
        let study = try giant(batchSize: 1_000_000)
        for limit in [nil, Int.max] {
            let found = findings(
                study, memoryBytes: limit, machine: SiteMachine(threads: 2, memoryBytes: 1 << 34))
            #expect(found.map(\.key) == ["compute.memory"])
            #expect(found.first?.problem.contains("this machine has \(1 << 34)") == true)
        }
    }

    @Test func aStudyJustUnderTheLimitIsAllowedAndOneJustOverIsNot() throws {
        let study = try sample()
        let bytes = try StudyCost(study, threads: 2).memoryBytes
        #expect(findings(study, memoryBytes: bytes) == [])
        let found = findings(study, memoryBytes: bytes - 1)
        #expect(found.map(\.key) == ["compute.memory"])
        #expect(found.first?.problem.hasPrefix("about \(bytes) bytes of memory, \(bytes - 1) allowed; ") == true)
        #expect(findings(study, machine: SiteMachine(threads: 2, memoryBytes: bytes)) == [])
        #expect(findings(study, machine: SiteMachine(threads: 2, memoryBytes: bytes - 1)).count == 1)
    }

    @Test func theBatchThatIsNamedFits() throws {
        var study = try giant(batchSize: 64)
        let whole = try StudyCost(study, threads: 2).memoryBytes
        let problem = try #require(findings(study, memoryBytes: whole / 2).first?.problem)
        let words = problem.split(separator: " ")
        let place = try #require(words.firstIndex(of: "batch"))
        study.training.batchSize = try #require(Int(words[place + 2]))
        #expect(findings(study, memoryBytes: whole / 2) == [])
        study.training.batchSize += 1
        #expect(findings(study, memoryBytes: whole / 2).count == 1)
    }

    @Test func stepsAndEpochsCountOperations() throws {
        var study = try sample()
        study.training.batchSize = 8
        study.training.localWork = .steps(10)
        let operations = try #require(try StudyCost(study, threads: 1).operationsPerRound(rows: nil))
        #expect(findings(study, operations: operations) == [])
        let found = findings(study, operations: operations - 1)
        #expect(found.map(\.key) == ["compute.operationsPerRound"])
        #expect(found.first?.problem.hasSuffix("\(operations - 1) allowed; 9 steps a round would fit") == true)

        study.training.localWork = .epochs(3)
        #expect(try StudyCost(study, threads: 1).operationsPerRound(rows: nil) == nil)
        #expect(findings(study, operations: 1) == [])
        let ofEpochs = try #require(try StudyCost(study, threads: 1).operationsPerRound(rows: 80))
        #expect(ofEpochs == 3 * operations)
        #expect(findings(study, operations: ofEpochs, rows: 80) == [])
        #expect(
            findings(study, operations: ofEpochs - 1, rows: 80).first?.problem
                .hasSuffix("2 epochs a round would fit") == true)
    }

    @Test func aPolicyThatSaysNothingHasTheStandardLimit() throws {
        var study = try sample()
        study.training.localWork = .steps(.max)
        var policy = SitePolicy.allowing(study, dataset: "rows", federation: "demo")
        policy.compute.operationsPerRound = nil
        let found = policy.judge(
            study, federation: "demo", dataset: "rows", machine: SiteMachine(threads: 1, memoryBytes: .max))
        #expect(found.map(\.key) == ["compute.operationsPerRound"])
        #expect(found.first?.problem.contains("1000000000000000 allowed") == true)
    }

    @Test func scaffoldKeepsThreeVectorsMore() throws {
        var study = try sample()
        let plain = try StudyCost(study, threads: 1).memoryBytes(of: .training, rows: 0)
        study.federation.strategy = .scaffold(learningRate: 1)
        let parameters = try study.model.graph(inputs: study.data.features.count, head: study.task.head).parameterCount
        #expect(
            try StudyCost(study, threads: 1).memoryBytes(of: .training, rows: 0) == plain + 3 * 4 * parameters)
    }

    @Test func aRoundNeedsItsRowsToo() throws {
        let cost = try StudyCost(try sample(), threads: 1)
        let features = try sample().data.features.count
        #expect(cost.memoryBytes(of: .statistics, rows: 0) == 0)
        #expect(
            cost.memoryBytes(of: .training, rows: 1_000) - cost.memoryBytes(of: .training, rows: 0)
                == 4_000 * features)
        #expect(cost.memoryBytes(of: .training, rows: .max) == .max)
        #expect(cost.memoryBytes(of: .evaluation, rows: 10) < cost.memoryBytes(of: .evaluation, rows: 11))
    }
}
