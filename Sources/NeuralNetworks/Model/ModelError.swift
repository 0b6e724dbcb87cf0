// SPDX-License-Identifier: Apache-2.0
// What can be wrong with a model's description, and what would fit instead.

/// Why a model specification cannot become a network.
package enum ModelError: Error, Equatable, Sendable, CustomStringConvertible {
    case noLayers
    case tooManyElements(Int, largest: Int)
    case classesOutOfRange(Int, largest: Int)
    /// An input of the model by its place in the list.
    case input(Int, InputProblem)
    case layer(Place, LayerProblem)
    case output(String, OutputProblem)

    /// A layer by its place in the list, its name, and its kind.
    package struct Place: Equatable, Sendable {
        package let index: Int
        package let name: String
        package let kind: String

        package init(index: Int, name: String, kind: String) {
            self.index = index
            self.name = name
            self.kind = kind
        }
    }

    package enum InputProblem: Equatable, Sendable {
        case name
        case nameTwice
        case sizes
        case isNotRead
        /// The table has another number of features.
        case features(expected: Int, actual: Int)
        /// Only a table could give the features, and there is none.
        case noTable
        /// Tokens, where a table is what there is.
        case tokensOfTable
        case tooMany(largest: Int)
    }

    package enum LayerProblem: Equatable, Sendable {
        /// A layer for blocks only.
        case kind
        case name
        case nameTwice
        /// A field has a value outside of its range, which the text tells.
        case field(String, range: String)
        case shape(String)
        case sourceIsLater(String)
        case sourceIsUnknown(String, known: [String])
        case needsSource(known: [String])
        case isNotRead
        case lastKind(expectedUnits: Int)
        case lastUnits(Int, expected: Int)
        case lastValues([Int], expected: Int)
        case lastActivation(String)
    }

    package enum OutputProblem: Equatable, Sendable {
        case isUnknown(known: [String])
        case isTwice
        case tooMany(largest: Int)
    }

    /// The place in the list of the layer that does not fit.
    package var element: Int? {
        if case .layer(let place, _) = self { place.index } else { nil }
    }

    /// One sentence: which layer, what is wrong, what would fit.
    package var description: String {
        switch self {
        case .noLayers: "the model has no layers: it needs at least one dense layer with linear activation"
        case .tooManyElements(let count, let largest): "the model has \(count) layers: at most \(largest) are possible"
        case .classesOutOfRange(let classes, let largest):
            "the softmax head has \(classes) classes: between 2 and \(largest) are possible"
        case .input(let index, let problem): "input \(index) \(problem.description)"
        case .layer(let place, let problem): "layer \(place.name) (\(place.kind)) \(problem.description)"
        case .output(let name, let problem): "output \(name) \(problem.description)"
        }
    }
}

extension ModelError.InputProblem: CustomStringConvertible {
    package var description: String {
        switch self {
        case .name: "has no usable name: \(ModelError.nameRule)"
        case .nameTwice: "has a name that another input has, too"
        case .sizes:
            "has impossible sizes: 1 to 4 of at least 1, and at most \(GraphBuilder.largestValueCount) values in all"
        case .isNotRead: "is read by no layer: leave it out, or name it in a layer's `from`"
        case .features(let expected, let actual): "has \(expected) features: the table has \(actual)"
        case .tokensOfTable: "takes tokens: a study trains on the features of a table"
        case .noTable: "has the features of a table, and there is no table"
        case .tooMany(let largest): "is one too many: at most \(largest) are possible"
        }
    }
}

extension ModelError.LayerProblem: CustomStringConvertible {
    package var description: String {
        switch self {
        case .kind: "is no kind of layer that studies know"
        case .name: "has no usable name: \(ModelError.nameRule)"
        case .nameTwice: "has the name of an input or of a layer before it"
        case .field(let name, let range): "has a `\(name)` out of range: \(range)"
        case .shape(let problem): "does not fit: \(problem)"
        case .sourceIsLater(let name):
            "reads \(name), which comes later or is the layer itself: a layer reads inputs and layers before it"
        case .sourceIsUnknown(let name, let known):
            "reads \(name), which is not there; before it are \(ModelError.list(known))"
        case .needsSource(let known): "must say `from`, one of: \(ModelError.list(known))"
        case .isNotRead: "is read by nobody and is no output: leave it out, or name it in a `from` or in `outputs`"
        case .lastKind(let units):
            "is the last one: the last layer must be dense with \(units) units and linear activation"
        case .lastUnits(let units, let expected): "has \(units) units: the head needs \(expected)"
        case .lastValues(let sizes, let expected):
            "returns values of the shape \(sizes): the head needs \(expected) in all; flatten, lastStep, meanOverTime "
                + "or globalAveragePool before it make one vector"
        case .lastActivation(let activation):
            "has \(activation) activation: the last layer must be linear, because the head applies its own function"
        }
    }
}

extension ModelError.OutputProblem: CustomStringConvertible {
    package var description: String {
        switch self {
        case .isUnknown(let known): "is no layer; the layers are \(ModelError.list(known))"
        case .isTwice: "is named twice"
        case .tooMany(let largest): "is one too many: at most \(largest) are possible"
        }
    }
}

extension ModelError {
    fileprivate static let nameRule = "1 to 64 of A-Z, a-z, 0-9, `_`, `-` and single dots, and not a number"

    /// The names, the last twenty of them if there are more.
    fileprivate static func list(_ names: [String]) -> String {
        (names.count > 20 ? ["…"] : []).joined() + names.suffix(20).joined(separator: ", ")
    }
}
