// SPDX-License-Identifier: Apache-2.0
// Reads one file of examples: arrays, a table, texts, or series.

import ClinicalData
import NeuralNetworks

/// Reads files of the form that a training file describes.
struct SourceReader {
    let file: TrainingFile
    /// The columns of a table that the model reads.
    let columns: [TableSource.Column]
    let readsTargets: Bool

    init(_ file: TrainingFile, columns: [TableSource.Column], readsTargets: Bool) {
        self.file = file
        self.columns = columns
        self.readsTargets = readsTargets
    }

    /// The columns that the model reads: those listed, else all but label and patient.
    static func columns(of source: DataDescription.Source, path: String) throws -> [TableSource.Column] {
        guard case .table(let table) = source else { return [] }
        guard table.features.isEmpty else { return table.features }
        let others = table.label.names + (table.patient.map { [$0] } ?? [])
        return try TextColumns.names(.file(path: path), separator: table.separator)
            .filter { !others.contains($0) }.map { TableSource.Column(name: $0, codes: []) }
    }

    /// - Parameter arrays: The arrays to read, where the source is one of arrays.
    func read(_ path: String, arrays: ArrayPlace?) throws -> RawExamples {
        switch file.data.source {
        case .arrays(let source):
            return try ArrayReader(file, source, readsTargets: readsTargets).read(path, arrays ?? source.place)
        case .table(let source): return try readTable(path, source)
        case .texts(let source): return try readTexts(path, source)
        case .series(let source): return try readSeries(path, source)
        }
    }

    private func classNumber(_ text: String, row: Int, _ classes: [String]) throws -> Float {
        if let place = classes.firstIndex(of: text) { return Float(place) }
        // 1, 1.0 and 01 are one class.
        if let value = DecimalText.value(of: text),
            let place = classes.firstIndex(where: { DecimalText.value(of: $0) == value })
        {
            return Float(place)
        }
        throw DataError(
            .refused, "row \(row + 1): the label is none of the \(classes.count) classes",
            hint: "compare the column with `classes` in the training file; rows count from 1 below the header")
    }

    private func number(_ text: String, row: Int, column: String) throws -> Float {
        guard let value = DecimalText.value(of: text), Float(value).isFinite else {
            throw DataError(
                .refused, "row \(row + 1): column `\(column)` is not a number",
                hint: "rows count from 1 below the header; list a category's codes as `\(column): [code, code]`")
        }
        return Float(value)
    }

    private func patientNumbers(_ texts: [String]) -> [UInt32] {
        var numbers: [String: UInt32] = [:]
        return texts.map { text in
            let number = numbers[text] ?? UInt32(numbers.count)
            numbers[text] = number
            return number
        }
    }

    // MARK: Tables

    private func readTable(_ path: String, _ source: TableSource) throws -> RawExamples {
        let labels = readsTargets ? source.label.names : []
        let patient = readsTargets ? source.patient.map { [$0] } ?? [] : []
        let texts = try TextColumns.read(
            .file(path: path), names: columns.map(\.name) + labels + patient, separator: source.separator)
        let count = texts.first?.count ?? 0
        var inputs: [[Float]] = []
        for (place, column) in columns.enumerated() {
            inputs += try self.inputs(column, texts[place], source.missing)
        }
        var values: [Float] = []
        values.reserveCapacity(count * inputs.count)
        for row in 0..<count {
            for input in inputs { values.append(input[row]) }
        }
        let labelTexts = Array(texts[columns.count..<columns.count + labels.count])
        var targets: [Float] = []
        for row in 0..<count {
            for (place, name) in labels.enumerated() {
                targets.append(
                    source.classes.isEmpty
                        ? try number(labelTexts[place][row], row: row, column: name)
                        : try classNumber(labelTexts[place][row], row: row, source.classes))
            }
        }
        return RawExamples(
            content: .columns(values, width: inputs.count), count: count, targets: readsTargets ? [targets] : [],
            patients: patient.isEmpty ? nil : texts.last.map(patientNumbers))
    }

    /// The inputs that a column becomes: its numbers, or 0 and 1 for each code.
    private func inputs(
        _ column: TableSource.Column, _ texts: [String], _ missing: TableSource.Missing
    ) throws -> [[Float]] {
        var inputs = [[Float]](repeating: [], count: max(column.codes.count, 1))
        for (row, text) in texts.enumerated() {
            if text.isEmpty || text == "?" || text == "NA" {
                guard missing == .mean else {
                    throw DataError(
                        .refused, "row \(row + 1): column `\(column.name)` is empty",
                        hint: "say `missing: mean` to fill gaps with the mean of the training rows")
                }
                for place in inputs.indices { inputs[place].append(.nan) }
            } else if column.codes.isEmpty {
                inputs[0].append(try number(text, row: row, column: column.name))
            } else {
                guard let code = column.codes.firstIndex(of: text) else {
                    throw DataError(
                        .refused, "row \(row + 1): column `\(column.name)` has a code that is not listed",
                        hint: "list all codes of the column in the training file")
                }
                for place in inputs.indices { inputs[place].append(place == code ? 1 : 0) }
            }
        }
        return inputs
    }

    // MARK: Texts and series

    private func readTexts(_ path: String, _ source: TextSource) throws -> RawExamples {
        let others = readsTargets ? [source.label] + (source.patient.map { [$0] } ?? []) : []
        let columns = try TextColumns.read(
            .file(path: path), names: [source.text] + others, separator: source.separator)
        var targets: [Float] = []
        for (row, text) in (readsTargets ? columns[1] : []).enumerated() {
            targets.append(
                source.classes.isEmpty
                    ? try number(text, row: row, column: source.label)
                    : try classNumber(text, row: row, source.classes))
        }
        return RawExamples(
            content: .texts(columns[0]), count: columns[0].count, targets: readsTargets ? [targets] : [],
            patients: columns.count > 2 ? patientNumbers(columns[2]) : nil)
    }

    private func readSeries(_ path: String, _ source: SeriesSource) throws -> RawExamples {
        let table = try NumericTextTable(
            .file(path: path), separator: source.separator, skippedLines: source.skippedLines)
        let (width, columns) = (file.graph.inputShapes[0].count, table.columnCount)
        // Without labels a line may hold the series alone.
        let hasLabels = readsTargets || columns == width + 1
        guard columns == width + (hasLabels ? 1 : 0) else {
            throw LocalModelError(
                .unfitData, "a line has \(columns) numbers; the model's input needs \(width) and a label",
                hint: "compare the shape of the model's input with the file")
        }
        let label: Int? = hasLabels ? (source.label == .first ? 0 : columns - 1) : nil
        let first = label == 0 ? 1 : 0
        let places = first..<first + width
        var values = table.columns(places)
        if source.standardizes { Self.standardize(&values, width: width) }
        var targets: [Float] = []
        let labels = readsTargets ? label.map { table.columns($0..<$0 + 1) } ?? [] : []
        for (row, value) in labels.enumerated() {
            targets.append(
                source.classes.isEmpty
                    ? value : try classNumber(String(Double(value)), row: row, source.classes))
        }
        return RawExamples(
            content: .ready(Examples(count: table.rowCount, inputs: [.floats(values)])), count: table.rowCount,
            targets: readsTargets ? [targets] : [])
    }

    /// Each series to mean 0 and deviation 1; one that never changes to zeros.
    private static func standardize(_ values: inout [Float], width: Int) {
        for start in stride(from: 0, to: values.count, by: width) {
            let series = start..<start + width
            let mean = series.reduce(0) { $0 + Double(values[$1]) } / Double(width)
            let squares = series.reduce(0.0) { sum, place in
                sum + (Double(values[place]) - mean) * (Double(values[place]) - mean)
            }
            let deviation = (squares / Double(width)).squareRoot()
            for place in series {
                values[place] = deviation > 0 ? Float((Double(values[place]) - mean) / deviation) : 0
            }
        }
    }
}
