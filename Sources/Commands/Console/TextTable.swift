// SPDX-License-Identifier: Apache-2.0
// Columns of text that line up.

/// A small table for terminals and pipes.
struct TextTable {
    enum Alignment {
        case left
        case right
    }

    private var header: [String]
    private var alignments: [Alignment]
    private var rows: [[String]] = []

    init(_ columns: [(title: String, alignment: Alignment)]) {
        header = columns.map(\.title)
        alignments = columns.map(\.alignment)
    }

    mutating func add(_ cells: [String]) { rows.append(cells) }

    /// Cells are cut, never wrapped, when the first column would carry the table past the width.
    var lines: [String] {
        let all = [header] + rows
        var widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        let total = widths.reduce(0, +) + 2 * (widths.count - 1)
        if total > Console.columns, let widest = widths.indices.max(by: { widths[$0] < widths[$1] }) {
            widths[widest] = max(8, widths[widest] - (total - Console.columns))
        }
        return all.map { row in
            var line = ""
            for (column, text) in row.enumerated() {
                let cut = text.count > widths[column] ? text.prefix(widths[column] - 1) + "…" : text[...]
                let pad = String(repeating: " ", count: widths[column] - cut.count)
                line += (column > 0 ? "  " : "") + (alignments[column] == .left ? cut + pad : pad + cut)
            }
            while line.last == " " { line.removeLast() }
            return line
        }
    }
}
