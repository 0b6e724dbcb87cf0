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
    /// Errors: ``SumError/implausible`` when the sums cannot come from any data (negative counts, more present than
    /// rows, a second moment below the squared first), which means that a site lied or is broken.
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
                let missing = take()
                guard (counts + [missing]).allSatisfy({ $0 >= 0 && $0 <= rows }) else { throw .implausible }
                columns.append(Self.treatment(of: category, counts: counts))
            } else {
                let range = kind.quantityRange ?? (0, 1)
                let (mean, deviation) = try Self.moments(
                    count: take(), sum: take(), squares: take(), rows: rows, minimum: range.minimum,
                    span: range.maximum - range.minimum)
                columns.append(.quantity(mean: mean, deviation: deviation))
            }
        }
        var classCounts: [Int] = []
        switch contract.label?.kind {
        case .binary: classCounts = [Int(take()), Int(take())]
        case .classes(let codes): classCounts = codes.map { _ in Int(take()) }
        case .number, nil: break
        }
        guard classCounts.allSatisfy({ $0 >= 0 }) else { throw .implausible }
        return Result(preprocessing: Preprocessing(columns: columns), rows: Int(rows), classCounts: classCounts)
    }

    /// Mean and population deviation; a constant or unseen column gets deviation 1, so that it becomes 0 everywhere.
    private static func moments(
        count: Int64, sum: Int64, squares: Int64, rows: Int64, minimum: Double, span: Double
    ) throws(SumError) -> (mean: Double, deviation: Double) {
        guard count >= 0, count <= rows, sum >= 0, squares >= 0 else { throw .implausible }
        guard count > 0 else { return (minimum + span / 2, 1) }
        let mean = Double(sum) / unitsPerOne / Double(count)
        let variance = Double(squares) / unitsPerOne / Double(count) - mean * mean
        // Each value is rounded to 2⁻³⁰, so the difference of a constant column may be off by about that much.
        guard mean <= 1 + 1e-6, variance > -1e-8 else { throw .implausible }
        let deviation = variance > 1e-8 ? variance.squareRoot() * span : 1
        return (minimum + mean * span, deviation)
    }

    private static func treatment(of category: CategoryColumn, counts: [Int64]) -> ColumnPreprocessing {
        let present = counts.reduce(0, +)
        let fill = present > 0 ? counts.indices.max { counts[$0] < counts[$1] } : nil
        let kept = Array(category.codes.indices.dropFirst(category.dropsFirst ? 1 : 0))
        guard category.isStandardized, present > 0 else {
            return .category(
                fill: fill, centers: Array(repeating: 0, count: kept.count), scales: Array(repeating: 1, count: kept.count))
        }
        let frequencies = kept.map { Double(counts[$0]) / Double(present) }
        let scales = frequencies.map { $0 > 0 && $0 < 1 ? ($0 * (1 - $0)).squareRoot() : 1 }
        return .category(fill: fill, centers: frequencies, scales: scales)
    }
}
