// SPDX-License-Identifier: Apache-2.0
// What the training rows alone decide about the inputs: means and deviations, or the vocabulary.

package import ClinicalData
import Federation
import NeuralNetworks

/// What is learned from the training rows before training, and applied to every row ever after.
///
/// Privacy: a vocabulary lists words of the training texts; means and deviations are those of all training rows.
package enum FittedPreprocessing: Hashable, Sendable {
    case none
    case columns([Column])
    case vocabulary(Vocabulary)

    /// One column of a table.
    package struct Column: Hashable, Sendable {
        package let name: String
        /// The codes of a category, one input each; empty: a number.
        package let codes: [String]
        /// For each input; values that are missing become the mean.
        package let means: [Double]
        package let deviations: [Double]
    }

    /// Learns from training rows.
    init(_ source: DataDescription.Source, _ rows: RawExamples, columns: [TableSource.Column]) {
        switch (source, rows.content) {
        case (.table(let table), .columns(let values, let width)):
            self = .columns(Self.moments(values, width: width, columns, standardizes: table.standardizes))
        case (.texts(let source), .texts(let texts)):
            self = .vocabulary(Vocabulary(texts: texts, limit: source.vocabulary, leastTexts: source.leastTexts))
        default: self = .none
        }
    }

    private static func moments(
        _ values: [Float], width: Int, _ columns: [TableSource.Column], standardizes: Bool
    ) -> [Column] {
        var place = 0
        return columns.map { column in
            let inputs = max(column.codes.count, 1)
            defer { place += inputs }
            let moments = (place..<place + inputs).map { moment(of: values, width: width, $0) }
            let scales = standardizes && column.codes.isEmpty
            return Column(
                name: column.name, codes: column.codes, means: moments.map(\.mean),
                deviations: moments.map { scales && $0.deviation > 0 ? $0.deviation : 1 })
        }
    }

    /// Two passes over what is not missing; the deviation is that of the population.
    private static func moment(of values: [Float], width: Int, _ column: Int) -> (mean: Double, deviation: Double) {
        var (count, sum, squares) = (0, 0.0, 0.0)
        for place in stride(from: column, to: values.count, by: width) where !values[place].isNaN {
            count += 1
            sum += Double(values[place])
        }
        guard count > 0 else { return (0, 1) }
        let mean = sum / Double(count)
        for place in stride(from: column, to: values.count, by: width) where !values[place].isNaN {
            let difference = Double(values[place]) - mean
            squares += difference * difference
        }
        return (mean, (squares / Double(count)).squareRoot())
    }

    // MARK: Application

    /// Rows as the model takes them.
    ///
    /// - Parameter standardizes: Whether the mean is taken off, too; else it only fills gaps.
    func examples(_ rows: RawExamples, length: Int, standardizes: Bool) -> Examples {
        switch (self, rows.content) {
        case (.columns(let columns), .columns(let values, let width)):
            let (means, deviations) = (columns.flatMap(\.means), columns.flatMap(\.deviations))
            let isNumber = columns.flatMap { [Bool](repeating: $0.codes.isEmpty, count: $0.means.count) }
            let encoded = values.indices.map { place in
                let column = place % width
                let value = values[place].isNaN ? means[column] : Double(values[place])
                guard standardizes, isNumber[column] else { return Float(value) }
                return Float((value - means[column]) / deviations[column])
            }
            return Examples(count: rows.count, inputs: [.floats(encoded)], targets: rows.targets)
        case (.vocabulary(let vocabulary), .texts(let texts)):
            let encoded = vocabulary.encode(texts, length: length)
            return Examples(
                count: rows.count, inputs: [.tokens(encoded.tokens)], lengths: [encoded.lengths], targets: rows.targets)
        case (_, .ready(var examples)):
            examples.targets = rows.targets
            return examples
        default: preconditionFailure("rows of another kind than the preprocessing")
        }
    }

    // MARK: Files

    /// The form in a model file.
    var canonicalValue: CanonicalValue {
        switch self {
        case .none: return .object([:])
        case .vocabulary(let vocabulary): return .object(["vocabulary": .strings(vocabulary.words)])
        case .columns(let columns):
            return .object([
                "columns": .array(
                    columns.map { column in
                        .object([
                            "name": .string(column.name), "codes": .strings(column.codes),
                            "means": .array(column.means.map { .decimal($0) }),
                            "deviations": .array(column.deviations.map { .decimal($0) }),
                        ])
                    })
            ])
        }
    }

    /// Reads what ``canonicalValue`` wrote.
    init(_ reader: DocumentReader) throws {
        let fields = try reader.fields(["columns", "vocabulary"])
        if let words = fields[optional: "vocabulary"] {
            self = .vocabulary(try Vocabulary(words: words.strings()))
        } else if let columns = fields[optional: "columns"] {
            self = .columns(try columns.elements().map { try Column($0) })
        } else {
            self = .none
        }
    }
}

extension FittedPreprocessing.Column {
    fileprivate init(_ reader: DocumentReader) throws(DocumentError) {
        let fields = try reader.fields(["name", "codes", "means", "deviations"])
        func numbers(_ key: String, _ range: ClosedRange<Double>) throws(DocumentError) -> [Double] {
            var numbers: [Double] = []
            for element in try fields.required(key).elements() { numbers.append(try element.decimal(range)) }
            return numbers
        }
        let codes = try fields.required("codes").strings()
        let means = try numbers("means", -1e300...1e300)
        let deviations = try numbers("deviations", 1e-300...1e300)
        guard means.count == max(codes.count, 1), deviations.count == means.count else {
            throw reader.error("has numbers for other inputs", hint: "use a file written by this program")
        }
        self.init(
            name: try fields.required("name").string(), codes: codes, means: means, deviations: deviations)
    }
}
