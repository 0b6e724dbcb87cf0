// SPDX-License-Identifier: Apache-2.0
// Reads columns of a table as texts: notes and abstracts, which a data contract does not know.

package enum TextColumns {
    /// The names of all columns, in their order.
    ///
    /// - Throws: ``DataError``, as reading a table does.
    package static func names(
        _ input: TableInput, separator: Separator? = nil, encoding: TextEncoding? = nil
    ) throws(DataError) -> [String] {
        try TableText.read(input, encoding: encoding) { text throws(DataError) in
            try RowReader(text, separator: separator, hasHeader: true).header ?? []
        }
    }

    /// The texts of the columns called `names`: one array a column, in the order of the rows.
    ///
    /// Fields are trimmed of blanks; quoted ones may hold separators and lines.
    /// - Parameter byteLimit: How many bytes of text may be kept.
    /// - Throws: ``DataError``: `.missingColumn`, `.refused` when rows are of another width than the header,
    ///   `.tooManyRows` above the limit, and what reading a table throws.
    package static func read(
        _ input: TableInput, names: [String], separator: Separator? = nil, encoding: TextEncoding? = nil,
        byteLimit: Int = 1 << 30
    ) throws(DataError) -> [[String]] {
        try TableText.read(input, encoding: encoding) { text throws(DataError) in
            let rows = try RowReader(text, separator: separator, hasHeader: true)
            var places: [Int] = []
            for name in names {
                guard let place = rows.header?.firstIndex(of: name) else {
                    throw DataError(
                        .missingColumn, "the table has no column `\(name)`",
                        hint: "check the name against the table's first line, and the separator")
                }
                places.append(place)
            }
            var columns = [[String]](repeating: [], count: names.count)
            var kept = 0
            while let batch = try rows.next() {
                for row in 0..<batch.rowCount {
                    for (column, place) in places.enumerated() {
                        let field = batch.withField(row: row, column: place) { String(decoding: $0, as: UTF8.self) }
                        kept += field.utf8.count
                        columns[column].append(field)
                    }
                }
                guard kept <= byteLimit else {
                    throw DataError(
                        .tooManyRows, "the texts take more than \(byteLimit) bytes",
                        hint: "divide the table into several files, or raise the limit")
                }
            }
            if let finding = DataFinding(.refusal, .raggedRow, rows.ragged) {
                throw DataError(
                    .refused, "the table has rows of another width than its header", hint: finding.hint,
                    findings: [finding])
            }
            return columns
        }
    }
}
