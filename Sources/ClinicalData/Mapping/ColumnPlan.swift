// SPDX-License-Identifier: Apache-2.0
// Joins contract, mapping and the table's header: which column is read how. Every contradiction is an error here.

import Federation

/// How one column of the contract is read: found in the table and checked against the contract.
struct ColumnPlan {
    let contract: ColumnContract
    let mapping: ColumnMapping
    /// The column of the table, from zero.
    let source: Int
    let missing: MissingCodes

    /// The decimal mark of this column's numbers.
    var decimalMark: UInt8 { mapping.usesDecimalComma ? UInt8(ascii: ",") : UInt8(ascii: ".") }

    /// Plans every column of `contract`, in its order.
    ///
    /// - Throws: ``DataError`` `.wrongMapping` or `.missingColumn`.
    static func plans(
        for contract: DataContract, mapping: TableMapping, header: [String]?, columnCount: Int
    ) throws(DataError) -> [ColumnPlan] {
        let known = Set(contract.columns.map(\.name))
        if let unknown = mapping.columns.keys.filter({ !known.contains($0) }).min() {
            throw DataError(
                .wrongMapping, "the mapping names `\(unknown)`, which is not a column of the contract",
                hint: "columns of the contract: \(contract.columns.map(\.name).joined(separator: ", "))")
        }
        var plans: [ColumnPlan] = []
        for column in contract.columns {
            let own = mapping.columns[column.name] ?? ColumnMapping(source: .name(column.name))
            try checkUnit(own, of: column)
            try checkConversion(own, of: column)
            try checkCodes(own, of: column)
            plans.append(
                ColumnPlan(
                    contract: column, mapping: own,
                    source: try find(own.source, for: column.name, header: header, columnCount: columnCount),
                    missing: MissingCodes(column.missingCodes + mapping.missingCodes)))
        }
        return plans
    }

    private static func find(
        _ source: ColumnMapping.Source, for name: String, header: [String]?, columnCount: Int
    ) throws(DataError) -> Int {
        switch source {
        case .number(let number):
            guard (1...columnCount).contains(number) else {
                throw DataError(
                    .missingColumn, "`\(name)` is mapped to column \(number), but the table has \(columnCount)",
                    hint: "columns are counted from 1; check the separator when the count looks wrong")
            }
            return number - 1
        case .name(let own):
            guard let header else {
                throw DataError(
                    .missingColumn, "`\(name)` is mapped by name, but the table has no header",
                    hint: "map it by number: `\(name): {column: 1}`")
            }
            guard let index = header.firstIndex(of: own) else {
                throw DataError(
                    .missingColumn, "the table has no column `\(own)` for `\(name)`",
                    hint: "map it to one of the table's columns: `\(name): {from: NAME}`")
            }
            return index
        }
    }

    private static func checkUnit(_ mapping: ColumnMapping, of column: ColumnContract) throws(DataError) {
        guard let unit = mapping.unit, unit != column.kind.unit else { return }
        guard let wanted = column.kind.unit else {
            throw DataError(
                .wrongMapping, "`\(column.name)` has a unit in the mapping but none in the contract",
                hint: "remove `unit` from this column")
        }
        throw DataError(
            .wrongMapping, "`\(column.name)` is in \(unit) in the mapping but in \(wanted) in the contract",
            hint: "convert it with `scale` and `offset`, then write `unit: \(wanted)`")
    }

    private static func checkConversion(_ mapping: ColumnMapping, of column: ColumnContract) throws(DataError) {
        guard mapping.scale != 1 || mapping.offset != 0 || mapping.usesDecimalComma else { return }
        guard column.kind.holdsDecimals else {
            throw DataError(
                .wrongMapping, "`\(column.name)` has `scale`, `offset` or `decimalComma`, but it is not a number",
                hint: "remove them from this column")
        }
        guard mapping.scale.isFinite, mapping.scale != 0, mapping.offset.isFinite else {
            throw DataError(
                .wrongMapping, "the conversion of `\(column.name)` makes no sense",
                hint: "`scale` must be finite and not 0, `offset` finite")
        }
    }

    private static func checkCodes(_ mapping: ColumnMapping, of column: ColumnContract) throws(DataError) {
        guard !mapping.codes.isEmpty else { return }
        guard let codes = column.kind.codes else {
            throw DataError(
                .wrongMapping, "`\(column.name)` has `codes` in the mapping, but it has none in the contract",
                hint: "remove `codes` from this column")
        }
        for target in mapping.codes.values.sorted() where !codes.contains(target) {
            throw DataError(
                .wrongMapping, "`\(column.name)` maps a code to `\(target)`, which the contract does not list",
                hint: "codes of the contract: \(codes.joined(separator: ", "))")
        }
    }
}

extension ColumnKind {
    /// The unit of a quantity.
    fileprivate var unit: String? {
        switch self {
        case .number(let column): column.unit
        case .label(.number(let unit, _, _)): unit
        default: nil
        }
    }

    /// Whether the column is written as decimal numbers.
    fileprivate var holdsDecimals: Bool {
        switch self {
        case .number, .label(.number): true
        case .group(let group): if case .bands = group.levels { true } else { false }
        default: false
        }
    }

    /// The contract's codes in the order of their indices.
    var codes: [String]? {
        switch self {
        case .category(let category): category.codes
        case .label(.binary(let positive, let negative)): negative + positive
        case .label(.classes(let codes)): codes
        case .group(let group): if case .codes(let codes) = group.levels { codes } else { nil }
        case .split(let split): split.train + split.test
        default: nil
        }
    }
}
