// SPDX-License-Identifier: Apache-2.0
// A model as data: the list of layers a study names, checked before any memory is reserved for it.

/// One layer of a model.
package enum LayerSpecification: Hashable, Sendable {
    /// y = f(x·wᵀ + b) with `units` outputs.
    case dense(units: Int, activation: Activation)
    /// In training, sets each value to zero with odds `rate` and divides the others by 1 − rate; else does nothing.
    case dropout(rate: Double)

    /// The words that studies use for kinds of layers.
    package static let kinds = ["dense", "dropout"]

    /// The word a study uses for this kind of layer.
    package var kind: String {
        switch self {
        case .dense: "dense"
        case .dropout: "dropout"
        }
    }
}

/// The layers of a model from the inputs to the logits; the head that follows is named apart.
///
/// Invariant of a model that a ``Network`` accepts: the last layer is dense and linear and has the head's outputs.
package struct ModelSpecification: Hashable, Sendable {
    package var layers: [LayerSpecification]

    package init(layers: [LayerSpecification]) {
        self.layers = layers
    }

    /// The most units a layer, inputs a model, or classes a head may have.
    package static let largestWidth = 1 << 20
    /// The most parameters a model may have: 1 GiB of float32.
    package static let largestParameterCount = 1 << 28

    /// Checks every layer by itself and the last one against the head.
    ///
    /// - Throws: ``ModelError``, at the first layer that does not fit.
    package func check(inputs: Int, head: Head) throws(ModelError) {
        guard (1...Self.largestWidth).contains(inputs) else {
            throw .widthOutOfRange(layer: nil, width: inputs, largest: Self.largestWidth)
        }
        if case .softmax(let classes) = head, !(2...Self.largestWidth).contains(classes) {
            throw .classesOutOfRange(classes, largest: Self.largestWidth)
        }
        for (index, layer) in layers.enumerated() {
            switch layer {
            case .dense(let units, _):
                guard (1...Self.largestWidth).contains(units) else {
                    throw .widthOutOfRange(layer: index, width: units, largest: Self.largestWidth)
                }
            case .dropout(let rate):
                guard rate >= 0 && rate < 1 else { throw .dropoutRateOutOfRange(layer: index) }
            }
        }
        try checkLastLayer(head: head)
    }

    /// The layers as a graph from `inputs` features to the logits; the number of a layer is its name.
    ///
    /// - Throws: ``ModelError`` naming the layer that does not fit and what would.
    func graph(inputs: Int, head: Head) throws(ModelError) -> Graph {
        try check(inputs: inputs, head: head)
        var (width, count) = (inputs, 0)
        for (index, layer) in layers.enumerated() {
            guard case .dense(let units, _) = layer else { continue }
            count += (width + 1) * units
            width = units
            guard count <= Self.largestParameterCount else {
                throw .tooManyParameters(layer: index, largest: Self.largestParameterCount)
            }
        }
        do {
            return try Graph(
                input: Shape([inputs]),
                layers: layers.map { layer in
                    switch layer {
                    case .dense(let units, let activation): Dense(units, activation: activation.function)
                    case .dropout(let rate): Dropout(rate)
                    }
                })
        } catch {
            preconditionFailure("checked layers that do not fit: \(error)")
        }
    }

    private func checkLastLayer(head: Head) throws(ModelError) {
        guard let last = layers.last else { throw .noLayers(expectedUnits: head.outputs) }
        let index = layers.count - 1
        guard case .dense(let units, let activation) = last else {
            throw .lastLayerKind(layer: index, kind: last.kind, expectedUnits: head.outputs)
        }
        guard units == head.outputs else {
            throw .lastLayerUnits(layer: index, units: units, expectedUnits: head.outputs)
        }
        guard activation == .linear else { throw .lastLayerActivation(layer: index, activation: activation) }
    }
}
