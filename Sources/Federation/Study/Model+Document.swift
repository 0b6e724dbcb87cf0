// SPDX-License-Identifier: Apache-2.0
// Layers in a study document, and their canonical form.

import NeuralNetworks

extension ModelSpecification {
    var canonicalValue: CanonicalValue { .object(["layers": .array(layers.map(\.canonicalValue))]) }

    /// Reads the list of layers and checks the shapes from `inputs` features to the `head`.
    init(_ reader: DocumentReader, inputs: Int, head: Head) throws(DocumentError) {
        let layersReader = try reader.fields(["layers"]).required("layers")
        var layers: [LayerSpecification] = []
        let elements = try layersReader.elements()
        guard elements.count <= 256 else { throw layersReader.error("has too many layers", hint: "at most 256") }
        for element in elements { layers.append(try LayerSpecification(element)) }
        self.init(layers: layers)
        do {
            _ = try Network(self, inputs: inputs, head: head)
        } catch {
            throw layersReader.error("has an impossible shape", hint: error.description)
        }
    }
}

extension LayerSpecification {
    var canonicalValue: CanonicalValue {
        switch self {
        case .dense(let units, let activation):
            .object(["dense": .object(["units": .count(units), "activation": .string(activation.rawValue)])])
        case .dropout(let rate): .object(["dropout": .object(["rate": .decimal(rate)])])
        }
    }

    init(_ reader: DocumentReader) throws(DocumentError) {
        let (name, body) = try reader.choice(Self.kinds)
        switch name {
        case "dense":
            let fields = try body.fields(["units", "activation"])
            self = .dense(
                units: try fields.required("units").integer(1...1_000_000),
                activation: try fields[optional: "activation"]?.keyword(Activation.self) ?? .linear)
        default:
            self = .dropout(rate: try body.fields(["rate"]).required("rate").decimal(0...0.99))
        }
    }
}
