// SPDX-License-Identifier: Apache-2.0
// Preprocessing as a document: it reads back exactly, and one that does not fit the contract is refused.

import Federation
import Randomness
import Testing

@Suite struct PreprocessingTests {
    private let contract = SampleTable.contract(dropsFirst: true, isStandardized: true)

    private func read(_ value: CanonicalValue) throws -> Preprocessing {
        try Preprocessing(document: value.documentNode, contract: contract)
    }

    @Test(arguments: 1...30 as ClosedRange<UInt64>)
    func everyResultReadsBack(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed, stream: "preprocessing")
        let table = SampleTable.random(rows: 1 + generator.index(below: 30), using: &generator)
        let preprocessing = try StatisticsSum(contract: contract).result(of: table.vector).preprocessing
        let bytes = preprocessing.canonicalValue.bytes
        #expect(try read(CanonicalValue(canonicalBytes: bytes)) == preprocessing, "seed \(seed)")
    }

    @Test func aColumnThatNobodyHasSeenReadsBack() throws {
        var table = SampleTable()
        table.quantities = [[nil, nil, nil]]
        table.codes = [nil]
        table.labels = [1]
        let preprocessing = try StatisticsSum(contract: contract).result(of: table.vector).preprocessing
        #expect(preprocessing.columns[3] == .category(fill: nil, centers: [0, 0], scales: [1, 1]))
        #expect(try read(preprocessing.canonicalValue) == preprocessing)
    }

    @Test func whatDoesNotFitTheContractIsRefused() throws {
        let quantity = CanonicalValue.object(["mean": .decimal(1), "deviation": .decimal(2)])
        func category(_ fill: CanonicalValue, _ centers: [Double], _ scales: [Double]) -> CanonicalValue {
            .object([
                "fill": fill, "centers": .array(centers.map { .decimal($0) }),
                "scales": .array(scales.map { .decimal($0) }),
            ])
        }
        func changed(_ key: String, _ text: String) -> CanonicalValue {
            var fields: [String: CanonicalValue] = ["mean": .decimal(1), "deviation": .decimal(2)]
            fields[key] = .string(text)
            return .array([.object(fields), quantity, quantity, category(.count(0), [0, 0], [1, 1])])
        }
        let good = category(.count(2), [0, 0], [1, 1])
        _ = try read(.array([quantity, quantity, quantity, good]))
        let bad: [CanonicalValue] = [
            .array([]), .array([quantity, quantity, quantity]), .array([quantity, quantity, quantity, good, good]),
            .array([good, quantity, quantity, good]), .array([quantity, quantity, quantity, quantity]), .string("x"),
            .array([quantity, quantity, quantity, category(.count(3), [0, 0], [1, 1])]),
            .array([quantity, quantity, quantity, category(.string("some"), [0, 0], [1, 1])]),
            .array([quantity, quantity, quantity, category(.count(0), [0], [1, 1])]),
            .array([quantity, quantity, quantity, category(.count(0), [0, 0], [1, 1, 1])]),
            .array([quantity, quantity, quantity, category(.count(0), [0, 0], [1, 0])]),
            .array([quantity, quantity, quantity, category(.count(0), [0, 0], [1, -1])]),
            changed("deviation", "0"), changed("deviation", "-1"), changed("deviation", "nan"),
            changed("deviation", "inf"), changed("mean", "nan"), changed("mean", "-inf"), changed("mean", "1e999"),
            changed("mean", ""), changed("median", "1"),
        ]
        for (index, document) in bad.enumerated() {
            #expect(throws: DocumentError.self, "document \(index)") { try read(document) }
        }
    }
}
