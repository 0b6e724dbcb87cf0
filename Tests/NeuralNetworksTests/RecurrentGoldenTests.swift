// SPDX-License-Identifier: Apache-2.0
// Recurrent layers against PyTorch in double precision, with both sets of kernels.

import ModelFiles
import NeuralNetworks
import Tensors
import Testing

@Suite struct RecurrentGoldenTests {
    static let names = [
        "lstm", "lstm_2layer", "lstm_bidirectional", "lstm_lengths", "gru", "gru_bidirectional", "rnn_tanh",
    ]

    @Test(arguments: KernelSet.all, names) func recurrentLayersMatchPyTorch(kernels: KernelSet, name: String) throws {
        try GoldenVectors.forEach([name]) { name, golden in
            let hidden = try golden.file.tensor("param.weight_hh_l0").shape[1]
            let isBidirectional = name.hasSuffix("bidirectional")
            let layer: any Layer =
                switch name.prefix(3) {
                case "gru": GRU(hidden, bidirectional: isBidirectional)
                case "rnn": RNN(hidden)
                default: LSTM(hidden, layers: name == "lstm_2layer" ? 2 : 1, bidirectional: isBidirectional)
                }
            let shape = Shape(Array(try golden.file.tensor("input.0").shape.dropFirst()))
            try PlanGoldenTests.check(
                name, golden, input: shape, nodes: [Node("l", layer, inputs: [0])], kernels: kernels)
        }
    }

    @Test(arguments: KernelSet.all, ["perex_lstm", "perex_gru"])
    func clippedSumsMatchPyTorch(kernels: KernelSet, name: String) throws {
        try GoldenVectors.forEach([name]) { name, golden in
            let file = golden.file
            let layer: any Layer = name == "perex_gru" ? GRU(6) : LSTM(6)
            let graph = try Graph(
                inputs: [.tokens(try file.tensor("input.0").shape[1])],
                nodes: [
                    Node("e", Embedding(20, width: 8), inputs: [0]), Node("r", layer, inputs: [1]),
                    Node("last", LastStep(), inputs: [2]), Node("o", Dense(3), inputs: [3]),
                ], outputs: [4])
            try PatientGradientGoldenTests.check(name, golden, graph, kernels: kernels)
        }
    }
}
