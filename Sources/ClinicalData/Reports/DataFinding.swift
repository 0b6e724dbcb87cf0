// SPDX-License-Identifier: Apache-2.0
// One thing found in a table: how bad it is, where it stands and what to do.

/// The places of one kind of finding: all are counted, the first twenty kept.
struct Places: Hashable, Sendable {
    static let lineLimit = 20

    private(set) var count = 0
    private(set) var lines: [Int] = []

    mutating func add(line: Int) {
        count += 1
        if lines.count < Self.lineLimit { lines.append(line) }
    }
}

/// One thing found in a table.
///
/// Privacy: names a column of the contract, counts and line numbers, never a value.
package struct DataFinding: Hashable, Sendable {
    package enum Severity: String, CaseIterable, Hashable, Sendable, Codable {
        /// The table cannot be used.
        case refusal
        /// The table can be used, but somebody should look.
        case warning
        /// The contract's rule was applied.
        case note
    }

    package enum Kind: String, CaseIterable, Hashable, Sendable, Codable {
        case raggedRow, notANumber, notADay, outOfRange, unknownCode, unknownLabel, labelOutOfRange
        case missingPatientKey, patientInBothSplits
        case valueClipped, valueDropped, codeDropped
        case oneClassOnly, noUsableRows, noTrainingRows, constantColumn, mostlyMissing, rowWithoutLabel
    }

    package var severity: Severity
    package var kind: Kind
    /// The contract's name of the column, where one is meant.
    package var column: String?
    /// Rows, or patients for ``Kind/patientInBothSplits``.
    package var count: Int
    /// The first twenty lines of the file, counted from one. Stays at the site.
    package var lines: [Int]

    package init(_ severity: Severity, _ kind: Kind, column: String? = nil, count: Int, lines: [Int] = []) {
        self.severity = severity
        self.kind = kind
        self.column = column
        self.count = count
        self.lines = lines
    }

    init?(_ severity: Severity, _ kind: Kind, column: String? = nil, _ places: Places) {
        guard places.count > 0 else { return nil }
        self.init(severity, kind, column: column, count: places.count, lines: places.lines)
    }

    /// One sentence with full numbers, for people at the site.
    package var message: String {
        let shown = lines.map(String.init).joined(separator: ", ")
        let place = lines.isEmpty ? "" : " (line \(shown)\(lines.count < count ? ", …" : ""))"
        return "\(sentence(count: String(count)))\(place)"
    }

    /// The sentence without places, with `count` as it may be shown.
    func sentence(count: String) -> String {
        let subject = column.map { "`\($0)`: " } ?? ""
        return subject + kind.sentence(count: count)
    }

    /// What to do about it.
    package var hint: String { kind.hint }
}

extension DataFinding.Kind {
    fileprivate func sentence(count: String) -> String {
        switch self {
        case .raggedRow: "rows with another number of fields than the first line: \(count)"
        case .notANumber: "texts that are not a number: \(count)"
        case .notADay: "texts that are not a day in the contract's format: \(count)"
        case .outOfRange: "values outside the plausible range: \(count)"
        case .unknownCode: "codes the contract does not list: \(count)"
        case .unknownLabel: "labels the contract does not list: \(count)"
        case .labelOutOfRange: "labels outside the plausible range: \(count)"
        case .missingPatientKey: "rows without a patient key: \(count)"
        case .patientInBothSplits: "patients with rows both for training and for testing: \(count)"
        case .valueClipped: "values moved to the end of the plausible range: \(count)"
        case .valueDropped: "values outside the plausible range, counted as missing: \(count)"
        case .codeDropped: "codes the contract does not list, counted as missing: \(count)"
        case .oneClassOnly: "all usable rows have the same label: \(count)"
        case .noUsableRows: "no row has a label and a part in training or testing"
        case .noTrainingRows: "no row is for training"
        case .constantColumn: "every present value is the same: \(count)"
        case .mostlyMissing: "missing in more than half of the rows: \(count)"
        case .rowWithoutLabel: "rows without a label, which take no part: \(count)"
        }
    }

    fileprivate var hint: String {
        switch self {
        case .raggedRow: "quote fields that contain the separator, and check the separator"
        case .notANumber: "list texts that mean missing under `missing` in the mapping; check `decimalComma`"
        case .notADay: "export the column in the contract's date format"
        case .outOfRange: "check the unit; convert it with `scale` and `offset` in the mapping"
        case .unknownCode, .codeDropped: "translate the site's codes under `codes` in the mapping"
        case .unknownLabel: "translate the site's codes under `codes`, or list them under `missing`, in the mapping"
        case .labelOutOfRange: "check the label's unit, or correct the rows"
        case .missingPatientKey: "fill the key in, or remove the rows"
        case .patientInBothSplits: "put all rows of a patient on one side"
        case .valueClipped, .valueDropped: "check the unit when there are many"
        case .oneClassOnly: "check the label's codes; a site with one class can take part but learns little alone"
        case .noUsableRows: "check the columns of the label and the split"
        case .noTrainingRows: "check the codes of the split column"
        case .constantColumn: "check that the right column is mapped"
        case .mostlyMissing: "check that the right column is mapped and what its missing codes are"
        case .rowWithoutLabel: "nothing to do when that is expected"
        }
    }
}
