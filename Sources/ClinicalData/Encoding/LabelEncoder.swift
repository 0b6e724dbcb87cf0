// SPDX-License-Identifier: Apache-2.0
// Encodes the label and decides which rows take part: those that have one.

import Federation

/// Encodes the label column, batch by batch.
struct LabelEncoder {
    /// 0 or 1, the class index, or the quantity of each kept row.
    var values: [Float] = []
    private(set) var withoutLabel = 0
    private(set) var tally = QuantityTally()
    private let name: String
    /// For classes; `labels[code]` is the label of a code.
    private var codes: (reader: CodeReader, labels: [Float])?
    /// For a quantity.
    private var quantities: (reader: QuantityReader, range: ClosedRange<Double>)?
    private let levelNames: [String]
    private var unknown = Places()
    private var outOfRange = Places()
    private var wrong = Places()

    init(_ plan: ColumnPlan, kind: LabelColumn) {
        name = plan.contract.name
        let codes = plan.contract.kind.codes ?? []
        switch kind {
        case .binary(_, let negative):
            levelNames = ["negative", "positive"]
            self.codes = (CodeReader(plan, codes: codes), codes.indices.map { $0 < negative.count ? 0 : 1 })
        case .classes:
            levelNames = codes
            self.codes = (CodeReader(plan, codes: codes), codes.indices.map(Float.init))
        case .number(_, let minimum, let maximum):
            levelNames = []
            quantities = (QuantityReader(decimal: plan), minimum...max(minimum, maximum))
        }
    }

    /// Encodes the labels of `batch` and returns the numbers of the rows that have one.
    mutating func encode(_ batch: RowBatch) -> [Int] {
        var kept: [Int] = []
        kept.reserveCapacity(batch.rowCount)
        codes?.reader.read(batch)
        quantities?.reader.read(batch)
        if let codes {
            for row in 0..<batch.rowCount {
                let code = codes.reader.codes[row]
                if code >= 0 {
                    values.append(codes.labels[Int(code)])
                    kept.append(row)
                } else if code == CodeBook.missing {
                    withoutLabel += 1
                } else {
                    unknown.add(line: batch.line(row))
                }
            }
        } else if let quantities {
            for row in 0..<batch.rowCount {
                let value = quantities.reader.values[row]
                if quantities.range.contains(value) {
                    tally.add(value)
                    values.append(Float(value + 0))
                    kept.append(row)
                } else if value.isNaN {
                    withoutLabel += 1
                } else if value.isInfinite {
                    wrong.add(line: batch.line(row))
                } else {
                    outOfRange.add(line: batch.line(row))
                }
            }
        }
        return kept
    }

    /// The report of the label over the rows that have one.
    var report: ColumnReport {
        var counts = levelNames.map { LevelCount(level: $0, count: 0) }
        if !counts.isEmpty { for value in values { counts[Int(value)].count += 1 } }
        return ColumnReport(
            name: name, kind: "label", missing: withoutLabel, outOfRange: outOfRange.count,
            unknownCodes: unknown.count, summary: tally.summary, levels: counts)
    }

    var findings: [DataFinding] {
        [
            DataFinding(.refusal, .unknownLabel, column: name, unknown),
            DataFinding(.refusal, .notANumber, column: name, wrong),
            DataFinding(.refusal, .labelOutOfRange, column: name, outOfRange),
            withoutLabel > 0 ? DataFinding(.note, .rowWithoutLabel, column: name, count: withoutLabel) : nil,
        ].compactMap(\.self)
    }

    /// A warning when the rows in use all have the same class.
    func oneClassFinding(split: [EncodedTable.Split]) -> DataFinding? {
        guard !levelNames.isEmpty else { return nil }
        var seen: Float?
        var count = 0
        for (label, part) in zip(values, split) where part != .excluded {
            if let seen, seen != label { return nil }
            seen = label
            count += 1
        }
        return count > 0 ? DataFinding(.warning, .oneClassOnly, column: name, count: count) : nil
    }
}
