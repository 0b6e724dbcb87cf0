// SPDX-License-Identifier: Apache-2.0
// The statistics round: sums over sites against the pooled table, and sums that no data can give.

import Federation
import Randomness
import RingArithmetic
import Testing

@Suite struct StatisticsSumTests {
    private func sites(seed: UInt64, rows: Int = 200) -> [SampleTable] {
        var generator = SeededGenerator(seed: seed, stream: "tables")
        return (0..<5).map { _ in .random(rows: 1 + generator.index(below: rows), using: &generator) }
    }

    private func sum(_ tables: [SampleTable]) -> [Int64] {
        tables.map(\.vector).reduce([Int64](repeating: 0, count: 16)) { zip($0, $1).map { $0 + $1 } }
    }

    private func quantity(_ column: ColumnPreprocessing) -> (mean: Double, deviation: Double)? {
        if case .quantity(let mean, let deviation) = column { (mean, deviation) } else { nil }
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func sumsOverSitesGiveThePooledMoments(seed: UInt64) throws {
        let tables = sites(seed: seed)
        let pooled = tables.reduce(SampleTable(), +)
        let result = try StatisticsSum(contract: SampleTable.contract()).result(of: sum(tables))
        #expect(result.rows == pooled.labels.count)
        #expect(result.classCounts == [pooled.labels.count { $0 == 0 }, pooled.labels.count { $0 == 1 }])
        for (column, range) in SampleTable.ranges.enumerated() {
            let values = pooled.quantities.compactMap { $0[column] }
            let mean = values.reduce(0, +) / Double(values.count)
            let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
            let (foundMean, foundDeviation) = try #require(quantity(result.preprocessing.columns[column]))
            let span = range.maximum - range.minimum
            #expect(abs(foundMean - mean) <= 1e-8 * span, "seed \(seed), column \(column)")
            #expect(abs(foundDeviation - variance.squareRoot()) <= 1e-7 * span, "seed \(seed), column \(column)")
        }
    }

    @Test func oneSiteWithAllRowsSaysTheSame() throws {
        let tables = sites(seed: 3)
        let statistics = try StatisticsSum(contract: SampleTable.contract())
        let pooled = tables.reduce(SampleTable(), +)
        #expect(try statistics.result(of: sum(tables)) == statistics.result(of: pooled.vector))
    }

    @Test func constantColumnsBecomeZero() throws {
        var table = sites(seed: 1)[0]
        for row in table.quantities.indices { table.quantities[row] = [30, 60, 1e6] }
        let result = try StatisticsSum(contract: SampleTable.contract()).result(of: table.vector)
        for (column, value) in [30, 60, 1e6].enumerated() {
            let (mean, deviation) = try #require(quantity(result.preprocessing.columns[column]))
            let span = SampleTable.ranges[column].maximum - SampleTable.ranges[column].minimum
            #expect(abs(value - mean) / deviation < 1e-9)
            // Where the column is not constant after all, the input stays small.
            #expect(deviation == span)
        }
    }

    @Test func wideConstantColumnsBecomeZeroToo() throws {
        let wide = NumberColumn(unit: "u", minimum: -1e15, maximum: 1e15, outOfRange: .refuse)
        var contract = SampleTable.contract()
        contract.columns = [ColumnContract(name: "w", kind: .number(wide), missingCodes: []), contract.columns[4]]
        let z = Int64(1.0 / 3 * 0x1p30)
        let result = try StatisticsSum(contract: contract).result(of: [9, 9 * z, 9 * ((z * z) >> 30), 4, 5, 9])
        let (mean, deviation) = try #require(quantity(result.preprocessing.columns[0]))
        let value = -1e15 + 2e15 / 3
        #expect(abs(value - mean) / deviation < 1e-6)
    }

    @Test func unseenColumnsStandInTheMiddle() throws {
        var table = sites(seed: 1)[0]
        for row in table.quantities.indices { table.quantities[row] = [nil, nil, nil] }
        table.codes = table.codes.map { _ in nil }
        let result = try StatisticsSum(contract: SampleTable.contract(isStandardized: true)).result(of: table.vector)
        #expect(result.preprocessing.columns[0] == .quantity(mean: 60, deviation: 120))
        #expect(
            result.preprocessing.columns[3] == .category(fill: nil, centers: [0, 0, 0], scales: [1, 1, 1]))
    }

    @Test func categoriesAreFilledWithTheMostFrequentCode() throws {
        var table = sites(seed: 1)[0]
        table.codes = table.codes.indices.map { [1, 1, 2, nil, 0, 1, nil, nil, nil, nil][$0 % 10] }
        let columns = try StatisticsSum(contract: SampleTable.contract()).result(of: table.vector).preprocessing.columns
        #expect(columns[3] == .category(fill: 1, centers: [0, 0, 0], scales: [1, 1, 1]))
    }

    @Test func categoriesAreStandardisedWithTheirFrequencies() throws {
        var table = SampleTable()
        // Eight present: 2, 6 and 0 of the codes; two missing.
        for code in [0, 0, 1, 1, 1, 1, 1, 1, nil, nil] {
            table.quantities.append([1, 1, 1e6])
            table.codes.append(code)
            table.labels.append(0)
        }
        let whole = try StatisticsSum(contract: SampleTable.contract(isStandardized: true)).result(of: table.vector)
        let root = (0.25 * 0.75).squareRoot()
        #expect(
            whole.preprocessing.columns[3]
                == .category(fill: 1, centers: [0.25, 0.75, 0], scales: [root, root, 1]))
        let dropped = try StatisticsSum(contract: SampleTable.contract(dropsFirst: true, isStandardized: true))
            .result(of: table.vector)
        #expect(dropped.preprocessing.columns[3] == .category(fill: 1, centers: [0.75, 0], scales: [root, 1]))
    }

    @Test func theLayoutIsOneSectionOf64BitElements() throws {
        let sum = try StatisticsSum(contract: SampleTable.contract())
        // Three quantities, three codes and missing, two classes, rows.
        #expect(sum.layout.sections.map(\.name) == ["statistics"])
        #expect(sum.layout.sections[0].count == 3 * 3 + 4 + 2 + 1)
        #expect(sum.layout.packedByteCount == 16 * 8)
    }

    @Test func sumsThatNoDataCanGiveAreRefused() throws {
        let statistics = try StatisticsSum(contract: SampleTable.contract())
        let good = sum(sites(seed: 2))
        _ = try statistics.result(of: good)
        let changes: [(String, (inout [Int64]) -> Void)] = [
            ("no rows", { $0[15] = 0 }), ("negative rows", { $0[15] = -1 }), ("more rows", { $0[15] += 1 }),
            ("more present than rows", { $0[0] = $0[15] + 1 }), ("negative present", { $0[0] = -1 }),
            ("negative sum", { $0[1] = -1 }), ("negative squares", { $0[2] = -1 }),
            ("mean above the range", { $0[1] = $0[0] << 31 }), ("squares above the sum", { $0[2] = $0[1] + 1 }),
            ("squares below the squared mean", { $0[2] = $0[2] / 2 }),
            ("sum of an unseen column", { $0[0] = 0 }), ("huge sum", { $0[1] = .max }),
            ("huge squares", { $0[2] = .max }),
            ("one code more", { $0[9] += 1 }), ("negative code", { $0[9] = -1 }), ("huge code", { $0[9] = .max }),
            ("huge missing", { $0[12] = .max }), ("one class more", { $0[13] += 1 }),
            ("negative class", { $0[14] = -1 }),
            ("lowest numbers", { $0 = $0.map { _ in .min } }), ("highest numbers", { $0 = $0.map { _ in .max } }),
            ("too short", { $0.removeLast() }), ("too long", { $0.append(1) }), ("empty", { $0 = [] }),
        ]
        for (name, change) in changes {
            var bad = good
            change(&bad)
            #expect(throws: SumError.implausible, "\(name)") { try statistics.result(of: bad) }
        }
    }

    @Test func aNumberAsLabelIsCheckedToo() throws {
        var contract = SampleTable.contract()
        contract.columns[4].kind = .label(.number(unit: "u", minimum: 0, maximum: 10))
        let statistics = try StatisticsSum(contract: contract)
        var sums = [Int64](repeating: 0, count: 9) + [0, 0, 0, 4] + [4, 2 << 30, 3 << 29, 4]
        let result = try statistics.result(of: sums)
        #expect(result.classCounts.isEmpty && result.rows == 4)
        sums[14] = 5 << 30
        #expect(throws: SumError.implausible) { try statistics.result(of: sums) }
    }
}
