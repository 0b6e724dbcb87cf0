// SPDX-License-Identifier: Apache-2.0
// A table's counts and moments as exact integers: what a site puts into the federation's statistics round.

import Federation

/// The vector of a site for the statistics round.
package enum TableMoments {
    /// Values are counted in units of 2⁻³⁰ of the plausible range.
    package static let unitsPerRange = 0x1p30

    /// The integers of `rows`, to be summed over sites.
    ///
    /// Layout: for each feature column in the contract's order, a quantity gives [present, Σ z, Σ z²], a category
    /// [rows with code 0, code 1, …, missing]; then the label, binary [negatives, positives], classes [rows with class
    /// 0, 1, …], number [rows, Σ z, Σ z²]; last [rows]. z = (x − minimum) ÷ (maximum − minimum), held to 0...1.
    /// Units: Σ z and Σ z² in 2⁻³⁰, each z and z² rounded to the nearest integer, halves up; integers add up to
    /// the same sum in any order.
    ///
    /// - Precondition: every row is in `0..<table.rowCount`.
    package static func vector(of table: EncodedTable, rows: [Int32]) -> [Int64] {
        var vector: [Int64] = []
        for (index, column) in table.contract.featureColumns.enumerated() {
            let kind = table.contract.columns[column].kind
            if case .category(let category) = kind {
                vector += counts(table.features[index], rows: rows, codes: category.codes.count, countsMissing: true)
            } else if let range = kind.quantityRange {
                vector += moments(table.features[index], rows: rows, minimum: range.minimum, maximum: range.maximum)
            }
        }
        switch table.contract.label?.kind {
        case .binary: vector += counts(table.labels, rows: rows, codes: 2, countsMissing: false)
        case .classes(let codes):
            vector += counts(table.labels, rows: rows, codes: codes.count, countsMissing: false)
        case .number(_, let minimum, let maximum):
            vector += moments(table.labels, rows: rows, minimum: minimum, maximum: maximum)
        case nil: break
        }
        return vector + [Int64(rows.count)]
    }

    private static func counts(_ values: [Float], rows: [Int32], codes: Int, countsMissing: Bool) -> [Int64] {
        var counts = [Int64](repeating: 0, count: codes + (countsMissing ? 1 : 0))
        for row in rows {
            let value = values[Int(row)]
            counts[value.isNaN ? codes : Int(value)] += 1
        }
        return counts
    }

    private static func moments(_ values: [Float], rows: [Int32], minimum: Double, maximum: Double) -> [Int64] {
        let span = maximum - minimum
        var present: Int64 = 0
        var first: Int64 = 0
        var second: Int64 = 0
        for row in rows {
            let value = Double(values[Int(row)])
            if value.isNaN { continue }
            // Rounding to Float can carry an end of the range past it.
            let z = span > 0 ? min(max((value - minimum) / span, 0), 1) : 0
            present += 1
            first += Int64(z * unitsPerRange + 0.5)
            second += Int64(z * z * unitsPerRange + 0.5)
        }
        return [present, first, second]
    }
}
