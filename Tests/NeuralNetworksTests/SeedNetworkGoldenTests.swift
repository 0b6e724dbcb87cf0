// SPDX-License-Identifier: Apache-2.0
// Three steps of training against Keras: convolutions, pooling, flattening, softmax cross entropy and Adam together.

import Foundation
import ModelFiles
import NeuralNetworks
import Tensors
import Testing

@Suite struct SeedNetworkGoldenTests {
    /// What stands beside the tensors.
    private struct Description: Decodable {
        var trainLosses: [Double]

        private enum CodingKeys: String, CodingKey { case trainLosses = "train_losses" }
    }

    @Test(arguments: KernelSet.all, [1, 2]) func trajectoryMatchesKeras(kernels: KernelSet, threads: Int) throws {
        try GoldenVectors.forEach(["seed_cnn"]) { _, golden in
            let file = golden.file
            let description = try JSONDecoder().decode(
                Description.self, from: try GoldenVectors.bytes(of: "seed_cnn.json"))
            let size = try file.tensor("x").shape[1]
            let (hidden, classes) = (
                try file.tensor("initial.conv2.bias").shape[0], try file.tensor("initial.dense.bias").shape[0]
            )
            let graph = try Graph(
                input: Shape([3, size, size]),
                layers: [
                    Convolve.twoD(try file.tensor("initial.conv1.bias").shape[0], kernel: 3, activation: .relu),
                    Pool.max2D(2), Convolve.twoD(hidden, kernel: 3, activation: .relu), Pool.max2D(2),
                    Reshape.flatten, Dense(classes),
                ])
            let pooled = graph.shapes[4].sizes
            func parameters(_ stage: String) throws -> [Float] {
                try ["conv1", "conv2", "dense"].flatMap { layer -> [Float] in
                    let kernel = try file.floats("\(stage).\(layer).kernel")
                    let weight =
                        layer == "dense"
                        ? KerasLayout.dense(kernel, flattened: (pooled[0], pooled[1], pooled[2]), outputs: classes)
                        : KerasLayout.convolution(kernel, shape: try file.tensor("\(stage).\(layer).kernel").shape)
                    return weight + (try file.floats("\(stage).\(layer).bias"))
                }
            }
            let count = try file.tensor("x").shape[0]
            let examples = Examples(
                count: count, inputs: [.floats(KerasLayout.images(try file.floats("x"), count: count, channels: 3))],
                targets: [try file.values("y").map { Float($0) }])
            var options = Engine.Options(batchSize: 4, threads: threads)
            (options.kernels, options.usesAllThreads) = (kernels, true)
            let engine = try Engine(graph, objective: Objective(SoftmaxCrossEntropy()), options)
            engine.parameters.copy(from: try parameters("initial"), at: 0)
            let rows = (0..<Int32(count)).map { $0 }
            for (step, expected) in description.trainLosses.enumerated() {
                // Keras adds ε to √v before v is corrected for its start: to the corrected root it is this one.
                let epsilon = 1e-7 / (1 - pow(0.999, Double(step + 1))).squareRoot()
                let state = step == 0 ? nil : engine.optimizerStateValues
                try engine.prepare(.adam(beta1: 0.9, beta2: 0.999, epsilon: epsilon, weightDecay: 0), state: state)
                let loss = engine.step(
                    rows[4 * step..<4 * step + 4], of: examples, dropoutKey: 0, StepUpdate(rate: 1e-3, step: step))
                #expect(abs(loss - expected) <= 1e-4, "loss of step \(step), \(kernels)")
            }
            let final = try parameters("final")
            #expect(zip(engine.parameters.array, final).allSatisfy { abs($0 - $1) <= 1e-3 }, "weights, \(kernels)")
            let predictor = try Predictor(
                graph, objective: Objective(SoftmaxCrossEntropy()), examples: count, threads: threads, kernels: kernels)
            let predictions = predictor.predictions(final, examples)[0]
            let expected = try file.floats("predictions.final")
            #expect(zip(predictions, expected).allSatisfy { abs($0 - $1) <= 1e-4 }, "predictions, \(kernels)")
        }
    }
}
