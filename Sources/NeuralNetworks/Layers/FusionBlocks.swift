// SPDX-License-Identifier: Apache-2.0
// Blocks that bring two kinds of data about a patient together: a gate, and attention of one to the other.

import Tensors

/// y = g·a + (1 − g)·b with the gate g = σ(W·[a, b] + bias), written b + g·(a − b).
///
/// Shapes: a, b and y `[features]`. The gate's dense layer is called `gate`.
/// Source: Arevalo et al. 2017, the gated multimodal unit, without its own layers for a and b (arXiv:1702.01992).
package struct GatedFusion: Block {
    package static let kind = "gatedFusion"

    package init() {}

    package func build(_ builder: inout GraphBuilder, name: String, inputs: [Int]) throws(ShapeError) -> Int {
        guard inputs.count == 2, inputs.allSatisfy({ builder.shape(of: $0).sizes.count == 1 }) else {
            let shapes = inputs.map { builder.shape(of: $0).description }
            throw ShapeError(name, "gatedFusion takes two vectors [features], not \(shapes)")
        }
        let (a, b) = (inputs[0], inputs[1])
        let difference = try builder.add("\(name).difference", Subtract(), a, b)
        let both = try builder.add("\(name).both", Concatenate(), a, b)
        let units = builder.shape(of: a).count
        let gate = try builder.add("\(name).gate", Dense(units, activation: .sigmoid), both)
        let part = try builder.add("\(name).part", Multiply(), gate, difference)
        return try builder.add("\(name).sum", Add(), b, part)
    }
}

/// y = norm(x + attention of x to the memory): each step of a sequence gathers what it needs of other data.
///
/// Shapes: x and y `[time, width]`; the memory is a sequence `[steps, features]` or an image `[channels, size…]`, whose
/// positions then are the steps. Where it is not as wide as x, the dense layer `memory_proj` makes it so. The others are
/// called `attention` and `norm`.
/// Source: Tsai et al. 2019, the crossmodal attention of section 3.1 (arXiv:1906.00295), with the norm after the sum.
package struct CrossAttentionFusion: Block {
    package static let kind = "crossAttentionFusion"
    package var heads: Int
    package var dropout: Double

    package init(heads: Int, dropout: Double = 0) {
        self.heads = heads
        self.dropout = dropout
    }

    package func build(_ builder: inout GraphBuilder, name: String, inputs: [Int]) throws(ShapeError) -> Int {
        guard inputs.count == 2, builder.shape(of: inputs[0]).sizes.count == 2,
            builder.shape(of: inputs[1]).sizes.count >= 2
        else {
            let shapes = inputs.map { builder.shape(of: $0).description }
            throw ShapeError(
                name, "crossAttentionFusion takes [time, features] and a sequence or an image, not \(shapes)")
        }
        let x = inputs[0]
        let width = builder.shape(of: x).sizes[1]
        var memory = inputs[1]
        if builder.shape(of: memory).isSpatial {
            memory = try builder.add("\(name).positions", ChannelsLast(), memory)
        }
        if builder.shape(of: memory).sizes[1] != width {
            memory = try builder.add("\(name).memory_proj", Dense(width), memory)
        }
        var edge = try builder.add("\(name).attention", MultiHeadAttention(heads, dropout: dropout), x, memory)
        if dropout > 0 { edge = try builder.add("\(name).dropout", Dropout(dropout), edge) }
        edge = try builder.add("\(name).add", Add(), x, edge)
        return try builder.add("\(name).norm", LayerNorm(), edge)
    }
}
