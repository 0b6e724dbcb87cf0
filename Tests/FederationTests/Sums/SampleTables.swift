// SPDX-License-Identifier: Apache-2.0
// Random tables for the tests of sums, and their statistics vectors made by hand.

import Federation
import Randomness

/// Rows of quantities (nil is missing), codes and labels, in the order of a contract made by ``contract``.
struct SampleTable {
    var quantities: [[Double?]] = []
    var codes: [Int?] = []
    var labels: [Int] = []

    static let ranges: [(minimum: Double, maximum: Double)] = [(0, 120), (-40, 60), (1e6, 1e6 + 1)]
    static let codeCount = 3

    static func contract(dropsFirst: Bool = false, isStandardized: Bool = false) -> DataContract {
        var columns = ranges.enumerated().map { index, range in
            ColumnContract(
                name: "q\(index)",
                kind: .number(
                    NumberColumn(unit: "u", minimum: range.minimum, maximum: range.maximum, outOfRange: .refuse)),
                missingCodes: [])
        }
        columns.append(
            ColumnContract(
                name: "c",
                kind: .category(
                    CategoryColumn(
                        codes: ["a", "b", "c"], unknownCode: .refuse, dropsFirst: dropsFirst,
                        isStandardized: isStandardized)), missingCodes: []))
        columns.append(
            ColumnContract(name: "y", kind: .label(.binary(positive: ["1"], negative: ["0"])), missingCodes: []))
        return DataContract(columns: columns, holdout: Holdout(testFraction: 0, seed: 0))
    }

    /// Draws `rows` rows; a tenth of the values is missing.
    static func random(rows: Int, using generator: inout SeededGenerator) -> SampleTable {
        var table = SampleTable()
        for _ in 0..<rows {
            table.quantities.append(
                ranges.map { range in
                    let value = range.minimum + generator.uniformDouble() * (range.maximum - range.minimum)
                    return generator.index(below: 10) == 0 ? nil : value
                })
            table.codes.append(generator.index(below: 10) == 0 ? nil : min(generator.index(below: 5), codeCount - 1))
            table.labels.append(generator.index(below: 2))
        }
        return table
    }

    /// The statistics vector, straight from its definition.
    var vector: [Int64] {
        var vector: [Int64] = []
        for (column, range) in Self.ranges.enumerated() {
            let scaled = quantities.compactMap { row in
                row[column].map { ($0 - range.minimum) / (range.maximum - range.minimum) }
            }
            vector.append(Int64(scaled.count))
            vector.append(scaled.reduce(0) { $0 + Int64(($1 * 0x1p30 + 0.5).rounded(.down)) })
            vector.append(scaled.reduce(0) { $0 + Int64(($1 * $1 * 0x1p30 + 0.5).rounded(.down)) })
        }
        for code in 0..<Self.codeCount { vector.append(Int64(codes.count { $0 == code })) }
        vector.append(Int64(codes.count { $0 == nil }))
        for label in 0...1 { vector.append(Int64(labels.count { $0 == label })) }
        return vector + [Int64(labels.count)]
    }

    static func + (left: SampleTable, right: SampleTable) -> SampleTable {
        SampleTable(
            quantities: left.quantities + right.quantities, codes: left.codes + right.codes,
            labels: left.labels + right.labels)
    }
}
