// SPDX-License-Identifier: Apache-2.0
// Guesses what a column of an unknown table holds.

import Federation

/// What has been seen of one column.
struct ColumnGuess {
    static let missingCodes: Set<String> = ["?", "NA", "N/A", "NaN", "nan", "NULL", "null"]
    private static let missing = MissingCodes(Array(missingCodes))

    private(set) var missing = 0
    private var present = 0
    private var areWhole = true
    private var areNumbers = true
    private var formats = Set(DateFormat.allCases)
    private var seen = TextIndex()

    mutating func add(_ batch: RowBatch, column: Int) {
        for row in 0..<batch.rowCount { batch.withField(row: row, column: column) { add($0) } }
    }

    private mutating func add(_ text: UnsafeBufferPointer<UInt8>) {
        if text.isEmpty || Self.missing.contains(text) {
            missing += 1
            return
        }
        present += 1
        if areNumbers {
            if let number = DecimalText.value(of: text) {
                areWhole = areWhole && number == number.rounded()
            } else {
                areNumbers = false
            }
        }
        if !formats.isEmpty { formats = formats.filter { DayText.day(of: text, format: $0) != nil } }
        if seen.count <= TableDescription.distinctLimit { _ = seen.number(of: text) }
    }

    /// The number of different texts; `nil` when there are too many to tell.
    var distinct: Int? { seen.count <= TableDescription.distinctLimit ? seen.count : nil }

    var kind: TableDescription.Kind {
        if present == 0 { return .empty }
        if !formats.isEmpty { return .date }
        // Few different whole numbers in many rows are codes more often than amounts.
        let isCoded = distinct.map { $0 * 2 <= present } ?? false
        if areNumbers && !(areWhole && isCoded) { return areWhole ? .wholeNumber : .number }
        return isCoded || distinct == 1 ? .category : .text
    }
}
