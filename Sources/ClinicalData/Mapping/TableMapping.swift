// SPDX-License-Identifier: Apache-2.0
// A site's side of the contract: where its table lies and which of its columns is which.

/// How a site's own table supplies the columns of a data contract.
package struct TableMapping: Hashable, Sendable {
    /// The table's file; gzip is recognised by itself.
    package var path: String
    /// `nil`: found in the first lines.
    package var separator: Separator?
    /// `nil`: by byte order mark, else UTF-8, else Windows-1252. A byte order mark wins.
    package var encoding: TextEncoding?
    /// Whether the first line names the columns; without it, columns are mapped by number.
    package var hasHeader: Bool
    /// Texts that mean "missing" anywhere in this table, beside the empty field and the contract's own codes.
    package var missingCodes: [String]
    /// By the contract's column name. A column that is not mapped is looked up in the header by that name.
    package var columns: [String: ColumnMapping]

    package init(
        path: String, separator: Separator? = nil, encoding: TextEncoding? = nil, hasHeader: Bool = true,
        missingCodes: [String] = [], columns: [String: ColumnMapping] = [:]
    ) {
        self.path = path
        self.separator = separator
        self.encoding = encoding
        self.hasHeader = hasHeader
        self.missingCodes = missingCodes
        self.columns = columns
    }
}

/// How one column of the contract is read from a site's table.
package struct ColumnMapping: Hashable, Sendable {
    /// A column of the site's table.
    package enum Source: Hashable, Sendable {
        case name(String)
        /// Counted from one.
        case number(Int)
    }

    package var source: Source
    /// The unit after ``scale`` and ``offset``; when given, it must be the contract's.
    package var unit: String?
    /// A quantity becomes `value * scale + offset`.
    package var scale: Double
    package var offset: Double
    /// From the site's own codes to the contract's. When not empty, only these codes are understood.
    package var codes: [String: String]
    /// Numbers are written `63,5`.
    package var usesDecimalComma: Bool

    package init(
        source: Source, unit: String? = nil, scale: Double = 1, offset: Double = 0, codes: [String: String] = [:],
        usesDecimalComma: Bool = false
    ) {
        self.source = source
        self.unit = unit
        self.scale = scale
        self.offset = offset
        self.codes = codes
        self.usesDecimalComma = usesDecimalComma
    }
}
