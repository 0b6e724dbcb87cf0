// SPDX-License-Identifier: Apache-2.0
// The models of studies/models learn: a few steps on a made-up batch of their own shapes bring the loss down.

import Federation
import Foundation
import NeuralNetworks
import Randomness
import StudyFiles
import Testing

/// The data are made up; what the small ones of these networks reach on real data is in ModelQualityTests.
@Suite(.serialized) struct ModelZooTrainingTests {
    /// Those with 38 to 133 million parameters train in `make quality` only.
    private static let large = ["alexnet", "bert-masked", "transformer-encoder"]
    private static let small = [
        "ecg-cnn", "ecg-crnn", "fusion", "gru-text", "lstm-text", "resnet18", "seed-cnn", "unet",
    ]
    private static let isFull = ProcessInfo.processInfo.environment["CONSILIUM_QUALITY"] == "full"

    @Test(arguments: isFull ? small + large : small)
    func aFewStepsBringTheLossDown(name: String) throws {
        let model = try ModelSpecification(
            document: YAMLDocument.load(contentsOf: ProjectFiles.path("studies/models/\(name).yaml")))
        let graph = try model.graph(features: nil)
        let loss: any Loss =
            name == "unet" ? Dice(crossEntropyWeight: 1) : SoftmaxCrossEntropy()
        let examples = try Self.examples(graph, loss, count: 2)
        var parameters = graph.initialParameters(seed: 1)
        var losses: [Double] = []
        let steps = 24
        _ = try Trainer(graph, objective: Objective(loss), threads: 2).run(
            parameters: &parameters, examples: examples,
            plan: LocalTraining(
                optimizer: .adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0),
                learningRate: Self.large.contains(name) ? 1e-4 : 3e-4,
                schedule: .constant, batchSize: 2, steps: steps, largestNorm: 1),
            order: BatchOrder(seed: 1, round: 1), totalGlobalSteps: steps
        ) { _, loss in losses.append(loss) }
        // Dropout moves single losses.
        let (first, last) = (losses.prefix(6).reduce(0, +) / 6, losses.suffix(6).reduce(0, +) / 6)
        #expect(last < 0.95 * first, "\(name): \(losses)")
    }

    /// Random values, tokens and classes of the model's shapes.
    private static func examples(_ graph: Graph, _ loss: any Loss, count: Int) throws -> Examples {
        var generator = SeededGenerator(seed: 3, stream: "zoo")
        let inputs = graph.inputShapes.map { shape -> Examples.Values in
            shape.holdsTokens
                ? .tokens((0..<count * shape.count).map { _ in Int32(1 + generator.index(below: 7_000)) })
                : .floats((0..<count * shape.count).map { _ in 2 * generator.uniformFloat() - 1 })
        }
        // A mask that the image decides: noise pixel by pixel is nothing that a network could keep in mind.
        if loss is Dice, case .floats(let pixels) = inputs[0] {
            return Examples(count: count, inputs: inputs, targets: [pixels.map { $0 > 0 ? 1 : 0 }])
        }
        let output = graph.shapes[graph.outputs[0]]
        let targets = count * (try loss.targetCount(for: output))
        let classes = output.sizes.count >= 3 ? max(output.sizes[0], 2) : output.sizes[output.sizes.count - 1]
        return Examples(
            count: count, inputs: inputs,
            targets: [(0..<targets).map { _ in Float(generator.index(below: classes)) }])
    }
}
