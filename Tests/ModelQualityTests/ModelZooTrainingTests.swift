// SPDX-License-Identifier: Apache-2.0
// The models of studies/models learn: a few steps on examples of their own shapes bring the loss down.

import Federation
import Foundation
import NeuralNetworks
import Randomness
import StudyFiles
import Testing

/// How the models of the zoo are trained here.
private enum ZooTraining {
    /// Those with 38 to 133 million parameters train in `make quality` only.
    static let large = ["alexnet", "bert-masked", "transformer-encoder"]
    private static let steps = 24

    static func graph(_ name: String) throws -> Graph {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let model = try ModelSpecification(
            document: YAMLDocument.load(contentsOf: root.appending(path: "studies/models/\(name).yaml").path))
        return try model.graph(features: nil)
    }

    /// Trains a few steps of two examples each; the loss must have fallen.
    static func expectLearning(
        _ name: String, _ graph: Graph, _ examples: Examples, loss: any Loss = SoftmaxCrossEntropy()
    ) throws {
        var parameters = graph.initialParameters(seed: 1)
        var losses: [Double] = []
        _ = try Trainer(graph, objective: Objective(loss), threads: 2).run(
            parameters: &parameters, examples: examples,
            plan: LocalTraining(
                optimizer: .adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0),
                learningRate: large.contains(name) ? 1e-4 : 3e-4,
                schedule: .constant, batchSize: 2, steps: steps, largestNorm: 1),
            order: BatchOrder(seed: 1, round: 1), totalGlobalSteps: steps
        ) { _, loss in losses.append(loss) }
        // Dropout moves single losses.
        let (first, last) = (losses.prefix(6).reduce(0, +) / 6, losses.suffix(6).reduce(0, +) / 6)
        #expect(last < 0.95 * first, "\(name): \(losses)")
    }
}

/// On patients' images, heartbeats and texts, in the shapes that the models ask for.
@Suite(.enabled(if: RealData.folder != nil, "no folder of public data: set CONSILIUM_DATA"), .serialized)
struct ModelZooTrainingTests {
    @Test(arguments: ["seed-cnn", "resnet18"] + (QualityRun.isFull ? ["alexnet"] : []))
    func imageModelsLearnFromChestImages(name: String) throws {
        let graph = try ZooTraining.graph(name)
        try ZooTraining.expectLearning(name, graph, try RealExamples.chestImages(shape: graph.inputShapes[0]))
    }

    @Test(arguments: ["ecg-cnn", "ecg-crnn"])
    func seriesModelsLearnFromHeartbeats(name: String) throws {
        let graph = try ZooTraining.graph(name)
        try ZooTraining.expectLearning(name, graph, try RealExamples.heartbeats(shape: graph.inputShapes[0]))
    }

    @Test(arguments: ["lstm-text", "gru-text"] + (QualityRun.isFull ? ["transformer-encoder", "bert-masked"] : []))
    func textModelsLearnFromAbstracts(name: String) throws {
        let graph = try ZooTraining.graph(name)
        let length = graph.inputShapes[0].count
        let examples =
            name == "bert-masked"
            ? try RealExamples.maskedAbstracts(length: length) : try RealExamples.abstracts(length: length)
        try ZooTraining.expectLearning(name, graph, examples)
    }
}

/// For these no public data of their form lie beside the package: values and tokens are drawn at random.
@Suite(.serialized) struct MadeUpModelZooTrainingTests {
    @Test func theUNetLearnsAMaskThatTheImageDecides() throws {
        let graph = try ZooTraining.graph("unet")
        let pixels = Self.values(4 * graph.inputShapes[0].count)
        // Noise pixel by pixel would be nothing that a network could keep in mind.
        let examples = Examples(count: 4, inputs: [.floats(pixels)], targets: [pixels.map { $0 > 0 ? 1 : 0 }])
        try ZooTraining.expectLearning("unet", graph, examples, loss: Dice(crossEntropyWeight: 1))
    }

    @Test func theFusionOfTableImageAndTextLearns() throws {
        let graph = try ZooTraining.graph("fusion")
        var generator = SeededGenerator(seed: 3, stream: "zoo tokens")
        let inputs = graph.inputShapes.map { shape -> Examples.Values in
            shape.holdsTokens
                ? .tokens((0..<4 * shape.count).map { _ in Int32(1 + generator.index(below: 7_000)) })
                : .floats(Self.values(4 * shape.count))
        }
        let classes = graph.shapes[graph.outputs[0]].count
        let targets = (0..<4).map { Float($0 % classes) }
        try ZooTraining.expectLearning("fusion", graph, Examples(count: 4, inputs: inputs, targets: [targets]))
    }

    private static func values(_ count: Int) -> [Float] {
        var generator = SeededGenerator(seed: 3, stream: "zoo values")
        return (0..<count).map { _ in 2 * generator.uniformFloat() - 1 }
    }
}
