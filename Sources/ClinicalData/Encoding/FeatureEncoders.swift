// SPDX-License-Identifier: Apache-2.0
// Encodes the feature columns under the contract's rules for ranges and unknown codes, and counts what was met.

import Federation

/// Encodes one feature column, batch by batch.
///
/// Encoders are values that change in place, not classes, for speed: Swift checks every access to a class's variables
/// while it runs.
protocol FeatureEncoder {
    /// Encodes the rows of `batch` whose numbers in it are `kept`.
    mutating func encode(_ batch: RowBatch, kept: [Int])
    /// One value a kept row; NaN is missing.
    var values: [Float] { get set }
    var report: ColumnReport { get }
    var findings: [DataFinding] { get }
}

/// Counts and moments of a column's quantities.
struct QuantityTally {
    private(set) var present = 0
    private(set) var sum = 0.0
    private(set) var minimum = Double.infinity
    private(set) var maximum = -Double.infinity

    @inline(__always)
    mutating func add(_ value: Double) {
        present += 1
        sum += value
        minimum = min(minimum, value)
        maximum = max(maximum, value)
    }

    var summary: QuantitySummary? {
        present == 0 ? nil : QuantitySummary(minimum: minimum, maximum: maximum, mean: sum / Double(present))
    }
}

/// A number or date column.
struct QuantityEncoder: FeatureEncoder {
    var values: [Float] = []
    private let name: String
    private var reader: QuantityReader
    private let range: ClosedRange<Double>
    private let rule: OutOfRangeRule
    private let isDate: Bool
    private var tally = QuantityTally()
    private var missing = 0
    private var wrong = Places()
    private var outOfRange = Places()

    init(_ plan: ColumnPlan, reader: QuantityReader, range: ClosedRange<Double>, rule: OutOfRangeRule, isDate: Bool) {
        name = plan.contract.name
        self.reader = reader
        self.range = range
        self.rule = rule
        self.isDate = isDate
    }

    mutating func encode(_ batch: RowBatch, kept: [Int]) {
        reader.read(batch)
        let encoded = [Float](unsafeUninitializedCapacity: kept.count) { encoded, count in
            for (index, row) in kept.enumerated() {
                var value = reader.values[row]
                if !range.contains(value) { value = settle(value, line: batch.line(row)) }
                if !value.isNaN { tally.add(value) }
                // Adding zero makes -0 into 0: equal tables must have equal hashes.
                encoded[index] = Float(value + 0)
            }
            count = kept.count
        }
        values.append(contentsOf: encoded)
    }

    /// What becomes of a value that is missing (NaN), no quantity (infinite) or out of range.
    private mutating func settle(_ value: Double, line: Int) -> Double {
        if value.isInfinite { wrong.add(line: line) }
        guard value.isFinite else {
            missing += 1
            return .nan
        }
        outOfRange.add(line: line)
        if rule == .clip { return min(max(value, range.lowerBound), range.upperBound) }
        missing += 1
        return .nan
    }

    var report: ColumnReport {
        ColumnReport(
            name: name, kind: isDate ? "date" : "number", missing: missing, outOfRange: outOfRange.count,
            unknownCodes: 0, summary: tally.summary, levels: [])
    }

    var findings: [DataFinding] {
        let isConstant = tally.present > 1 && tally.minimum == tally.maximum
        let range: DataFinding? =
            switch rule {
            case .refuse: DataFinding(.refusal, .outOfRange, column: name, outOfRange)
            case .clip: DataFinding(.note, .valueClipped, column: name, outOfRange)
            case .missing: DataFinding(.note, .valueDropped, column: name, outOfRange)
            }
        return [
            DataFinding(.refusal, isDate ? .notADay : .notANumber, column: name, wrong), range,
            isConstant ? DataFinding(.warning, .constantColumn, column: name, count: tally.present) : nil,
        ].compactMap(\.self)
    }
}

/// A category column.
struct CategoryEncoder: FeatureEncoder {
    var values: [Float] = []
    private let name: String
    private let category: CategoryColumn
    private var reader: CodeReader
    private var counts: [Int]
    private var missing = 0
    private var unknown = Places()

    init(_ plan: ColumnPlan, category: CategoryColumn) {
        name = plan.contract.name
        self.category = category
        reader = CodeReader(plan, codes: category.codes)
        counts = Array(repeating: 0, count: category.codes.count)
    }

    mutating func encode(_ batch: RowBatch, kept: [Int]) {
        reader.read(batch)
        let encoded = [Float](unsafeUninitializedCapacity: kept.count) { encoded, count in
            for (index, row) in kept.enumerated() {
                let code = reader.codes[row]
                if code >= 0 {
                    counts[Int(code)] += 1
                    encoded[index] = Float(code)
                } else {
                    missing += 1
                    encoded[index] = .nan
                    if code == CodeBook.unknown { unknown.add(line: batch.line(row)) }
                }
            }
            count = kept.count
        }
        values.append(contentsOf: encoded)
    }

    var report: ColumnReport {
        ColumnReport(
            name: name, kind: "category", missing: missing, outOfRange: 0, unknownCodes: unknown.count, summary: nil,
            levels: zip(category.codes, counts).map { LevelCount(level: $0, count: $1) })
    }

    var findings: [DataFinding] {
        let present = counts.reduce(0, +)
        let isConstant = present > 1 && counts.contains(present)
        return [
            category.unknownCode == .refuse
                ? DataFinding(.refusal, .unknownCode, column: name, unknown)
                : DataFinding(.note, .codeDropped, column: name, unknown),
            isConstant ? DataFinding(.warning, .constantColumn, column: name, count: present) : nil,
        ].compactMap(\.self)
    }
}
