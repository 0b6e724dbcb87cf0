// SPDX-License-Identifier: Apache-2.0
// The model's input matrix and the integers of the statistics round.

import ClinicalData
import Federation
import Testing

@Suite struct FeatureMatrixTests {
    private let contract = Sample.contract(
        Sample.number("x", 0...10), Sample.category("c", ["a", "b", "d"]),
        Sample.category("e", ["p", "q"], dropsFirst: true))
    private let text = "x,c,e,y\n2,a,p,0\n,d,q,1\n8,,,1\n10,b,q,0\n"

    private func preprocessing(fill: Int?) -> Preprocessing {
        Preprocessing(columns: [
            .quantity(mean: 4, deviation: 2), .category(fill: fill, centers: [0, 0.5, 0], scales: [1, 0.5, 1]),
            .category(fill: fill == nil ? nil : 1, centers: [0], scales: [1]),
        ])
    }

    @Test func rowsAreStandardisedAndIndicated() throws {
        let table = try load(text, contract).table
        let matrix = try FeatureMatrix.encode(table, preprocessing: preprocessing(fill: 2), rows: [0, 1, 2])
        #expect(matrix == [-1, 1, -1, 0, 0, 0, 0, -1, 1, 1, 2, 0, -1, 1, 1])
    }

    @Test func missingCategoriesWithoutAFillHaveNoIndicator() throws {
        let table = try load(text, contract).table
        let matrix = try FeatureMatrix.encode(table, preprocessing: preprocessing(fill: nil), rows: [2])
        #expect(matrix == [2, 0, -1, 0, 0])
    }

    @Test func rowsAreTakenInTheOrderAskedForAcrossBlocks() throws {
        let many = "x,c,e,y\n" + (0..<1_000).map { "\(Double($0) / 100),a,p,\($0 % 2)\n" }.joined()
        let table = try load(many, contract).table
        let rows = (0..<1_000).reversed().map { Int32($0) } + [5, 5]
        let matrix = try FeatureMatrix.encode(table, preprocessing: preprocessing(fill: 0), rows: rows)
        for (index, row) in rows.enumerated() {
            let expected = Float((Double(Float(Double(row) / 100)) - 4) / 2)
            #expect(matrix[index * 5] == expected)
            #expect(Array(matrix[index * 5 + 1..<index * 5 + 5]) == [1, -1, 0, 0])
        }
        #expect(try FeatureMatrix.encode(table, preprocessing: preprocessing(fill: 0), rows: []).isEmpty)
    }

    @Test func foreignPreprocessingIsRefused() throws {
        let table = try load(text, contract).table
        let good = preprocessing(fill: 0).columns
        let wrong: [[ColumnPreprocessing]] = [
            [], Array(good.dropLast()), [good[1], good[0], good[2]],
            [.quantity(mean: 0, deviation: 0), good[1], good[2]],
            [good[0], .category(fill: 3, centers: [0, 0, 0], scales: [1, 1, 1]), good[2]],
            [good[0], .category(fill: 0, centers: [0, 0], scales: [1, 1]), good[2]],
            [good[0], .category(fill: 0, centers: [0, 0, 0], scales: [1, 0, 1]), good[2]],
        ]
        for columns in wrong {
            let error = dataError { () throws(DataError) in
                try FeatureMatrix.encode(table, preprocessing: Preprocessing(columns: columns), rows: [0])
            }
            #expect(error?.code == .wrongPreprocessing)
        }
    }

    @Test func momentsAndCountsAreExactIntegers() throws {
        let table = try load(text, contract).table
        let unit = Int64(1) << 30
        func units(_ value: Double) -> Int64 { Int64((value * 0x1p30).rounded()) }
        #expect(
            TableMoments.vector(of: table, rows: [0, 1, 2, 3]) == [
                3, units(0.2) + units(0.8) + unit, units(0.04) + units(0.64) + unit, 1, 1, 1, 1, 1, 2, 1, 2, 2, 4,
            ])
        let parts = [[0, 2], [1, 3]].map { TableMoments.vector(of: table, rows: $0) }
        #expect(zip(parts[0], parts[1]).map { $0 + $1 } == TableMoments.vector(of: table, rows: [0, 1, 2, 3]))
        #expect(TableMoments.vector(of: table, rows: []) == Array(repeating: 0, count: 13))
    }

    @Test func quantityLabelsGiveMoments() throws {
        let contract = DataContract(
            columns: [
                ColumnContract(name: "y", kind: .label(.number(unit: "d", minimum: 0, maximum: 4)), missingCodes: [])
            ], holdout: Holdout(testFraction: 0, seed: 0))
        let table = try load("y\n1\n4\n", contract).table
        let quarter = Int64(1) << 28
        #expect(TableMoments.vector(of: table, rows: [0, 1]) == [2, 5 * quarter, quarter / 4 + 4 * quarter, 2])
    }
}
