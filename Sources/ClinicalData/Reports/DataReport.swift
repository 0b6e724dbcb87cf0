// SPDX-License-Identifier: Apache-2.0
// What a hospital's officer needs to know about a table before it may be used.

/// Counts and findings of one reading of a table.
///
/// Privacy: full numbers, for eyes at this site only. What may leave is made by ``document(for:)``.
package struct DataReport: Hashable, Sendable {
    /// Data rows of the right width, without header and blank lines.
    package var rowsRead: Int
    package var rowsWithoutLabel: Int
    /// Rows with a label: training + test + excluded.
    package var rowCount: Int
    package var trainingRows: Int
    package var testRows: Int
    package var excludedRows: Int
    package var patients: Int
    /// The feature columns in the contract's order.
    package var columns: [ColumnReport]
    package var label: ColumnReport
    package var groups: [ColumnReport]
    /// Refusals first, then warnings, then notes.
    package var findings: [DataFinding]

    /// What keeps the table from being used.
    package var refusals: [DataFinding] { findings.filter { $0.severity == .refusal } }

    /// The report in full, marked as staying at this site.
    package var localDescription: String { document(for: .site).text }

    /// The report with counts from 1 to 10 hidden and without any single value.
    package var shareableDescription: String { document(for: .sharing).text }
}

/// Counts of one column over the rows that have a label.
package struct ColumnReport: Hashable, Sendable {
    /// The contract's name.
    package var name: String
    /// `number`, `date`, `category`, `label` or `group`.
    package var kind: String
    /// Values missing in the end, those dropped by a rule of the contract among them.
    package var missing: Int
    /// Values outside the plausible range, whatever the rule did with them.
    package var outOfRange: Int
    /// Codes that the contract does not list.
    package var unknownCodes: Int
    /// Of a quantity's present values, in the contract's unit or in days; `nil` when there are none.
    package var summary: QuantitySummary?
    /// Of codes, in the contract's order.
    package var levels: [LevelCount]
}

/// The least, the largest and the mean value of a quantity. The first two are values of single patients.
package struct QuantitySummary: Hashable, Sendable, Codable {
    package var minimum: Double
    package var maximum: Double
    package var mean: Double
}

/// How many rows have a code or belong to a group.
package struct LevelCount: Hashable, Sendable {
    package var level: String
    package var count: Int
}
