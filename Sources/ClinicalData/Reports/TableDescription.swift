// SPDX-License-Identifier: Apache-2.0
// What a table without a contract looks like, to help write the mapping; no value is shown.

/// A first look at an unknown table.
///
/// Privacy: column names and counts for eyes at the site; holds no value of the table.
package struct TableDescription: Hashable, Sendable, Codable {
    /// What a column seems to hold.
    package enum Kind: String, CaseIterable, Hashable, Sendable, Codable {
        case empty
        case wholeNumber
        case number
        /// Days in one of the contract's date formats.
        case date
        /// At most twenty different texts or whole numbers.
        case category
        case text
    }

    package struct Column: Hashable, Sendable, Codable {
        /// `nil` without a header, or when the header leaves it empty.
        package var name: String?
        package var kind: Kind
        /// Empty fields and usual words for missing: `?`, `NA`, `N/A`, `NaN`, `NULL`.
        package var missing: Int
        /// Different values; `nil` above ``TableDescription/distinctLimit``.
        package var distinct: Int?
    }

    /// Up to how many different values are counted.
    package static let distinctLimit = 20

    package var isCompressed: Bool
    package var encoding: String
    package var separator: String
    package var hasHeader: Bool
    package var rows: Int
    /// Rows of another width than the first line.
    package var raggedRows: Int
    package var columns: [Column]

    /// Reads the whole table.
    ///
    /// - Parameter hasHeader: `nil`: guessed, a header being a first line of different texts none of which is a number.
    /// - Throws: ``DataError`` when the table cannot be read.
    package static func describe(
        _ input: TableInput, separator: Separator? = nil, encoding: TextEncoding? = nil, hasHeader: Bool? = nil
    ) throws(DataError) -> TableDescription {
        let guessed: Bool
        if let hasHeader {
            guessed = hasHeader
        } else {
            guessed = try TableText.read(input, encoding: encoding) { text throws(DataError) in
                try looksLikeHeader(try RowReader(text, separator: separator, hasHeader: false))
            }
        }
        return try TableText.read(input, encoding: encoding) { text throws(DataError) in
            let rows = try RowReader(text, separator: separator, hasHeader: guessed)
            var columns = (0..<rows.columnCount).map { _ in ColumnGuess() }
            while let batch = try rows.next() {
                for column in columns.indices { columns[column].add(batch, column: column) }
            }
            return TableDescription(
                isCompressed: text.isCompressed, encoding: text.encoding.rawValue, separator: rows.separator.rawValue,
                hasHeader: guessed, rows: rows.rowsRead, raggedRows: rows.ragged.count,
                columns: columns.enumerated().map { index, guess in
                    let name = rows.header?[index]
                    return Column(
                        name: name == "" ? nil : name, kind: guess.kind, missing: guess.missing,
                        distinct: guess.distinct)
                })
        }
    }

    private static func looksLikeHeader(_ rows: RowReader) throws(DataError) -> Bool {
        guard let batch = try rows.next() else { return false }
        var names: Set<String> = []
        for column in 0..<batch.columnCount {
            let name = batch.withField(row: 0, column: column) { String(decoding: $0, as: UTF8.self) }
            let isName = !name.isEmpty && !ColumnGuess.missingCodes.contains(name) && DecimalText.value(of: name) == nil
            // The first column of an export that numbers its rows has no name.
            guard isName && names.insert(name).inserted || name.isEmpty && column == 0 else { return false }
        }
        return !names.isEmpty
    }
}
