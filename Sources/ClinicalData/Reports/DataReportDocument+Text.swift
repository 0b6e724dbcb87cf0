// SPDX-License-Identifier: Apache-2.0
// A report as lines of text, for terminals.

import Federation

extension DataReportDocument {
    /// The report for people; the first line says whether it may leave the site.
    package var text: String {
        var lines = [
            audience == .site
                ? "full numbers: this report stays at this site"
                : "counts from 1 to 10 are hidden: this report may leave the site",
            "rows read: \(rowsRead), without a label: \(rowsWithoutLabel), with a label: \(rowCount)",
            "training: \(trainingRows), test: \(testRows), excluded: \(excludedRows), patients: \(patients)",
        ]
        for column in [label] + columns + groups { lines.append(column.text) }
        for finding in findings {
            lines.append("\(finding.severity.rawValue): \(finding.message)")
            lines.append("  hint: \(finding.hint)")
        }
        return lines.joined(separator: "\n") + "\n"
    }
}

extension DataReportDocument.Column {
    fileprivate var text: String {
        var parts = ["\(name) (\(kind))"]
        if missing != .exact(0) { parts.append("missing \(missing)") }
        if outOfRange != .exact(0) { parts.append("out of range \(outOfRange)") }
        if unknownCodes != .exact(0) { parts.append("unknown codes \(unknownCodes)") }
        if let summary {
            let mean = (summary.mean * 1_000).rounded() / 1_000
            parts.append(
                "\(decimalText(summary.minimum)) to \(decimalText(summary.maximum)), mean \(decimalText(mean))")
        }
        parts += levels.map { "\($0.level): \($0.count)" }
        return parts.joined(separator: ", ")
    }
}
