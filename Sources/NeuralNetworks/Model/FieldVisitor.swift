// SPDX-License-Identifier: Apache-2.0
// The fields of a layer, named once: reading, writing, checking and documenting a layer all walk over the same list.

package import Tensors

/// Whether a document must name a field.
package enum FieldPresence: Hashable, Sendable {
    case required
    /// Left out, the field keeps the value it has in the default of its layer.
    case standard
    /// Left out, the field is zero, and zero is not written: the field came when there were studies without it, whose
    /// canonical bytes must not change.
    case addition
}

/// Something that walks over the fields of a layer: a reader changes them, a writer reads them.
///
/// A visitor that meets a mistake keeps the first one and lets the walk go on; whoever started it asks afterwards.
package protocol FieldVisitor {
    /// A whole number.
    mutating func integer(_ name: String, _ value: inout Int, _ range: ClosedRange<Int>, _ presence: FieldPresence)

    /// A whole number, or none.
    mutating func optionalInteger(_ name: String, _ value: inout Int?, _ range: ClosedRange<Int>)

    mutating func decimal(
        _ name: String, _ value: inout Double, _ range: ClosedRange<Double>, _ presence: FieldPresence)

    mutating func flag(_ name: String, _ value: inout Bool)

    /// One whole number for each dimension; a single number stands for all of them.
    mutating func sizes(_ name: String, _ value: inout [Int], _ range: ClosedRange<Int>, _ form: SizesForm)

    mutating func activation(_ name: String, _ value: inout ActivationFunction, _ presence: FieldPresence)

    /// `valid`, `same`, or the zeros on both sides of each of so many dimensions.
    mutating func padding(_ name: String, _ value: inout Padding, dimensions: Int)

    /// One of several words.
    mutating func word<Word: CaseIterable & RawRepresentable>(_ name: String, _ value: inout Word)
    where Word.RawValue == String

    /// Fields of their own under one name, or none. Where there are none, nothing is written.
    mutating func group<Group: FieldGroup>(_ name: String, _ value: inout Group?)
}

/// Several fields that a layer has together or not at all.
package protocol FieldGroup: Hashable, Sendable {
    /// The defaults; what is required has a value that no check accepts.
    init()

    /// Names every field to the visitor, in the order of the documentation.
    mutating func visit(_ fields: inout some FieldVisitor)
}

extension FieldVisitor {
    /// A whole number that may be left out.
    mutating func integer(_ name: String, _ value: inout Int, _ range: ClosedRange<Int>) {
        integer(name, &value, range, .standard)
    }

    /// A decimal that may be left out.
    mutating func decimal(_ name: String, _ value: inout Double, _ range: ClosedRange<Double>) {
        decimal(name, &value, range, .standard)
    }

    /// An activation that may be left out.
    mutating func activation(_ name: String, _ value: inout ActivationFunction) {
        activation(name, &value, .standard)
    }
}

/// How many sizes there are, and what they are when the document names none.
package enum SizesForm: Hashable, Sendable {
    /// So many, and required.
    case required(dimensions: Int)
    /// So many; left out, they keep the default.
    case standard(dimensions: Int)
    /// As many as another field has, and equal to it when left out.
    case like(field: String, sizes: [Int])
    /// A required list of any length up to the largest.
    case list(most: Int)

    /// The number of dimensions; nil: any.
    package var dimensions: Int? {
        switch self {
        case .required(let dimensions), .standard(let dimensions): dimensions
        case .like(_, let sizes): sizes.count
        case .list: nil
        }
    }
}

/// The functions of which studies may choose.
package typealias Activation = ActivationFunction

extension ActivationFunction {
    /// The functions of which studies may choose, those with a number at its default.
    package static let choices: [ActivationFunction] = [
        .linear, .relu, .leakyReLU(slope: 0.01), .elu(alpha: 1), .gelu, .geluTanh, .silu, .tanh, .sigmoid,
    ]

    /// The word that studies use.
    package var word: String {
        switch self {
        case .linear: "linear"
        case .relu: "relu"
        case .leakyReLU: "leakyReLU"
        case .elu: "elu"
        case .gelu: "gelu"
        case .geluTanh: "geluTanh"
        case .silu: "silu"
        case .tanh: "tanh"
        case .sigmoid: "sigmoid"
        }
    }

    /// The function's own number and its name, where it has one.
    package var number: (name: String, value: Float)? {
        get {
            switch self {
            case .leakyReLU(let slope): ("slope", slope)
            case .elu(let alpha): ("alpha", alpha)
            default: nil
            }
        }
        set {
            switch (self, newValue) {
            case (.leakyReLU, let number?): self = .leakyReLU(slope: number.value)
            case (.elu, let number?): self = .elu(alpha: number.value)
            default: break
            }
        }
    }

    /// What the function's number may be.
    package static let numberRange = 0.0...100.0
}
