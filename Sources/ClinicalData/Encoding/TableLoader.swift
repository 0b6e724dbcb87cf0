// SPDX-License-Identifier: Apache-2.0
// From bytes to an encoded table and its report: the story of this module.

package import Federation

/// Reads a site's table under a data contract.
///
/// Complexity: one pass over the bytes; memory is the encoded table, one block and the patient keys while reading.
package struct TableLoader: Sendable {
    package var contract: DataContract
    package var mapping: TableMapping
    package var input: TableInput
    /// What is read at a time, in bytes.
    package var blockBytes: Int

    /// - Parameter input: The bytes when they are not those of the mapping's file.
    package init(
        contract: DataContract, mapping: TableMapping, input: TableInput? = nil, blockBytes: Int = 256 << 10
    ) {
        self.contract = contract
        self.mapping = mapping
        self.input = input ?? .file(path: mapping.path)
        self.blockBytes = blockBytes
    }

    /// Reads and encodes the table.
    ///
    /// - Throws: ``DataError``: `.refused` with every refusal when values break the contract, and the other codes when
    ///   the table cannot be read at all.
    package func load() throws(DataError) -> (table: EncodedTable, report: DataReport) {
        let (table, report) = try read(needsLabel: true)
        guard let table else { throw Self.refusal(report) }
        return (table, report)
    }

    /// Reads and encodes the features of every row, for predictions: the table needs none of the contract's other
    /// columns. The labels of the result are NaN, and its contract has the feature columns alone.
    ///
    /// - Throws: ``DataError`` as ``load()``.
    package func loadFeatures() throws(DataError) -> EncodedTable {
        var bare = self
        bare.contract.columns = contract.featureColumns.map { contract.columns[$0] }
        let names = Set(bare.contract.columns.map(\.name))
        let known = Set(contract.columns.map(\.name))
        bare.mapping.columns = mapping.columns.filter { names.contains($0.key) || !known.contains($0.key) }
        let (table, report) = try bare.read(needsLabel: false)
        guard let table else { throw Self.refusal(report) }
        return table
    }

    private static func refusal(_ report: DataReport) -> DataError {
        DataError(
            .refused, "the table breaks the data contract",
            hint: report.refusals.first?.hint ?? "correct the table or its mapping", findings: report.refusals)
    }

    /// Checks the table and reports on it, also when it would be refused.
    ///
    /// - Throws: ``DataError`` when the table cannot be read at all.
    package func inspect() throws(DataError) -> DataReport { try read(needsLabel: true).report }

    private func read(needsLabel: Bool) throws(DataError) -> (table: EncodedTable?, report: DataReport) {
        try TableText.read(input, encoding: mapping.encoding) { text throws(DataError) in
            let rows = try RowReader(
                text, separator: mapping.separator, hasHeader: mapping.hasHeader, blockBytes: blockBytes)
            let plans = try ColumnPlan.plans(
                for: contract, mapping: mapping, header: rows.header, columnCount: rows.columnCount)
            var encoding = try TableEncoding(plans, holdout: contract.holdout)
            guard encoding.hasLabel || !needsLabel else {
                throw DataError(
                    .wrongContract, "the data contract has no label", hint: "add a column of kind label")
            }
            let byteCount = text.isCompressed ? nil : input.byteCount
            while let batch = try rows.next() {
                if batch.firstRow == 0, let byteCount { encoding.reserve(batch.estimatedRows(in: byteCount)) }
                encoding.encode(batch)
            }
            let report = encoding.report(rowsRead: rows.rowsRead, ragged: rows.ragged)
            return (report.refusals.isEmpty ? encoding.table(contract) : nil, report)
        }
    }
}

/// The encoders of a table's columns, working side by side on each batch.
private struct TableEncoding {
    /// Absent when the rows are only to be predicted.
    private var label: LabelEncoder?
    private var rowCount = 0
    private var assignment: RowAssignment
    private var features: [any FeatureEncoder] = []
    private var groups: [GroupEncoder] = []

    init(_ plans: [ColumnPlan], holdout: Holdout) throws(DataError) {
        var label: LabelEncoder?
        for plan in plans {
            switch plan.contract.kind {
            case .number(let column):
                features.append(
                    QuantityEncoder(
                        plan, reader: QuantityReader(decimal: plan),
                        range: column.minimum...max(column.minimum, column.maximum), rule: column.outOfRange,
                        isDate: false))
            case .date(let column):
                let days = Double(column.latest.daysSinceEpoch - column.earliest.daysSinceEpoch)
                features.append(
                    QuantityEncoder(
                        plan, reader: QuantityReader(plan, form: .day(column.format, since: column.earliest)),
                        range: 0...max(0, days), rule: column.outOfRange, isDate: true))
            case .category(let category): features.append(CategoryEncoder(plan, category: category))
            case .label(let kind): label = LabelEncoder(plan, kind: kind)
            case .group(let group): groups.append(try GroupEncoder(plan, group: group))
            case .patientKey, .split: break
            }
        }
        self.label = label
        assignment = RowAssignment(plans, holdout: holdout)
    }

    var hasLabel: Bool { label != nil }

    /// Makes room for `rows` rows at once: arrays that grow by doubling touch twice the memory. Room that stays
    /// unused is never touched.
    mutating func reserve(_ rows: Int) {
        label?.values.reserveCapacity(rows)
        assignment.reserve(rows)
        for index in features.indices { features[index].values.reserveCapacity(rows) }
        for index in groups.indices { groups[index].levels.reserveCapacity(rows) }
    }

    mutating func encode(_ batch: RowBatch) {
        let kept = label?.encode(batch) ?? Array(0..<batch.rowCount)
        rowCount += kept.count
        assignment.encode(batch, kept: kept)
        for index in features.indices { features[index].encode(batch, kept: kept) }
        for index in groups.indices { groups[index].encode(batch, kept: kept) }
    }

    func table(_ contract: DataContract) -> EncodedTable {
        EncodedTable(
            contract: contract, features: features.map(\.values),
            labels: label?.values ?? Array(repeating: .nan, count: rowCount), groups: groups.map(\.levels),
            assignment: assignment)
    }

    func report(rowsRead: Int, ragged: Places) -> DataReport {
        var counts = [0, 0, 0]
        for part in assignment.split { counts[Int(part.rawValue)] += 1 }
        var report = DataReport(
            rowsRead: rowsRead, rowsWithoutLabel: label?.withoutLabel ?? rowCount, rowCount: rowCount,
            trainingRows: counts[0], testRows: counts[1], excludedRows: counts[2], patients: assignment.patientCount,
            columns: features.map(\.report), label: label?.report ?? .noLabel, groups: groups.map(\.report),
            findings: [])
        report.findings = findings(report, ragged: ragged)
        return report
    }

    private func findings(_ report: DataReport, ragged: Places) -> [DataFinding] {
        var findings = [DataFinding(.refusal, .raggedRow, ragged)].compactMap(\.self)
        findings += (label?.findings ?? []) + assignment.findings + features.flatMap(\.findings)
        if report.trainingRows + report.testRows == 0 {
            findings.append(DataFinding(.warning, .noUsableRows, count: 0))
        } else if report.trainingRows == 0 {
            findings.append(DataFinding(.warning, .noTrainingRows, count: 0))
        }
        if let oneClass = label?.oneClassFinding(split: assignment.split) { findings.append(oneClass) }
        for column in report.columns where column.missing * 2 > report.rowCount {
            findings.append(DataFinding(.warning, .mostlyMissing, column: column.name, count: column.missing))
        }
        return findings.enumerated()
            .sorted { ($0.element.severity.order, $0.offset) < ($1.element.severity.order, $1.offset) }
            .map(\.element)
    }
}

extension ColumnReport {
    fileprivate static let noLabel = ColumnReport(
        name: "", kind: "label", missing: 0, outOfRange: 0, unknownCodes: 0, summary: nil, levels: [])
}

extension DataFinding.Severity {
    /// Refusals first.
    fileprivate var order: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}
