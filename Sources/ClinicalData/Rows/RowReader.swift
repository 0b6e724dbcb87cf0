// SPDX-License-Identifier: Apache-2.0
// Reads a table as a header and batches of rows of equal width.

/// The rows of a table, in order.
final class RowReader {
    static let columnLimit = 100_000
    static let rowLimit = Int(Int32.max)

    /// The header's names, trimmed; `nil` for a table without a header.
    let header: [String]?
    let columnCount: Int
    let separator: Separator
    /// Rows of another width than the first row; they are left out of every batch.
    private(set) var ragged = Places()
    /// Data rows handed out so far.
    private(set) var rowsRead = 0

    private let scanner: RowScanner
    private let positions: FieldPositions

    /// Opens the rows of `text` and reads its header, or finds the width of its first row.
    ///
    /// - Parameter blockBytes: What is read at a time; grows when a single row is longer.
    /// - Throws: ``DataError`` `.emptyTable`, `.tooManyColumns`, `.duplicateColumn` and what reading bytes throws.
    init(
        _ text: TableText, separator given: Separator?, hasHeader: Bool, blockBytes: Int = 256 << 10
    ) throws(DataError) {
        separator = given ?? Separator.detect(in: text.sample)
        scanner = RowScanner(text.source, separator: separator, blockBytes: blockBytes)
        let first = FieldPositions(rowCapacity: 1, columnCount: Self.columnLimit)
        guard let width = try scanner.scanFirstRow(into: first, keepsRow: !hasHeader) else {
            throw DataError(
                .emptyTable, "the table is empty", hint: "export it again, with one line of column names and its rows")
        }
        columnCount = width
        header = hasHeader ? Self.names(in: scanner.batch(first, rows: 1, width: width, firstRow: 0)) : nil
        positions = FieldPositions(
            rowCapacity: max(1, min(RowBatch.rowCapacity, (1 << 20) / width)), columnCount: width)
        if let header { try Self.refuseDuplicates(header) }
    }

    /// The next rows, `nil` at the end.
    func next() throws(DataError) -> RowBatch? {
        let rows = try scanner.scan(into: positions, ragged: &ragged)
        guard rows > 0 else { return nil }
        guard rowsRead <= Self.rowLimit - rows else {
            throw DataError(
                .tooManyRows, "the table has more than \(Self.rowLimit) rows", hint: "divide it among several sites")
        }
        defer { rowsRead += rows }
        return scanner.batch(positions, rows: rows, width: columnCount, firstRow: rowsRead)
    }

    private static func names(in batch: RowBatch) -> [String] {
        (0..<batch.columnCount).map { column in
            batch.withField(row: 0, column: column) { String(decoding: $0, as: UTF8.self) }
        }
    }

    /// Columns without a name may occur often; they can only be mapped by number.
    private static func refuseDuplicates(_ names: [String]) throws(DataError) {
        var seen: [String: Int] = [:]
        for (index, name) in names.enumerated() where !name.isEmpty {
            guard let earlier = seen.updateValue(index, forKey: name) else { continue }
            // Not the name: when the table has no header after all, it is a patient's value.
            throw DataError(
                .duplicateColumn, "columns \(earlier + 1) and \(index + 1) have the same name",
                hint: "rename one, or say `header: false` when the first line is data")
        }
    }
}

extension RowScanner {
    /// The rows that the last scan put into `positions`.
    func batch(_ positions: FieldPositions, rows: Int, width: Int, firstRow: Int) -> RowBatch {
        RowBatch(
            bytes: bytes, starts: positions.starts, ends: positions.ends, lines: positions.lines, rowCount: rows,
            columnCount: width, firstRow: firstRow)
    }
}
