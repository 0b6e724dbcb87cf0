// SPDX-License-Identifier: Apache-2.0

import Federation
import RingArithmetic
import Testing

@Suite struct EgressManifestTests {
    private func manifest(_ change: (inout Study) -> Void = { _ in }) throws -> EgressManifest {
        var study = try Study(document: SampleStudy.document("title", .string("A sample")))
        change(&study)
        return try EgressManifest(study, sites: 2...4)
    }

    @Test func hasEveryKindOnce() throws {
        let kinds = try manifest().items.map(\.kind)
        #expect(Set(kinds) == Set(EgressManifest.Kind.allCases) && kinds.count == Set(kinds).count)
    }

    @Test func theFieldsOfAVectorAreAsManyAsItsElements() throws {
        let study = try Study(document: SampleStudy.document("title", .string("A sample")))
        let manifest = try manifest()
        func count(_ kind: EgressManifest.Kind) -> Int {
            manifest[kind]?.fields.reduce(0) { $0 + $1.count } ?? 0
        }
        func elements(_ sections: [Int]) -> Int { sections.reduce(0, +) }
        #expect(
            count(.statisticsVector)
                == elements(try StatisticsSum(contract: study.data).layout.sections.map(\.count)))
        let parameters = manifest[.updateVector]?.fields.first { $0.name == "update" }?.count ?? 0
        #expect(
            count(.updateVector)
                == elements(
                    try UpdateSum(terms: study.federation, parameterCount: parameters, sites: 2).layout.sections
                        .map(\.count)))
        #expect(
            count(.evaluationVector)
                == elements(
                    try EvaluationSum(task: study.task, bins: study.evaluation.bins).layout.sections.map(\.count)))
    }

    @Test func onlyVectorsComeFromPatients() throws {
        for item in try manifest().items {
            let isVector = item.kind.rawValue.hasSuffix("Vector")
            #expect(item.fields.allSatisfy { $0.isFromData == isVector }, "\(item.kind)")
        }
    }

    @Test func scaffoldSendsItsControlsToo() throws {
        let plain = try manifest()
        let scaffold = try manifest { $0.federation.strategy = .scaffold(learningRate: 1) }
        #expect(plain[.updateVector]?.fields.contains { $0.name == "controls" } == false)
        #expect(scaffold[.updateVector]?.fields.contains { $0.name == "controls" } == true)
    }
}
