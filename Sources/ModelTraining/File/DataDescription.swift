// SPDX-License-Identifier: Apache-2.0
// Where the examples of a training file lie, and what is done to their values before the model sees them.

package import ClinicalData

/// The section `data`: one source of training examples, and where those for validation and test come from.
package struct DataDescription: Hashable, Sendable {
    package enum Source: Hashable, Sendable {
        case arrays(ArraySource)
        case table(TableSource)
        case texts(TextSource)
        case series(SeriesSource)

        /// The word that training files use.
        package var kind: String {
            switch self {
            case .arrays: "arrays"
            case .table: "table"
            case .texts: "texts"
            case .series: "series"
            }
        }

        /// The file of the training examples, as the training file names it.
        package var file: String {
            switch self {
            case .arrays(let source): source.place.file
            case .table(let source): source.file
            case .texts(let source): source.file
            case .series(let source): source.file
            }
        }

        /// The codes of classes in the order of their numbers; empty: labels are numbers already.
        package var classes: [String] {
            switch self {
            case .arrays: []
            case .table(let source): source.classes
            case .texts(let source): source.classes
            case .series(let source): source.classes
            }
        }
    }

    /// Where the examples of another part come from.
    package enum Held: Hashable, Sendable {
        /// From the training file's own examples: a share of each class, without those of the test.
        case share(Double)
        /// Other arrays; conversions are those of the training arrays.
        case arrays(ArrayPlace)
        /// Another file of the same form.
        case file(String)
    }

    package let source: Source
    package let validation: Held?
    package let test: Held?
}

/// A part of the examples.
package enum DataPart: String, CaseIterable, Sendable, Codable {
    case training = "train"
    case validation
    case test
}

/// Arrays of an NPZ file.
package struct ArraySource: Hashable, Sendable {
    package let place: ArrayPlace
    /// In the order of the model's inputs.
    package let conversions: [ArrayConversion]
}

/// The names of the arrays of one part.
package struct ArrayPlace: Hashable, Sendable {
    package let file: String
    /// For each input of the model its array `[examples, …]`.
    package let inputs: [String]
    /// For each input the array of its sequences' lengths; empty: all are full.
    package let lengths: [String]
    /// For each loss the arrays of its targets, side by side.
    package let targets: [[String]]
}

/// (value ÷ divisor − mean) ÷ deviation, after the change of order.
package struct ArrayConversion: Hashable, Sendable {
    package let divisor: Double
    /// One number, or one for each channel; like the next.
    package let mean: [Double]
    package let deviation: [Double]
    /// Whether images are `[rows, columns, channels]` in the file, as Keras stores them.
    package let isChannelsLast: Bool

    /// Whether values stay as they are.
    var isIdentity: Bool { divisor == 1 && mean == [0] && deviation == [1] }
}

/// Columns of a table of patients.
package struct TableSource: Hashable, Sendable {
    /// One column that the model reads.
    package struct Column: Hashable, Sendable {
        package let name: String
        /// The codes of a category, one input each; empty: a number.
        package let codes: [String]
    }

    /// What the model learns.
    package enum Label: Hashable, Sendable {
        /// One column or more, side by side.
        case columns([String])
        case survival(time: String, event: String)

        var names: [String] {
            switch self {
            case .columns(let names): names
            case .survival(let time, let event): [time, event]
            }
        }
    }

    /// What is done about an empty cell.
    package enum Missing: String, CaseIterable, Sendable {
        case refuse
        /// The mean of the training rows takes its place.
        case mean
    }

    package let file: String
    package let separator: Separator?
    /// Empty: all columns but label and patient, as numbers.
    package let features: [Column]
    package let label: Label
    package let classes: [String]
    /// The column that tells whose row it is: rows of one patient are never on both sides of a share.
    package let patient: String?
    package let standardizes: Bool
    package let missing: Missing

    /// The inputs that the listed columns become; nil when the table's header decides.
    package var featureCount: Int? {
        features.isEmpty ? nil : features.reduce(0) { $0 + max($1.codes.count, 1) }
    }
}

/// Texts of a table and their classes or values.
package struct TextSource: Hashable, Sendable {
    package let file: String
    package let separator: Separator?
    package let text: String
    package let label: String
    package let classes: [String]
    package let patient: String?
    /// The most words of the vocabulary.
    package let vocabulary: Int
    /// In how many texts a word occurs at least.
    package let leastTexts: Int
}

/// Signals, one a line.
package struct SeriesSource: Hashable, Sendable {
    package enum Place: String, CaseIterable, Sendable {
        case first
        case last
    }

    package let file: String
    /// nil: blanks.
    package let separator: Separator?
    package let label: Place
    package let classes: [String]
    package let skippedLines: Int
    /// Whether each series is brought to mean 0 and deviation 1 by itself.
    package let standardizes: Bool
}
