// SPDX-License-Identifier: Apache-2.0
// Encodes the groups for fairness statistics: listed codes or bands of a number, and "unknown" as the last level.

import Federation

/// Encodes one group column, batch by batch.
struct GroupEncoder {
    /// A level fits in one byte.
    static let levelLimit = 256

    /// The level of each kept row.
    var levels: [UInt8] = []
    private let name: String
    private var codes: CodeReader?
    private var bands: (reader: QuantityReader, edges: [Double])?
    private let levelNames: [String]
    private var counts: [Int]

    init(_ plan: ColumnPlan, group: GroupColumn) throws(DataError) {
        name = plan.contract.name
        guard group.levelCount <= Self.levelLimit else {
            throw DataError(
                .wrongContract, "the group `\(name)` has more than \(Self.levelLimit - 1) levels",
                hint: "a fairness group should hold many patients: use fewer, larger levels")
        }
        switch group.levels {
        case .codes(let codes):
            self.codes = CodeReader(plan, codes: codes)
            levelNames = codes + ["unknown"]
        case .bands(let edges):
            bands = (QuantityReader(decimal: plan), edges)
            levelNames = Self.bandNames(edges) + ["unknown"]
        }
        counts = Array(repeating: 0, count: group.levelCount)
    }

    mutating func encode(_ batch: RowBatch, kept: [Int]) {
        codes?.read(batch)
        bands?.reader.read(batch)
        for row in kept {
            let level = level(row) ?? counts.count - 1
            counts[level] += 1
            levels.append(UInt8(level))
        }
    }

    /// The level of a row of the last batch; `nil` when it is unknown.
    private func level(_ row: Int) -> Int? {
        if let codes { return codes.codes[row] >= 0 ? Int(codes.codes[row]) : nil }
        guard let bands, bands.reader.values[row].isFinite else { return nil }
        // `edges` ascend, so the level is the number of edges at or below the value.
        return bands.edges.reduce(0) { $0 + ($1 <= bands.reader.values[row] ? 1 : 0) }
    }

    var report: ColumnReport {
        ColumnReport(
            name: name, kind: "group", missing: 0, outOfRange: 0, unknownCodes: 0, summary: nil,
            levels: zip(levelNames, counts).map { LevelCount(level: $0, count: $1) })
    }

    private static func bandNames(_ edges: [Double]) -> [String] {
        let texts = edges.map(decimalText)
        guard let first = texts.first, let last = texts.last else { return ["all"] }
        return ["below \(first)"] + zip(texts, texts.dropFirst()).map { "\($0) to below \($1)" } + ["\(last) and above"]
    }
}
