// SPDX-License-Identifier: Apache-2.0
// Reads columns of numbers and of days, batch by batch.

import Federation
import Kernels

/// Reads a column of quantities: decimal numbers in the contract's unit, or days since a first day.
struct QuantityReader {
    enum Form {
        /// `value * scale + offset`.
        case decimal(mark: UInt8, scale: Double, offset: Double)
        case day(DateFormat, since: CalendarDay)
    }

    /// Stands in ``values`` for a text that is no quantity; no quantity is infinite.
    static let wrong = Double.infinity

    let column: Int
    private let form: Form
    private let missing: MissingCodes
    /// For each row of the last batch: the quantity, NaN when missing, ``wrong`` when it is none.
    private(set) var values = [Double](repeating: 0, count: RowBatch.rowCapacity)
    private var kinds = [UInt8](repeating: 0, count: RowBatch.rowCapacity)

    init(_ plan: ColumnPlan, form: Form) {
        column = plan.source
        missing = plan.missing
        self.form = form
    }

    init(decimal plan: ColumnPlan) {
        self.init(
            plan, form: .decimal(mark: plan.decimalMark, scale: plan.mapping.scale, offset: plan.mapping.offset))
    }

    mutating func read(_ batch: RowBatch) {
        switch form {
        case .decimal(let mark, let scale, let offset):
            consilium_parse_decimals(
                batch.bytes, batch.starts + column, batch.ends + column, batch.columnCount, batch.rowCount, mark,
                &values, &kinds)
            for row in 0..<batch.rowCount {
                let isNumber = kinds[row] == UInt8(CONSILIUM_FIELD_NUMBER.rawValue)
                if !isNumber || !missing.numbers.isEmpty { settle(batch, row: row, mark: mark) }
            }
            if scale != 1 || offset != 0 {
                for row in 0..<batch.rowCount { values[row] = values[row] * scale + offset }
            }
        case .day(let format, let first):
            for row in 0..<batch.rowCount {
                values[row] = batch.withField(row: row, column: column) { text in
                    if missing.contains(text) { return .nan }
                    guard let day = DayText.day(of: text, format: format) else { return Self.wrong }
                    return Double(day.daysSinceEpoch - first.daysSinceEpoch)
                }
            }
        }
    }

    /// Finishes a field that the kernel could not read, or whose number may mean "missing".
    private mutating func settle(_ batch: RowBatch, row: Int, mark: UInt8) {
        switch kinds[row] {
        case UInt8(CONSILIUM_FIELD_NUMBER.rawValue):
            if missing.numbers.contains(values[row]) { values[row] = .nan }
        case UInt8(CONSILIUM_FIELD_EMPTY.rawValue): values[row] = .nan
        default:
            values[row] = batch.withField(row: row, column: column) { text in
                missing.contains(text) ? .nan : DecimalText.value(of: text, mark: mark) ?? Self.wrong
            }
        }
    }
}
