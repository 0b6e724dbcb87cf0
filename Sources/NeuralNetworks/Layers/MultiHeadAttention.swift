// SPDX-License-Identifier: Apache-2.0
// Attention of a sequence to itself or to a memory, with several heads: what a study writes down.

import Tensors

/// y = (heads of softmax(q·kᵀ/√d)·v)·w_outᵀ + bias_out, with q, k, v = x·w_inᵀ + bias_in.
///
/// Shapes: x `[time, width]`, y `[time, width]`. With a second input, the memory `[steps, width]`, k and v come from it.
/// Parameters are those of torch.nn.MultiheadAttention: `in_proj_weight` `[3·width, width]` and `in_proj_bias` in the
/// order q, k, v, `out_proj.weight` `[width, width]`, `out_proj.bias`; with an adapter these are frozen, and each adapted
/// projection has `query.adapter.down`, `query.adapter.up`, and so on.
///
/// Keys behind the end of their sequence are not seen; an example without keys gives bias_out. Queries behind the end
/// are answered like the others.
/// Source: Vaswani et al. 2017, section 3.2 (arXiv:1706.03762).
package struct MultiHeadAttention: AdaptedLayer {
    package static let kind = "multiHeadAttention"
    package var heads: Int
    /// Whether a step sees no later one.
    package var isCausal: Bool
    /// Whether q and k are turned by their places, so that a score depends on how far apart they are: ``RotaryTable``.
    package var isRotary: Bool
    /// The rate at which probabilities are dropped in training.
    package var dropout: Double
    package var adapter: AttentionAdapter?

    package init(
        _ heads: Int, causal: Bool = false, rotary: Bool = false, dropout: Double = 0, adapter: AttentionAdapter? = nil
    ) {
        self.heads = heads
        isCausal = causal
        isRotary = rotary
        self.dropout = dropout
        self.adapter = adapter
    }

    package func outputShape(_ inputs: [Shape]) throws(ShapeError) -> Shape {
        guard let input = inputs.first, inputs.count <= 2 else {
            throw ShapeError("\(Self.kind) takes the queries' input and at most one memory, not \(inputs.count) inputs")
        }
        for shape in inputs where shape.sizes.count != 2 || shape.holdsTokens {
            throw ShapeError("\(Self.kind) takes [time, features], not \(shape)")
        }
        let width = input.sizes[1]
        guard inputs.allSatisfy({ $0.sizes[1] == width }) else {
            throw ShapeError("\(Self.kind) takes a memory as wide as its input, \(width), not \(inputs[1])")
        }
        guard heads >= 1, width % heads == 0 else {
            throw ShapeError("\(heads) heads do not divide \(width) features")
        }
        guard !isRotary || width / heads % 2 == 0 else {
            throw ShapeError("rotary positions turn pairs: \(width / heads) features of a head must be even")
        }
        guard !isCausal || inputs.count == 1 else {
            throw ShapeError("causal attention takes one input: a memory has no places in the input's time")
        }
        guard dropout >= 0 && dropout < 1 else {
            throw ShapeError("\(Self.kind) has the dropout rate \(dropout): 0 ..< 1 is possible")
        }
        if let adapter {
            try adapter.adapter.check(inputs: width, outputs: width)
            guard !adapter.projections.isEmpty else {
                throw ShapeError("the adapter is on no projection: query, key, value and output are possible")
            }
        }
        return input
    }

    package func parameters(_ inputs: [Shape]) -> [ParameterDeclaration] {
        let (width, isFrozen) = (inputs[0].sizes[1], adapter != nil)
        let own = [
            ParameterDeclaration(
                "in_proj_weight", [3 * width, width], ParameterDeclaration.glorot(inputs: width, outputs: 3 * width),
                isFrozen: isFrozen),
            ParameterDeclaration("in_proj_bias", [3 * width], .zeros, isFrozen: isFrozen),
            ParameterDeclaration(
                "out_proj.weight", [width, width], ParameterDeclaration.glorot(inputs: width, outputs: width),
                isFrozen: isFrozen),
            ParameterDeclaration("out_proj.bias", [width], .zeros, isFrozen: isFrozen),
        ]
        guard let adapter else { return own }
        return own
            + adapter.ordered.flatMap {
                adapter.adapter.declarations("\($0.rawValue).", inputs: width, outputs: width)
            }
    }

    package func adapters(_ inputs: [Shape]) -> [AdapterPlace] {
        guard let adapter else { return [] }
        let width = inputs[0].sizes[1]
        return adapter.ordered.enumerated().map { place, projection in
            let block = projection.block
            return AdapterPlace(
                weight: block == nil ? 2 : 0, rows: (block ?? 0) * width..<((block ?? 0) + 1) * width,
                down: 4 + 2 * place, up: 5 + 2 * place, scale: adapter.adapter.scale)
        }
    }

    package var withoutAdapters: MultiHeadAttention {
        var plain = self
        plain.adapter = nil
        return plain
    }

    package func operations(_ inputs: [Shape]) -> Int {
        let (queries, keys, width) = (inputs[0].sizes[0], inputs[inputs.count - 1].sizes[0], inputs[0].sizes[1])
        let changes = adapter?.ordered.map { projection in
            let rows = projection == .query || projection == .output ? queries : keys
            return adapter?.adapter.operations(rows: rows, inputs: width, outputs: width) ?? 0
        }
        return 4 * (queries + keys) * width * width + 4 * queries * keys * width + (changes?.reduce(0, +) ?? 0)
    }

    /// The most steps, of queries or keys, for which training keeps every example's probabilities, `[queries, keys]` for
    /// each head. With more, backward computes them again from q and k, one product beside the six of a step, and
    /// what is kept grows with the steps and not with their square: at 1024 steps and 4 heads 16 MiB less per example.
    package static let mostKeptSteps = 512

    package func makeOperation(_ context: OperationContext) -> Operation { AttentionOperation(self, context) }
}

extension AttentionProjection {
    /// Its rows' place in the weight of the in-projection, in widths; nil for the out-projection.
    var block: Int? {
        switch self {
        case .query: 0
        case .key: 1
        case .value: 2
        case .output: nil
        }
    }
}
