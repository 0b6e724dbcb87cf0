// SPDX-License-Identifier: Apache-2.0
// From encoded columns to the model's inputs: standardised quantities and indicators, row by row.

package import Federation

/// Makes the input matrix of a model.
package enum FeatureMatrix {
    /// Encodes `rows` of `table` under the federation's preprocessing.
    ///
    /// A quantity becomes (x − mean) ÷ deviation, and 0 when missing. A category becomes one indicator a code (without
    /// the first when the contract drops it), (x − center) ÷ scale; a missing one counts as the code `fill`, or as none.
    /// Shapes: the result is `[rows.count, table.contract.features.count]`, row-major, in the order of the contract's
    /// features.
    ///
    /// - Throws: ``DataError`` `.wrongPreprocessing` when the preprocessing was made for other columns.
    /// - Precondition: every row is in `0..<table.rowCount`.
    package static func encode(
        _ table: EncodedTable, preprocessing: Preprocessing, rows: [Int32]
    ) throws(DataError) -> [Float] {
        let columns = table.contract.featureColumns
        guard preprocessing.columns.count == columns.count else { throw wrong }
        let width = table.contract.features.count
        var writers: [ColumnWriter] = []
        var offset = 0
        for (index, column) in columns.enumerated() {
            let writer = try ColumnWriter(
                table.contract.columns[column].kind, preprocessing.columns[index], firstFeature: offset)
            offset += writer.width
            writers.append(writer)
        }
        return [Float](unsafeUninitializedCapacity: rows.count * width) { matrix, count in
            matrix.initialize(repeating: 0)
            // A few hundred rows at a time stay in the cache while every column writes its part of them.
            let blockRows = 256
            for start in stride(from: 0, to: rows.count, by: blockRows) {
                let block = start..<min(start + blockRows, rows.count)
                for (index, writer) in writers.enumerated() {
                    writer.write(table.features[index], rows: rows, block: block, matrix: matrix, width: width)
                }
            }
            count = rows.count * width
        }
    }

    fileprivate static let wrong = DataError(
        .wrongPreprocessing, "the preprocessing does not fit the data contract",
        hint: "check that the study and the table use the same version of the contract")
}

/// Writes the features of one column.
private struct ColumnWriter {
    private enum Form {
        case quantity(mean: Double, deviation: Double)
        /// `rows[code]` is what the code's indicators become.
        case category(indicators: [[Float]], missing: [Float])
    }

    let width: Int
    private let firstFeature: Int
    private let form: Form

    init(_ kind: ColumnKind, _ preprocessing: ColumnPreprocessing, firstFeature: Int) throws(DataError) {
        self.firstFeature = firstFeature
        switch (kind, preprocessing) {
        case (.number, .quantity(let mean, let deviation)), (.date, .quantity(let mean, let deviation)):
            guard mean.isFinite, deviation.isFinite, deviation > 0 else { throw FeatureMatrix.wrong }
            width = 1
            form = .quantity(mean: mean, deviation: deviation)
        case (.category(let category), .category(let fill, let centers, let scales)):
            let dropped = category.dropsFirst ? 1 : 0
            width = category.codes.count - dropped
            guard centers.count == width, scales.count == width, scales.allSatisfy({ $0 > 0 && $0.isFinite }),
                fill.map(category.codes.indices.contains) ?? true
            else { throw FeatureMatrix.wrong }
            let width = width
            func indicators(of code: Int?) -> [Float] {
                (0..<width).map { Float(((code == $0 + dropped ? 1 : 0) - centers[$0]) / scales[$0]) }
            }
            form = .category(
                indicators: category.codes.indices.map { indicators(of: $0) }, missing: indicators(of: fill))
        default: throw FeatureMatrix.wrong
        }
    }

    func write(
        _ values: [Float], rows: [Int32], block: Range<Int>, matrix: UnsafeMutableBufferPointer<Float>, width: Int
    ) {
        switch form {
        case .quantity(let mean, let deviation):
            for index in block {
                let value = values[Int(rows[index])]
                if !value.isNaN { matrix[index * width + firstFeature] = Float((Double(value) - mean) / deviation) }
            }
        case .category(let indicators, let missing):
            for index in block {
                let value = values[Int(rows[index])]
                let encoded = value.isNaN ? missing : indicators[Int(value)]
                let start = index * width + firstFeature
                for (position, indicator) in encoded.enumerated() { matrix[start + position] = indicator }
            }
        }
    }
}
