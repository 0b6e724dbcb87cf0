// SPDX-License-Identifier: Apache-2.0
// Transformer encoders and decoders: gradients, clipping by patient, names, and what a steady step allocates.

import NeuralNetworks
import Tensors
import Testing

@Suite struct TransformerTests {
    static let width = 8

    /// Tokens through positions and a block to three classes.
    static func classifier(
        _ positions: any Layer, heads: Int = 2, dropout: Double = 0, rotary: Bool = false, normalizesFirst: Bool = true
    ) throws -> Graph {
        var builder = GraphBuilder()
        var edge = builder.input(.tokens(6))
        edge = try builder.add("e", Embedding(7, width: width), edge)
        edge = try builder.add("p", positions, edge)
        let layer = TransformerEncoderLayer(
            heads: heads, feedForward: 16, activation: .gelu, dropout: dropout, normalizesFirst: normalizesFirst,
            rotary: rotary)
        edge = try TransformerEncoder(layer, layers: 2, finalNorm: normalizesFirst)
            .build(&builder, name: "t", inputs: [edge])
        edge = try builder.add("mean", MeanOverTime(), edge)
        edge = try builder.add("o", Dense(3), edge)
        return try builder.graph(outputs: [edge])
    }

    @Test(arguments: KernelSet.all, [false, true])
    func gradientsOfEncodersAreSlopes(kernels: KernelSet, normalizesFirst: Bool) throws {
        let layer = TransformerEncoderLayer(
            heads: 2, feedForward: 16, activation: .silu, dropout: 0.2, normalizesFirst: normalizesFirst, causal: true,
            rotary: true)
        let graph = try LayerChecks.graph([Shape([5, Self.width])], TransformerEncoder(layer, layers: 2))
        LayerChecks.slopesAgree(graph, examples: 3, lengths: [5, 3, 0], kernels: kernels)
    }

    @Test(arguments: KernelSet.all, [false, true])
    func gradientsOfDecodersAreSlopes(kernels: KernelSet, normalizesFirst: Bool) throws {
        let layer = TransformerDecoderLayer(
            heads: 2, feedForward: 16, activation: .gelu, dropout: 0.2, normalizesFirst: normalizesFirst, rotary: true)
        let graph = try LayerChecks.graph([Shape([5, Self.width]), Shape([4, Self.width])], layer)
        LayerChecks.slopesAgree(graph, examples: 3, lengths: [4, 2, 0], kernels: kernels)
    }

    @Test(arguments: KernelSet.all) func patientsAreClippedAsWholes(kernels: KernelSet) throws {
        for lengths in [nil, [6, 3, 0, 1, 5, 6]] {
            LayerChecks.patientsAreClippedAsWholes(
                try Self.classifier(LearnedPositions(), dropout: 0.2), lengths: lengths, kernels: kernels)
            LayerChecks.patientsAreClippedAsWholes(
                try Self.classifier(SinusoidalPositions(), rotary: true, normalizesFirst: false), lengths: lengths,
                kernels: kernels)
        }
    }

    /// The memory of the decoder is the sequence itself.
    @Test(arguments: KernelSet.all) func patientsOfADecoderAreClippedAsWholes(kernels: KernelSet) throws {
        var builder = GraphBuilder()
        let x = builder.input(Shape([5, Self.width]))
        let decoded = try TransformerDecoderLayer(heads: 2, feedForward: 16, dropout: 0.1)
            .build(&builder, name: "d", inputs: [x, x])
        let mean = try builder.add("mean", MeanOverTime(), decoded)
        let output = try builder.add("o", Dense(3), mean)
        LayerChecks.patientsAreClippedAsWholes(
            try builder.graph(outputs: [output]), lengths: [5, 3, 0, 1, 4, 5], kernels: kernels)
    }

    @Test func parametersHavePyTorchsNames() throws {
        let encoder = TransformerEncoder(
            TransformerEncoderLayer(heads: 2, feedForward: 16), layers: 1, finalNorm: true)
        let attention = ["in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"]
        let own = attention.map { "self_attn." + $0 }
        let others = ["linear1", "linear2", "norm1", "norm2"].flatMap { [$0 + ".weight", $0 + ".bias"] }
        #expect(
            Set(try LayerChecks.graph([Shape([5, 8])], encoder).slices.map(\.name))
                == Set((own + others).map { "b.layers.0." + $0 } + ["b.norm.weight", "b.norm.bias"]))
        let decoder = TransformerDecoderLayer(heads: 2, feedForward: 16)
        let decoderOthers = others + ["norm3.weight", "norm3.bias"] + attention.map { "multihead_attn." + $0 }
        #expect(
            Set(try LayerChecks.graph([Shape([5, 8]), Shape([4, 8])], decoder).slices.map(\.name))
                == Set((own + decoderOthers).map { "b." + $0 }))
    }

    @Test func whatDoesNotFitIsRefusedWithItsName() {
        let layer = TransformerEncoderLayer(heads: 3, feedForward: 16)
        #expect {
            try LayerChecks.graph([Shape([5, 8])], TransformerEncoder(layer, layers: 2))
        } throws: { ($0 as? ShapeError)?.layer == "b.layers.0.self_attn" }
        #expect(throws: ShapeError.self) {
            try LayerChecks.graph([Shape([5, 9])], TransformerEncoder(layer, layers: 0))
        }
        #expect(throws: ShapeError.self) {
            try LayerChecks.graph([Shape([5, 8])], TransformerDecoderLayer(heads: 2, feedForward: 4))
        }
    }

    @Test func aSteadyStepAllocatesNothing() throws {
        let graph = try Self.classifier(LearnedPositions(), dropout: 0.1, rotary: true)
        LayerChecks.steadyStepAllocatesNothing(graph)
    }
}
