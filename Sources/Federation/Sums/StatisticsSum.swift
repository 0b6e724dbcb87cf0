// SPDX-License-Identifier: Apache-2.0
// The statistics round: exact integer moments and counts from every site, and what the server makes of their sum.

package import RingArithmetic

/// The layout and the meaning of the vector that a statistics round sums.
///
/// One section `statistics` of 64-bit elements, in the order of ``DataContract/featureColumns``: for a quantity
/// [present, Σz, Σz²] with z = (x − minimum) ÷ (maximum − minimum) in units of 2⁻³⁰; for a category a count for each
/// code, then the count of missing. Then the label: counts for each class, or [present, Σz, Σz²]. Last the row count.
package struct StatisticsSum: Sendable {
    package static let unitsPerOne = 1_073_741_824.0  // 2³⁰

    package let contract: DataContract
    package let layout: RingLayout

    package init(contract: DataContract) throws(SumError) {
        self.contract = contract
        var count = contract.featureColumns.reduce(0) { total, index in
            if case .category(let category) = contract.columns[index].kind { return total + category.codes.count + 1 }
            return total + 3
        }
        switch contract.label?.kind {
        case .binary: count += 2
        case .classes(let codes): count += codes.count
        case .number, nil: count += 3
        }
        layout = try ringLayout([RingSection(name: "statistics", count: count + 1, elementBits: .bits64)])
    }

    /// What the federation knows of its data after the statistics round.
    package struct Result: Hashable, Sendable {
        package var preprocessing: Preprocessing
        package var rows: Int
        /// Training rows in each class; empty for a regression.
        package var classCounts: [Int]
    }

    /// Reads the sum over all sites.
    ///
    /// Errors: ``SumError/implausible`` when the sums cannot come from any data (negative counts, counts that do not
    /// add up to the rows, a second moment below the squared first or above the first), which means that a site lied
    /// or is broken.
    package func result(of sums: [Int64]) throws(SumError) -> Result {
        guard sums.count == layout.sections[0].count, let rows = sums.last, rows > 0 else { throw .implausible }
        var cursor = 0
        func take() -> Int64 {
            cursor += 1
            return sums[cursor - 1]
        }
        var columns: [ColumnPreprocessing] = []
        for index in contract.featureColumns {
            let kind = contract.columns[index].kind
            if case .category(let category) = kind {
                let counts = category.codes.map { _ in take() }
                try Self.requirePartition(counts + [take()], of: rows)
                columns.append(Self.treatment(of: category, counts: counts))
            } else {
                let range = kind.quantityRange ?? (0, 1)
                let (mean, deviation) = try Self.moments(
                    count: take(), sum: take(), squares: take(), rows: rows, minimum: range.minimum,
                    span: range.maximum - range.minimum)
                columns.append(.quantity(mean: mean, deviation: deviation))
            }
        }
        var classCounts: [Int64] = []
        switch contract.label?.kind {
        case .binary: classCounts = [take(), take()]
        case .classes(let codes): classCounts = codes.map { _ in take() }
        case .number(_, let minimum, let maximum):
            _ = try Self.moments(
                count: take(), sum: take(), squares: take(), rows: rows, minimum: minimum, span: maximum - minimum)
        case nil: break
        }
        // Every row has a label.
        if !classCounts.isEmpty { try Self.requirePartition(classCounts, of: rows) }
        return Result(
            preprocessing: Preprocessing(columns: columns), rows: Int(rows), classCounts: classCounts.map { Int($0) })
    }

    /// Refuses counts that do not divide the rows into parts.
    private static func requirePartition(_ counts: [Int64], of rows: Int64) throws(SumError) {
        var left = rows
        for count in counts {
            guard (0...left).contains(count) else { throw .implausible }
            left -= count
        }
        guard left == 0 else { throw .implausible }
    }

    /// Mean and population deviation; a constant or unseen column gets its span, so that it becomes 0 where it is
    /// constant and stays within ±1 where it is not.
    private static func moments(
        count: Int64, sum: Int64, squares: Int64, rows: Int64, minimum: Double, span: Double
    ) throws(SumError) -> (mean: Double, deviation: Double) {
        guard count >= 0, count <= rows, sum >= 0, squares >= 0 else { throw .implausible }
        guard count > 0 else {
            guard sum == 0, squares == 0 else { throw .implausible }
            return (minimum + span / 2, span)
        }
        // z² ≤ z, and rounding keeps that.
        guard squares <= sum else { throw .implausible }
        let mean = Double(sum) / unitsPerOne / Double(count)
        let variance = Double(squares) / unitsPerOne / Double(count) - mean * mean
        // Each value is rounded to 2⁻³⁰, so the difference of a constant column may be off by about that much.
        guard mean <= 1 + 1e-6, variance > -1e-8 else { throw .implausible }
        let deviation = variance > 1e-8 ? variance.squareRoot() * span : span
        return (minimum + mean * span, deviation)
    }

    private static func treatment(of category: CategoryColumn, counts: [Int64]) -> ColumnPreprocessing {
        let present = counts.reduce(0, +)
        let fill = present > 0 ? counts.indices.max { counts[$0] < counts[$1] } : nil
        let kept = Array(category.codes.indices.dropFirst(category.dropsFirst ? 1 : 0))
        guard category.isStandardized, present > 0 else {
            return .category(
                fill: fill, centers: Array(repeating: 0, count: kept.count),
                scales: Array(repeating: 1, count: kept.count))
        }
        let frequencies = kept.map { Double(counts[$0]) / Double(present) }
        let scales = frequencies.map { $0 > 0 && $0 < 1 ? ($0 * (1 - $0)).squareRoot() : 1 }
        return .category(fill: fill, centers: frequencies, scales: scales)
    }
}
