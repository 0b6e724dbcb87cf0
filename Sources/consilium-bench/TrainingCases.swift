// SPDX-License-Identifier: Apache-2.0
// The networks of the training benchmark, as PyTorch and TensorFlow build them in Benchmarks/peers.

import NeuralNetworks
import Randomness
import Tensors

/// One network with its batch. The same definitions stand in `Benchmarks/peers/cases.py`.
struct TrainingCase {
    let name: String
    let batch: Int
    let classes: Int
    /// Different batches in memory, used in turn.
    let residentBatches: Int
    let graph: Graph

    static let names = [
        "seed-cnn", "mlp-tiny", "mlp", "cnn28", "lstm", "gru", "transformer", "transformer-b8", "resnet18",
    ]
    static let learningRate = 1e-3
    static let clippingNorm = 1.0
    static let noiseMultiplier = 1.0

    private static let vocabulary = 8000
    private static let tokens = 128

    /// - Throws: ``ShapeError`` when a network does not fit together.
    init?(_ name: String, dropout: Double) throws {
        self.name = name
        switch name {
        case "seed-cnn":
            (batch, classes, residentBatches) = (32, 10, 2)
            graph = try Graph(
                input: Shape([3, 224, 224]),
                layers: [
                    Convolve.twoD(32, kernel: 3, activation: .relu), Pool.max2D(2),
                    Convolve.twoD(64, kernel: 3, activation: .relu), Pool.max2D(2), Reshape.flatten, Dense(10),
                ])
        case "mlp-tiny":
            (batch, classes, residentBatches) = (32, 2, 8)
            graph = try Graph(
                input: Shape([13]), layers: [Dense(64, activation: .relu), Dense(32, activation: .relu), Dense(2)])
        case "mlp":
            (batch, classes, residentBatches) = (256, 10, 8)
            graph = try Graph(
                input: Shape([100]), layers: [Dense(512, activation: .relu), Dense(512, activation: .relu), Dense(10)])
        case "cnn28":
            (batch, classes, residentBatches) = (64, 10, 8)
            graph = try Graph(
                input: Shape([1, 28, 28]),
                layers: [
                    Convolve.twoD(16, kernel: 3, padding: .same, activation: .relu), Pool.max2D(2),
                    Convolve.twoD(32, kernel: 3, padding: .same, activation: .relu), Pool.max2D(2), Reshape.flatten,
                    Dense(10),
                ])
        case "lstm", "gru":
            (batch, classes, residentBatches) = (32, 5, 8)
            let layer: any Layer = name == "lstm" ? LSTM(256) : GRU(256)
            graph = try Graph(
                input: .tokens(Self.tokens),
                layers: [Embedding(Self.vocabulary, width: 128), layer, LastStep(), Dense(5)])
        case "transformer", "transformer-b8":
            (batch, classes, residentBatches) = (name == "transformer" ? 32 : 8, 5, 8)
            graph = try Self.transformer(dropout: dropout)
        case "resnet18":
            (batch, classes, residentBatches) = (8, 1000, 2)
            graph = try Self.resnet18()
        default:
            return nil
        }
    }

    /// Random examples and classes, enough for the resident batches.
    func residentExamples(seed: UInt64) -> Examples {
        var generator = SeededGenerator(seed: seed, stream: "bench")
        let (count, shape) = (batch * residentBatches, graph.inputShapes[0])
        let input: Examples.Values =
            shape.holdsTokens
            ? .tokens((0..<count * shape.count).map { _ in Int32(generator.index(below: Self.vocabulary)) })
            : .floats((0..<count * shape.count).map { _ in 2 * generator.uniformFloat() - 1 })
        return Examples(
            count: count, inputs: [input], targets: [(0..<count).map { _ in Float(generator.index(below: classes)) }])
    }

    /// Embedding, learned positions, four pre-norm blocks, the mean over time, a dense layer.
    private static func transformer(dropout: Double) throws -> Graph {
        var builder = GraphBuilder()
        var edge = builder.input(.tokens(tokens))
        edge = try builder.add("embedding", Embedding(vocabulary, width: 256), edge)
        edge = try builder.add("positions", LearnedPositions(), edge)
        for block in 0..<4 {
            edge = try TransformerEncoderLayer(
                heads: 4, feedForward: 1024, activation: .gelu, dropout: dropout, normalizesFirst: true
            ).build(&builder, name: "blocks.\(block)", inputs: [edge])
        }
        edge = try builder.add("mean", MeanOverTime(), edge)
        edge = try builder.add("head", Dense(5), edge)
        return try builder.graph(outputs: [edge])
    }

    private static func resnet18() throws -> Graph {
        var builder = GraphBuilder()
        var edge = builder.input(Shape([3, 224, 224]))
        edge = try builder.add(
            "conv1", Convolve.twoD(64, kernel: 7, stride: 2, padding: .explicit([3, 3]), bias: false), edge)
        edge = try builder.add("bn1", BatchNorm(relu: true), edge)
        edge = try builder.add("maxpool", Pool.max2D(3, stride: 2, padding: .explicit([1, 1])), edge)
        for (stage, filters) in [64, 128, 256, 512].enumerated() {
            for block in 0..<2 {
                edge = try ResidualBlock(filters, stride: stage > 0 && block == 0 ? 2 : 1)
                    .build(&builder, name: "layer\(stage + 1).\(block)", inputs: [edge])
            }
        }
        edge = try builder.add("avgpool", Pool(.average(countsPadding: true), kernel: [7, 7]), edge)
        edge = try builder.add("flatten", Reshape.flatten, edge)
        edge = try builder.add("fc", Dense(1000), edge)
        return try builder.graph(outputs: [edge])
    }
}
