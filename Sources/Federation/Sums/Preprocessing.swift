// SPDX-License-Identifier: Apache-2.0
// The numbers with which every site imputes and standardises: made from the sums of the statistics round.

/// How raw columns become model inputs, the same at every site and part of every model file.
package struct Preprocessing: Hashable, Sendable {
    /// One for each of ``DataContract/featureColumns``, in that order.
    package var columns: [ColumnPreprocessing]

    package init(columns: [ColumnPreprocessing]) { self.columns = columns }
}

/// The treatment of one feature column.
package enum ColumnPreprocessing: Hashable, Sendable {
    /// Input = (value − `mean`) ÷ `deviation`; a missing value becomes 0, the mean.
    case quantity(mean: Double, deviation: Double)
    /// Inputs = (indicator − center) ÷ scale for each indicator that the contract keeps; a missing value takes the
    /// indicators of code `fill`, or all zeros when `fill` is nil (no site has seen the column).
    case category(fill: Int?, centers: [Double], scales: [Double])
}

extension Preprocessing {
    package var canonicalValue: CanonicalValue {
        .array(
            columns.map { column in
                switch column {
                case .quantity(let mean, let deviation):
                    .object(["mean": .decimal(mean), "deviation": .decimal(deviation)])
                case .category(let fill, let centers, let scales):
                    .object([
                        "fill": fill.map { .count($0) } ?? .string("none"),
                        "centers": .array(centers.map { .decimal($0) }),
                        "scales": .array(scales.map { .decimal($0) }),
                    ])
                }
            })
    }

    /// Reads the canonical value from a model file and checks it against the contract.
    package init(document: DocumentNode, contract: DataContract) throws(DocumentError) {
        let reader = DocumentReader(document, path: "preprocessing")
        let elements = try reader.elements()
        let featureColumns = contract.featureColumns
        guard elements.count == featureColumns.count else {
            throw reader.error("does not fit the contract", hint: "one entry for each feature column")
        }
        let finite = -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude
        let positive = Double.leastNonzeroMagnitude...Double.greatestFiniteMagnitude
        var columns: [ColumnPreprocessing] = []
        for (element, index) in zip(elements, featureColumns) {
            guard case .category(let category) = contract.columns[index].kind else {
                let fields = try element.fields(["mean", "deviation"])
                columns.append(
                    .quantity(
                        mean: try fields.required("mean").decimal(finite),
                        deviation: try fields.required("deviation").decimal(positive)))
                continue
            }
            let fields = try element.fields(["fill", "centers", "scales"])
            let fillReader = try fields.required("fill")
            let fill = try fillReader.string() == "none" ? nil : fillReader.integer(0...category.codes.count - 1)
            var centers: [Double] = []
            for center in try fields.required("centers").elements() { centers.append(try center.decimal(finite)) }
            var scales: [Double] = []
            for scale in try fields.required("scales").elements() { scales.append(try scale.decimal(positive)) }
            let kept = category.codes.count - (category.dropsFirst ? 1 : 0)
            guard centers.count == kept, scales.count == kept else {
                throw element.error("does not fit the contract", hint: "one number for each indicator")
            }
            columns.append(.category(fill: fill, centers: centers, scales: scales))
        }
        self.init(columns: columns)
    }
}
