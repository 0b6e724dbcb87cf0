// SPDX-License-Identifier: Apache-2.0
// A checked model: its layers, the layout of its parameters, and their first values.

import Randomness

/// A model whose layers are known to fit, and the layout of its parameters in one flat vector.
///
/// A network holds no parameters: they are `[Float]` values of ``parameterCount`` elements, which is also what is sent,
/// clipped, summed and stored.
package struct Network: Hashable, Sendable {
    package let specification: ModelSpecification
    /// Features per example.
    package let inputs: Int
    package let head: Head
    /// The length of the flat parameter vector, in floats.
    package let parameterCount: Int
    /// The named tensors in the order of the flat vector, without gaps.
    package let slices: [ParameterSlice]
    let layers: [Layer]

    /// A layer with its place in the parameter vector; `width` is the number of values per example it passes on.
    enum Layer: Hashable, Sendable {
        case dense(DenseLayer)
        case dropout(DropoutLayer, width: Int)

        var width: Int {
            switch self {
            case .dense(let layer): layer.units
            case .dropout(_, let width): width
            }
        }
    }

    /// Lays out the parameters of `specification` for examples of `inputs` features.
    ///
    /// - Throws: ``ModelError`` naming the layer that does not fit and what would.
    package init(_ specification: ModelSpecification, inputs: Int, head: Head) throws(ModelError) {
        let graph = try specification.graph(inputs: inputs, head: head)
        var (width, offset) = (inputs, 0)
        var layers: [Layer] = []
        for element in specification.elements {
            switch element.content {
            case let layer as Dense:
                guard let activation = Activation(rawValue: layer.activation.word) else { continue }
                let dense = DenseLayer(inputs: width, units: layer.units, activation: activation, offset: offset)
                layers.append(.dense(dense))
                (width, offset) = (layer.units, offset + dense.parameterCount)
            case let layer as Dropout:
                layers.append(.dropout(DropoutLayer(rate: layer.rate), width: width))
            default: break
            }
        }
        slices = graph.slices
        parameterCount = graph.parameterCount
        self.specification = specification
        self.inputs = inputs
        self.head = head
        self.layers = layers
    }

    /// The parameters a study starts from: weights uniform in ±√(6 / (inputs + units)), biases zero.
    ///
    /// The same seed gives the same bits everywhere; each tensor has a stream of its own.
    /// Source: Glorot & Bengio 2010, equation 16.
    package func initialParameters(seed: UInt64) -> [Float] {
        var parameters = [Float](repeating: 0, count: parameterCount)
        for slice in slices where slice.shape.count == 2 {
            var generator = SeededGenerator(seed: seed, stream: "weights/\(slice.name)")
            let bound = (6 / Float(slice.shape[0] + slice.shape[1])).squareRoot()
            for i in slice.offset..<slice.offset + slice.count {
                parameters[i] = (2 * generator.uniformFloat() - 1) * bound
            }
        }
        return parameters
    }
}
