// SPDX-License-Identifier: Apache-2.0
// The two readings of a report: everything for the site, and what may leave it.

/// Who a report is for.
package enum ReportAudience: String, Hashable, Sendable, Codable {
    /// Full numbers; the document stays at the site.
    case site
    /// Small counts hidden, no single values, no places.
    case sharing
}

/// A report as a value with a JSON form.
package struct DataReportDocument: Hashable, Sendable, Codable {
    package struct Level: Hashable, Sendable, Codable {
        package var level: String
        package var count: ReportCount
    }

    package struct Column: Hashable, Sendable, Codable {
        package var name: String
        package var kind: String
        package var missing: ReportCount
        package var outOfRange: ReportCount
        package var unknownCodes: ReportCount
        /// Only for the site.
        package var summary: QuantitySummary?
        package var levels: [Level]
    }

    package struct Finding: Hashable, Sendable, Codable {
        package var severity: DataFinding.Severity
        package var kind: DataFinding.Kind
        package var column: String?
        package var count: ReportCount
        /// Only for the site.
        package var lines: [Int]?
        package var message: String
        package var hint: String
    }

    package var audience: ReportAudience
    package var rowsRead: ReportCount
    package var rowsWithoutLabel: ReportCount
    package var rowCount: ReportCount
    package var trainingRows: ReportCount
    package var testRows: ReportCount
    package var excludedRows: ReportCount
    package var patients: ReportCount
    package var columns: [Column]
    package var label: Column
    package var groups: [Column]
    package var findings: [Finding]
}

extension DataReport {
    /// The report for `audience`.
    ///
    /// Privacy: for sharing, counts from 1 to 10 are hidden, and with them those that would give one away: all tables
    /// of levels sum to ``rowCount``, which therefore counts as known; rows read and rows without a label differ by it,
    /// so a small number of the latter hides the former.
    package func document(for audience: ReportAudience) -> DataReportDocument {
        func single(_ count: Int) -> ReportCount { audience == .site ? .exact(count) : ReportCount(masking: count) }
        func table(_ counts: [Int]) -> [ReportCount] {
            audience == .site ? counts.map { .exact($0) } : ReportCount.masking(table: counts)
        }
        let parts = table([trainingRows, testRows, excludedRows])
        let withoutLabel = single(rowsWithoutLabel)
        return DataReportDocument(
            audience: audience,
            rowsRead: withoutLabel == .small ? .withheld : single(rowsRead), rowsWithoutLabel: withoutLabel,
            rowCount: single(rowCount), trainingRows: parts[0], testRows: parts[1], excludedRows: parts[2],
            patients: single(patients),
            columns: columns.map { column in
                // A category's missing values are one more cell of its table.
                let cells = table(column.levels.map(\.count) + [column.missing])
                return column.document(missing: cells[cells.count - 1], levels: cells, audience: audience, single)
            },
            label: label.document(
                missing: withoutLabel, levels: table(label.levels.map(\.count)), audience: audience, single),
            groups: groups.map {
                $0.document(missing: .exact(0), levels: table($0.levels.map(\.count)), audience: audience, single)
            },
            findings: findings.map { finding in
                let isHidden = audience == .sharing && finding.kind.countComplementsTable
                return finding.document(for: audience, count: isHidden ? .withheld : single(finding.count))
            })
    }
}

extension ColumnReport {
    fileprivate func document(
        missing: ReportCount, levels counts: [ReportCount], audience: ReportAudience, _ single: (Int) -> ReportCount
    ) -> DataReportDocument.Column {
        DataReportDocument.Column(
            name: name, kind: kind, missing: missing, outOfRange: single(outOfRange),
            // Unknown codes are part of the missing values and would bound what is withheld.
            unknownCodes: missing == .withheld ? .withheld : single(unknownCodes),
            summary: audience == .site ? summary : nil,
            levels: zip(levels, counts).map { DataReportDocument.Level(level: $0.level, count: $1) })
    }
}

extension DataFinding.Kind {
    /// Whether the finding's count, taken from the known number of rows, leaves a count that may be hidden elsewhere.
    fileprivate var countComplementsTable: Bool {
        switch self {
        case .constantColumn, .oneClassOnly, .mostlyMissing: true
        default: false
        }
    }
}

extension DataFinding {
    fileprivate func document(for audience: ReportAudience, count: ReportCount) -> DataReportDocument.Finding {
        DataReportDocument.Finding(
            severity: severity, kind: kind, column: column, count: count, lines: audience == .site ? lines : nil,
            message: audience == .site ? message : sentence(count: count.description), hint: hint)
    }
}
