// SPDX-License-Identifier: Apache-2.0
// The networks of the training benchmark, for tests of what they run on.

import NeuralNetworks
import Tensors

/// As in `Sources/consilium-bench/TrainingCases.swift`.
enum BenchmarkGraphs {
    static let names = ["seed-cnn", "mlp", "cnn28", "lstm", "gru", "transformer", "resnet18"]

    static func graph(_ name: String) throws -> Graph {
        switch name {
        case "seed-cnn": try seedCNN()
        case "mlp":
            try Graph(
                input: Shape([100]), layers: [Dense(512, activation: .relu), Dense(512, activation: .relu), Dense(10)])
        case "cnn28":
            try Graph(
                input: Shape([1, 28, 28]),
                layers: [
                    Convolve.twoD(16, kernel: 3, padding: .same, activation: .relu), Pool.max2D(2),
                    Convolve.twoD(32, kernel: 3, padding: .same, activation: .relu), Pool.max2D(2), Reshape.flatten,
                    Dense(10),
                ])
        case "lstm", "gru":
            try Graph(
                input: .tokens(128),
                layers: [
                    Embedding(8000, width: 128), name == "lstm" ? LSTM(256) as any Layer : GRU(256), LastStep(),
                    Dense(5),
                ])
        case "transformer": try transformer()
        default: try resNet18()
        }
    }

    static func seedCNN() throws -> Graph {
        try Graph(
            input: Shape([3, 224, 224]),
            layers: [
                Convolve.twoD(32, kernel: 3, activation: .relu), Pool.max2D(2),
                Convolve.twoD(64, kernel: 3, activation: .relu), Pool.max2D(2), Reshape.flatten, Dense(10),
            ])
    }

    private static func transformer() throws -> Graph {
        var builder = GraphBuilder()
        var edge = try builder.add("embedding", Embedding(8000, width: 256), builder.input(.tokens(128)))
        edge = try builder.add("positions", LearnedPositions(), edge)
        let layer = TransformerEncoderLayer(heads: 4, feedForward: 1024, activation: .gelu, normalizesFirst: true)
        edge = try TransformerEncoder(layer, layers: 4).build(&builder, name: "blocks", inputs: [edge])
        edge = try builder.add("head", Dense(5), try builder.add("mean", MeanOverTime(), edge))
        return try builder.graph(outputs: [edge])
    }

    private static func resNet18() throws -> Graph {
        var builder = GraphBuilder()
        let first = Convolve.twoD(64, kernel: 7, stride: 2, padding: .explicit([3, 3]), bias: false)
        var edge = try builder.add("conv1", first, builder.input(Shape([3, 224, 224])))
        edge = try builder.add("bn1", BatchNorm(relu: true), edge)
        edge = try builder.add("maxpool", Pool.max2D(3, stride: 2, padding: .explicit([1, 1])), edge)
        for (stage, filters) in [64, 128, 256, 512].enumerated() {
            for block in 0..<2 {
                edge = try ResidualBlock(filters, stride: stage > 0 && block == 0 ? 2 : 1)
                    .build(&builder, name: "layer\(stage + 1).\(block)", inputs: [edge])
            }
        }
        edge = try builder.add("avgpool", Pool.globalAverage, edge)
        edge = try builder.add("fc", Dense(1000), try builder.add("flatten", Reshape.flatten, edge))
        return try builder.graph(outputs: [edge])
    }
}
