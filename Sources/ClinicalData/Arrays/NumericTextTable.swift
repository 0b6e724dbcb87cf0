// SPDX-License-Identifier: Apache-2.0
// Reads plain tables of numbers: signals and features as archives of data sets keep them, also within gzip.

/// A table that holds numbers and nothing else.
///
/// For tables of patients, whose columns need a contract, use ``TableLoader``.
package struct NumericTextTable: Sendable {
    package let rowCount: Int
    package let columnCount: Int
    /// Shapes: `[rowCount, columnCount]`, row-major.
    package let values: [Float]

    /// Reads a table whose lines all have as many numbers as the first. Blank lines are passed over.
    ///
    /// - Parameters:
    ///   - separator: What stands between two numbers; `nil`: one blank or more.
    ///   - skippedLines: Lines in front that are no data, such as names.
    ///   - valueLimit: How many numbers the table may hold.
    /// - Throws: ``DataError`` `.wrongNumbers` with line and column, `.rowTooLong`, `.tooManyRows`, `.emptyTable` and
    ///   what reading bytes throws.
    package init(
        _ input: TableInput, separator: Separator? = nil, skippedLines: Int = 0, valueLimit: Int = 1 << 28
    ) throws(DataError) {
        let table = try TableText.read(input, encoding: nil) { text throws(DataError) in
            var lines = LineReader(text.source)
            var table = (rows: 0, columns: 0, values: [Float]())
            while let line = try lines.next() {
                if lines.number <= skippedLines || line.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) { continue }
                let before = table.values.count
                try Self.append(line, number: lines.number, separator, to: &table.values)
                let columns = table.values.count - before
                if table.rows == 0 { table.columns = columns }
                guard columns == table.columns else {
                    throw DataError(
                        .wrongNumbers, "line \(lines.number) has \(columns) numbers, the first has \(table.columns)",
                        hint: "check the separator, and whether the first lines are names to skip")
                }
                guard table.values.count <= valueLimit else {
                    throw DataError(
                        .tooManyRows, "the table holds more than \(valueLimit) numbers",
                        hint: "divide it into several files; if the file is trusted, raise the limit")
                }
                table.rows += 1
            }
            return table
        }
        guard table.rows > 0 else {
            throw DataError(.emptyTable, "the table is empty", hint: "export it again, one line of numbers a row")
        }
        (rowCount, columnCount, values) = (table.rows, table.columns, table.values)
    }

    /// The numbers of these columns, row-major: `[rowCount, columns.count]`.
    ///
    /// - Precondition: the columns exist; they count from 0.
    package func columns(_ columns: Range<Int>) -> [Float] {
        precondition(columns.lowerBound >= 0 && columns.upperBound <= columnCount, "\(columns) of \(columnCount)")
        return (0..<rowCount).flatMap { row in
            values[row * columnCount + columns.lowerBound..<row * columnCount + columns.upperBound]
        }
    }

    private static func append(
        _ line: ArraySlice<UInt8>, number: Int, _ separator: Separator?, to values: inout [Float]
    ) throws(DataError) {
        let fields =
            if let separator {
                line.split(separator: separator.byte, omittingEmptySubsequences: false)
            } else {
                line.split { $0 == 0x20 || $0 == 0x09 }
            }
        for (column, field) in fields.enumerated() {
            guard let value = field.withUnsafeBufferPointer({ DecimalText.value(of: $0) }), Float(value).isFinite else {
                throw DataError(
                    .wrongNumbers, "line \(number), column \(column + 1) is not a number that a float can hold",
                    hint: "check the separator, and whether the first lines are names to skip")
            }
            values.append(Float(value))
        }
    }
}

/// The lines of a text, ended by `\n`, `\r\n` or `\r`.
private struct LineReader {
    private static let blockBytes = 64 << 10

    private let source: any ByteSource
    private var block: ArraySlice<UInt8> = []
    private var skipsLineFeed = false
    /// The number of the last line that was read, from 1.
    private(set) var number = 0

    init(_ source: any ByteSource) { self.source = source }

    /// The next line without its end; nil after the last.
    mutating func next() throws(DataError) -> ArraySlice<UInt8>? {
        var line: ArraySlice<UInt8> = []
        while true {
            if block.isEmpty {
                block = try source.prefix(Self.blockBytes)[...]
                if block.isEmpty {
                    number += line.isEmpty ? 0 : 1
                    return line.isEmpty ? nil : line
                }
            }
            if skipsLineFeed, block.first == UInt8(ascii: "\n") { block.removeFirst() }
            skipsLineFeed = false
            let part = block.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
            if line.isEmpty { line = part } else { line += part }
            guard line.count <= RowScanner.rowBytesLimit else {
                throw DataError(
                    .rowTooLong, "line \(number + 1) is longer than 64 MiB", hint: "check that the file is a table")
            }
            block = block[part.endIndex...]
            guard let end = block.popFirst() else { continue }
            skipsLineFeed = end == UInt8(ascii: "\r")
            number += 1
            return line
        }
    }
}
