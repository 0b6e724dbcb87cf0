// SPDX-License-Identifier: Apache-2.0
// Transformer encoders and decoders, as layers of a graph.

package import Tensors

/// Self-attention and two dense layers, each around a residual connection.
///
/// Normalised after the sum: x ← norm1(x + attention x), x ← norm2(x + linear2(f(linear1 x))); before: x ← x +
/// attention(norm1 x), x ← x + linear2(f(linear1(norm2 x))). Dropout acts on the probabilities, on f, and on what is added
/// to x. With an adapter, only the adapters of the attention are trained; the rest of the block is frozen, as in Hu et al.
/// 2021, section 4.2 (arXiv:2106.09685).
///
/// Shapes: x `[time, width]` before and after. Names are those of torch.nn.TransformerEncoderLayer.
/// Source: Vaswani et al. 2017, section 3.1 (arXiv:1706.03762); normalised first: Xiong et al. 2020, figure 1
/// (arXiv:2002.04745).
package struct TransformerEncoderLayer: Block {
    package static let kind = "transformerEncoderLayer"
    package var heads: Int
    /// Units between the two dense layers.
    package var feedForward: Int
    package var activation: ActivationFunction
    package var dropout: Double
    package var normalizesFirst: Bool
    package var isCausal: Bool
    package var isRotary: Bool
    package var epsilon: Double
    /// On the attention; everything else of the block is frozen with it.
    package var adapter: AttentionAdapter?

    package init(
        heads: Int, feedForward: Int, activation: ActivationFunction = .relu, dropout: Double = 0,
        normalizesFirst: Bool = false, causal: Bool = false, rotary: Bool = false, epsilon: Double = 1e-5,
        adapter: AttentionAdapter? = nil
    ) {
        self.heads = heads
        self.feedForward = feedForward
        self.activation = activation
        self.dropout = dropout
        self.normalizesFirst = normalizesFirst
        isCausal = causal
        isRotary = rotary
        self.epsilon = epsilon
        self.adapter = adapter
    }

    package func build(_ builder: inout GraphBuilder, name: String, inputs: [Int]) throws(ShapeError) -> Int {
        guard inputs.count == 1 else { throw ShapeError(name, "\(Self.kind) takes one input, not \(inputs.count)") }
        var sublayers = Sublayers(
            builder, name, dropout: dropout, normalizesFirst: normalizesFirst, epsilon: epsilon,
            isFrozen: adapter != nil)
        let attention = MultiHeadAttention(
            heads, causal: isCausal, rotary: isRotary, dropout: dropout, adapter: adapter)
        var x = try sublayers.attention("self_attn", attention, inputs[0])
        x = try sublayers.feedForward(x, units: feedForward, activation)
        builder = sublayers.builder
        return x
    }
}

/// Causal self-attention, attention to a memory, and two dense layers, each around a residual connection. With an
/// adapter, which both attentions then have, the rest of the block is frozen.
///
/// Shapes: the inputs are x `[time, width]` and the memory `[steps, width]`; the output is as x. Names are those of
/// torch.nn.TransformerDecoderLayer: self_attn, multihead_attn, linear1, linear2, norm1, norm2, norm3.
/// Source: Vaswani et al. 2017, section 3.1 (arXiv:1706.03762).
package struct TransformerDecoderLayer: Block {
    package static let kind = "transformerDecoderLayer"
    package var heads: Int
    /// Units between the two dense layers.
    package var feedForward: Int
    package var activation: ActivationFunction
    package var dropout: Double
    package var normalizesFirst: Bool
    package var isRotary: Bool
    package var epsilon: Double
    /// On the attention; everything else of the block is frozen with it.
    package var adapter: AttentionAdapter?

    /// - Parameter rotary: Whether the self-attention has rotary positions.
    package init(
        heads: Int, feedForward: Int, activation: ActivationFunction = .relu, dropout: Double = 0,
        normalizesFirst: Bool = false, rotary: Bool = false, epsilon: Double = 1e-5, adapter: AttentionAdapter? = nil
    ) {
        self.heads = heads
        self.feedForward = feedForward
        self.activation = activation
        self.dropout = dropout
        self.normalizesFirst = normalizesFirst
        isRotary = rotary
        self.epsilon = epsilon
        self.adapter = adapter
    }

    package func build(_ builder: inout GraphBuilder, name: String, inputs: [Int]) throws(ShapeError) -> Int {
        guard inputs.count == 2 else {
            throw ShapeError(name, "\(Self.kind) takes an input and a memory, not \(inputs.count) inputs")
        }
        var sublayers = Sublayers(
            builder, name, dropout: dropout, normalizesFirst: normalizesFirst, epsilon: epsilon,
            isFrozen: adapter != nil)
        let own = MultiHeadAttention(heads, causal: true, rotary: isRotary, dropout: dropout, adapter: adapter)
        var x = try sublayers.attention("self_attn", own, inputs[0])
        let other = MultiHeadAttention(heads, dropout: dropout, adapter: adapter)
        x = try sublayers.attention("multihead_attn", other, x, memory: inputs[1])
        x = try sublayers.feedForward(x, units: feedForward, activation)
        builder = sublayers.builder
        return x
    }
}

extension TransformerEncoderLayer {
    package var withoutAdapters: TransformerEncoderLayer {
        var plain = self
        plain.adapter = nil
        return plain
    }
}

extension TransformerDecoderLayer {
    package var withoutAdapters: TransformerDecoderLayer {
        var plain = self
        plain.adapter = nil
        return plain
    }
}

/// Encoder layers one after the other: `layers.0`, `layers.1`, …, and a last `norm` where asked for.
///
/// Shapes: `[time, width]` before and after. Names are those of torch.nn.TransformerEncoder.
package struct TransformerEncoder: Block {
    package static let kind = "transformerEncoder"
    package var layer: TransformerEncoderLayer
    package var layers: Int
    /// Whether the output is normalised, as layers that normalise first need.
    package var hasFinalNorm: Bool

    package init(_ layer: TransformerEncoderLayer, layers: Int, finalNorm: Bool = false) {
        self.layer = layer
        self.layers = layers
        hasFinalNorm = finalNorm
    }

    package func build(_ builder: inout GraphBuilder, name: String, inputs: [Int]) throws(ShapeError) -> Int {
        guard inputs.count == 1, layers >= 1 else {
            throw ShapeError(name, "\(Self.kind) takes one input and at least one layer")
        }
        var x = inputs[0]
        for place in 0..<layers { x = try layer.build(&builder, name: "\(name).layers.\(place)", inputs: [x]) }
        guard hasFinalNorm else { return x }
        return try builder.add(
            "\(name).norm", LayerNorm(epsilon: layer.epsilon), inputs: [x], isFrozen: layer.adapter != nil)
    }
}

extension TransformerEncoder {
    package var withoutAdapters: TransformerEncoder {
        var plain = self
        plain.layer = layer.withoutAdapters
        return plain
    }
}

/// The sublayers of one Transformer layer, numbered as they are added: norm1, dropout1, add1, ….
private struct Sublayers {
    private(set) var builder: GraphBuilder
    private let name: String
    private let dropout: Double
    private let normalizesFirst: Bool
    private let epsilon: Double
    /// Whether all but the adapters of attention is frozen.
    private let isFrozen: Bool
    private var count = 0

    init(
        _ builder: GraphBuilder, _ name: String, dropout: Double, normalizesFirst: Bool, epsilon: Double,
        isFrozen: Bool
    ) {
        self.builder = builder
        self.name = name
        self.dropout = dropout
        self.normalizesFirst = normalizesFirst
        self.epsilon = epsilon
        self.isFrozen = isFrozen
    }

    mutating func attention(
        _ attentionName: String, _ layer: MultiHeadAttention, _ x: Int, memory: Int? = nil
    ) throws(ShapeError) -> Int {
        let source = try begin(x)
        let inputs = [source] + (memory.map { [$0] } ?? [])
        return try end(x, try builder.add("\(name).\(attentionName)", layer, inputs: inputs))
    }

    mutating func feedForward(_ x: Int, units: Int, _ activation: ActivationFunction) throws(ShapeError) -> Int {
        var edge = try begin(x)
        let width = builder.shape(of: x).sizes[1]
        edge = try builder.add(
            "\(name).linear1", Dense(units, activation: activation), inputs: [edge], isFrozen: isFrozen)
        edge = try drop("dropout", edge)
        edge = try builder.add("\(name).linear2", Dense(width), inputs: [edge], isFrozen: isFrozen)
        return try end(x, edge)
    }

    /// What the sublayer reads.
    private mutating func begin(_ x: Int) throws(ShapeError) -> Int {
        count += 1
        return normalizesFirst ? try norm(x) : x
    }

    /// x + dropout of what the sublayer gives, normalised where that was not done before.
    private mutating func end(_ x: Int, _ result: Int) throws(ShapeError) -> Int {
        let sum = try builder.add("\(name).add\(count)", Add(), x, try drop("dropout\(count)", result))
        return normalizesFirst ? sum : try norm(sum)
    }

    private mutating func norm(_ x: Int) throws(ShapeError) -> Int {
        try builder.add("\(name).norm\(count)", LayerNorm(epsilon: epsilon), inputs: [x], isFrozen: isFrozen)
    }

    private mutating func drop(_ dropoutName: String, _ x: Int) throws(ShapeError) -> Int {
        dropout == 0 ? x : try builder.add("\(name).\(dropoutName)", Dropout(dropout), x)
    }
}
