// SPDX-License-Identifier: Apache-2.0
// Attention and Transformer layers against PyTorch in double precision, with both sets of kernels.

import ModelFiles
import NeuralNetworks
import Tensors
import Testing

@Suite struct AttentionGoldenTests {
    private static func shape(_ golden: GoldenVectors.Case) throws -> Shape {
        Shape(Array(try golden.file.tensor("input.0").shape.dropFirst()))
    }

    @Test(arguments: KernelSet.all, ["mha", "mha_padding_mask", "mha_causal"])
    func attentionMatchesPyTorch(kernels: KernelSet, name: String) throws {
        try GoldenVectors.forEach([name]) { name, golden in
            let layer = MultiHeadAttention(
                Int(try #require(golden.number("heads"))), causal: golden.flag("causal"))
            try PlanGoldenTests.check(
                name, golden, input: try Self.shape(golden), nodes: [Node("l", layer, inputs: [0])], kernels: kernels)
        }
    }

    @Test(arguments: KernelSet.all, ["transformer_postnorm", "transformer_prenorm"])
    func encoderLayersMatchPyTorch(kernels: KernelSet, name: String) throws {
        try GoldenVectors.forEach([name]) { name, golden in
            let layer = TransformerEncoderLayer(
                heads: Int(try #require(golden.number("heads"))),
                feedForward: Int(try #require(golden.number("ff"))), activation: .gelu,
                normalizesFirst: golden.flag("norm_first"))
            var builder = GraphBuilder()
            let input = builder.input(try Self.shape(golden))
            let edge = try layer.build(&builder, name: "l", inputs: [input])
            let graph = try builder.graph(outputs: [edge])
            try PlanGoldenTests.check(
                name, golden, input: graph.inputShapes[0], nodes: graph.nodes, edge: graph.outputs[0], kernels: kernels)
        }
    }

    @Test(arguments: KernelSet.all) func clippedSumsMatchPyTorch(kernels: KernelSet) throws {
        try GoldenVectors.forEach(["perex_tr"]) { name, golden in
            let file = golden.file
            var builder = GraphBuilder()
            var edge = builder.input(.tokens(try file.tensor("input.0").shape[1]))
            edge = try builder.add("e", Embedding(20, width: 8), edge)
            edge = try TransformerEncoderLayer(heads: 2, feedForward: 16, activation: .gelu, normalizesFirst: true)
                .build(&builder, name: "r", inputs: [edge])
            edge = try builder.add("mean", MeanOverTime(), edge)
            edge = try builder.add("o", Dense(3), edge)
            let graph = try builder.graph(outputs: [edge])
            try PatientGradientGoldenTests.check(name, golden, graph, kernels: kernels)
        }
    }
}
