// SPDX-License-Identifier: Apache-2.0
// The recurrent layers as a study writes them: LSTM, GRU and the plain network.

package import Tensors

/// What the recurrent layers share: one or more levels of a cell, each run forward in time or in both directions.
///
/// Shapes: x `[time, inputs]`, y `[time, hidden]`, or `[time, 2·hidden]` with the reverse direction in the second half.
/// Every state starts at zero. With lengths, the reverse direction starts at each sequence's own last step, and y is zero
/// behind it. Dropout lies between the levels, as in PyTorch: x and y are whole.
package protocol RecurrentLayer: Layer {
    /// The gates of the cell, each with a row of the weights for each hidden unit.
    static var gateCount: Int { get }
    /// The width of the state of each direction.
    var hidden: Int { get }
    /// The levels: each reads what the one below returns.
    var layers: Int { get }
    var isBidirectional: Bool { get }
    /// The rate at which values are dropped, in training, on their way from one level to the next.
    var dropout: Double { get }

    /// The memory and the gates of one direction of one level, over `steps` steps.
    func makeCell(steps: Int) -> any RecurrentCell
}

extension RecurrentLayer {
    /// Directions of each level.
    var directions: Int { isBidirectional ? 2 : 1 }

    /// The width of what a level reads.
    func inputWidth(ofLevel level: Int, _ input: Shape) -> Int { level == 0 ? input.sizes[1] : directions * hidden }

    package func outputShape(_ inputs: [Shape]) throws(ShapeError) -> Shape { try sequenceShape(inputs) }

    package func operations(_ inputs: [Shape]) -> Int {
        let rows = 2 * inputs[0].sizes[0] * directions * Self.gateCount * hidden
        return (0..<layers).reduce(0) { $0 + rows * (inputWidth(ofLevel: $1, inputs[0]) + hidden) }
    }

    /// The shape of y, where x and the layer's numbers are possible.
    func sequenceShape(_ inputs: [Shape]) throws(ShapeError) -> Shape {
        let input = try single(inputs)
        guard input.sizes.count == 2, !input.holdsTokens else {
            throw ShapeError("\(Self.kind) takes [time, features], not \(input)")
        }
        guard hidden >= 1, layers >= 1 else {
            throw ShapeError("\(Self.kind) needs a hidden width and a number of layers of at least 1")
        }
        guard dropout >= 0 && dropout < 1 else {
            throw ShapeError("\(Self.kind) has the dropout rate \(dropout): 0 ..< 1 is possible")
        }
        guard dropout == 0 || layers > 1 else {
            throw ShapeError("\(Self.kind) drops values between its layers, and has only one")
        }
        return Shape([input.sizes[0], directions * hidden])
    }

    /// Per level and direction w_ih `[gates·hidden, inputs]`, w_hh `[gates·hidden, hidden]` and two biases
    /// `[gates·hidden]`, all uniform in ±1/√hidden, as PyTorch names and starts them.
    package func parameters(_ inputs: [Shape]) -> [ParameterDeclaration] {
        let rows = Self.gateCount * hidden
        let start = ParameterDeclaration.Start.uniform(bound: 1 / Float(hidden).squareRoot())
        return (0..<layers).flatMap { level in
            ["", "_reverse"].prefix(directions).flatMap { direction in
                let place = "l\(level)\(direction)"
                return [
                    ParameterDeclaration("weight_ih_\(place)", [rows, inputWidth(ofLevel: level, inputs[0])], start),
                    ParameterDeclaration("weight_hh_\(place)", [rows, hidden], start),
                    ParameterDeclaration("bias_ih_\(place)", [rows], start),
                    ParameterDeclaration("bias_hh_\(place)", [rows], start),
                ]
            }
        }
    }

    package func makeOperation(_ context: OperationContext) -> Operation { RecurrentOperation(self, context) }
}

/// A long short-term memory.
///
/// Source: Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000; torch.nn.LSTM.
package struct LSTM: RecurrentLayer {
    package static let kind = "lstm"
    package static let gateCount = 4
    package var hidden: Int
    package var layers: Int
    package var isBidirectional: Bool
    package var dropout: Double

    package init(_ hidden: Int, layers: Int = 1, bidirectional: Bool = false, dropout: Double = 0) {
        self.hidden = hidden
        self.layers = layers
        isBidirectional = bidirectional
        self.dropout = dropout
    }

    package func makeCell(steps: Int) -> any RecurrentCell { LSTMCell(steps: steps, hidden: hidden) }
}

/// A gated recurrent unit that resets after the recurrent product.
///
/// Source: Cho et al. 2014 (arXiv:1406.1078), in the variant of torch.nn.GRU and Keras' `reset_after`.
package struct GRU: RecurrentLayer {
    package static let kind = "gru"
    package static let gateCount = 3
    package var hidden: Int
    package var layers: Int
    package var isBidirectional: Bool
    package var dropout: Double

    package init(_ hidden: Int, layers: Int = 1, bidirectional: Bool = false, dropout: Double = 0) {
        self.hidden = hidden
        self.layers = layers
        isBidirectional = bidirectional
        self.dropout = dropout
    }

    package func makeCell(steps: Int) -> any RecurrentCell { GRUCell() }
}

/// A plain recurrent network: h = f(w_ih·x + b_ih + w_hh·h′ + b_hh).
///
/// Source: Elman 1990; torch.nn.RNN.
package struct RNN: RecurrentLayer {
    package static let kind = "rnn"
    package static let gateCount = 1
    package var hidden: Int
    package var layers: Int
    package var isBidirectional: Bool
    package var dropout: Double
    /// tanh or ReLU.
    package var activation: ActivationFunction

    package init(
        _ hidden: Int, layers: Int = 1, bidirectional: Bool = false, dropout: Double = 0,
        activation: ActivationFunction = .tanh
    ) {
        self.hidden = hidden
        self.layers = layers
        isBidirectional = bidirectional
        self.dropout = dropout
        self.activation = activation
    }

    package func outputShape(_ inputs: [Shape]) throws(ShapeError) -> Shape {
        guard activation == .tanh || activation == .relu else {
            throw ShapeError("rnn has the activation tanh or relu")
        }
        return try sequenceShape(inputs)
    }

    package func makeCell(steps: Int) -> any RecurrentCell { PlainCell(function: activation) }
}
