// SPDX-License-Identifier: Apache-2.0
// What can be wrong with a model's description, and what would fit instead.

/// Why a model specification cannot become a network. `layer` counts from zero.
package enum ModelError: Error, Equatable, Sendable, CustomStringConvertible {
    case noLayers(expectedUnits: Int)
    case lastLayerKind(layer: Int, kind: String, expectedUnits: Int)
    case lastLayerUnits(layer: Int, units: Int, expectedUnits: Int)
    case lastLayerActivation(layer: Int, activation: Activation)
    /// `layer` is nil for the inputs of the model.
    case widthOutOfRange(layer: Int?, width: Int, largest: Int)
    case classesOutOfRange(Int, largest: Int)
    case dropoutRateOutOfRange(layer: Int)
    case tooManyParameters(layer: Int, largest: Int)

    /// One sentence: which layer, what is wrong, what would fit.
    package var description: String {
        switch self {
        case .noLayers(let units):
            "the model has no layers: it needs at least one dense layer with \(units) units and linear activation"
        case .lastLayerKind(let layer, let kind, let units):
            "layer \(layer) (\(kind)) is the last one: "
                + "the last layer must be dense with \(units) units and linear activation"
        case .lastLayerUnits(let layer, let units, let expected):
            "layer \(layer) (dense) has \(units) units: the head needs \(expected)"
        case .lastLayerActivation(let layer, let activation):
            "layer \(layer) (dense) has \(activation.rawValue) activation: "
                + "the last layer must be linear, because the head applies its own function"
        case .widthOutOfRange(nil, let width, let largest):
            "the model has \(width) inputs: between 1 and \(largest) are possible"
        case .widthOutOfRange(let layer?, let width, let largest):
            "layer \(layer) (dense) has \(width) units: between 1 and \(largest) are possible"
        case .classesOutOfRange(let classes, let largest):
            "the softmax head has \(classes) classes: between 2 and \(largest) are possible"
        case .dropoutRateOutOfRange(let layer):
            "layer \(layer) (dropout) has a rate outside 0 ..< 1"
        case .tooManyParameters(let layer, let largest):
            "layer \(layer) (dense) takes the model past \(largest) parameters: use fewer units"
        }
    }
}
