// SPDX-License-Identifier: Apache-2.0
// From columns to model inputs: which features a contract makes, in which order.

/// One input of the model.
package enum EncodedFeature: Hashable, Sendable {
    /// The standardised value of the number or date column at `column` of ``DataContract/columns``.
    case quantity(column: Int)
    /// The indicator of code number `code` of the category column at `column`.
    case indicator(column: Int, code: Int)
}

extension DataContract {
    /// The model's inputs in order: columns as listed, indicators of a category in the order of its codes.
    package var features: [EncodedFeature] {
        columns.enumerated().flatMap { index, column -> [EncodedFeature] in
            switch column.kind {
            case .number, .date: [.quantity(column: index)]
            case .category(let category):
                category.codes.indices.dropFirst(category.dropsFirst ? 1 : 0)
                    .map { .indicator(column: index, code: $0) }
            case .label, .patientKey, .group, .split: []
            }
        }
    }

    /// Indices into ``columns`` of the feature columns.
    package var featureColumns: [Int] {
        columns.indices.filter {
            switch columns[$0].kind {
            case .number, .category, .date: true
            case .label, .patientKey, .group, .split: false
            }
        }
    }

    /// The label column. Present in every validated contract.
    package var label: (index: Int, kind: LabelColumn)? {
        for (index, column) in columns.enumerated() {
            if case .label(let kind) = column.kind { return (index, kind) }
        }
        return nil
    }

    /// A name for people: `age`, `cp=3`.
    package func name(of feature: EncodedFeature) -> String {
        switch feature {
        case .quantity(let column): return columns[column].name
        case .indicator(let column, let code):
            guard case .category(let category) = columns[column].kind else { return columns[column].name }
            return "\(columns[column].name)=\(category.codes[code])"
        }
    }
}

extension NumberColumn {
    /// The width of the plausible range, used to bring values to 0...1 for exact sums.
    package var span: Double { maximum - minimum }
}

extension ColumnKind {
    /// The plausible range of a quantity, in its unit or in days since 1970-01-01; `nil` for other kinds.
    package var quantityRange: (minimum: Double, maximum: Double)? {
        switch self {
        case .number(let column): (column.minimum, column.maximum)
        case .date(let column): (0, Double(column.latest.daysSinceEpoch - column.earliest.daysSinceEpoch))
        case .category, .label, .patientKey, .group, .split: nil
        }
    }
}
