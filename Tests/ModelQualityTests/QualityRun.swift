// SPDX-License-Identifier: Apache-2.0
// Trains a network on real data and judges it, in full for `make quality` and shortly for `make test`.

import Foundation
import NeuralNetworks
import Tensors

/// How much of an experiment runs.
enum QualityRun {
    /// `CONSILIUM_QUALITY=full`: every fold, every epoch and three seeds; else one fold or a short run.
    static let isFull = ProcessInfo.processInfo.environment["CONSILIUM_QUALITY"] == "full"
    static let seeds: [UInt64] = isFull ? [1, 2, 3] : [1]

    static let threads = ProcessInfo.processInfo.activeProcessorCount

    /// Standard output, seen by who runs `make quality`.
    static func report(_ line: String) { print("quality: \(line)") }

    /// Trains with Adam and a warm-up to a cosine; returns the parameters.
    static func train(
        _ graph: Graph, _ examples: Examples, loss: any Loss = SoftmaxCrossEntropy(), epochs: Int, batchSize: Int,
        rate: Double, weightDecay: Double = 0.01, largestNorm: Double? = nil, seed: UInt64
    ) throws -> [Float] {
        let steps = epochs * LocalTraining.stepsPerEpoch(examples: examples.count, batchSize: batchSize)
        var parameters = graph.initialParameters(seed: seed)
        _ = try Trainer(graph, objective: Objective(loss), threads: threads).run(
            parameters: &parameters, examples: examples,
            plan: LocalTraining(
                optimizer: .adamW(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: weightDecay),
                learningRate: rate, schedule: .warmup(steps: max(steps / 20, 1), then: .cosine(final: 0)),
                batchSize: batchSize, steps: steps, largestNorm: largestNorm),
            order: BatchOrder(seed: seed, round: 1), totalGlobalSteps: steps)
        return parameters
    }

    /// The class probabilities of each example, `[examples, classes]`.
    static func predict(
        _ graph: Graph, _ parameters: [Float], _ examples: Examples, loss: any Loss = SoftmaxCrossEntropy()
    ) throws -> [Float] {
        try Predictor(graph, objective: Objective(loss), examples: examples.count, threads: threads)
            .predictions(parameters, examples)[0]
    }

    /// Mean and spread over seeds in words.
    static func words(_ values: [Double]) -> String {
        let mean = values.reduce(0, +) / Double(values.count)
        func figure(_ value: Double) -> String { String(format: "%.4f", value) }
        return "\(figure(mean)) (" + values.map(figure).joined(separator: ", ") + ")"
    }
}

/// The folder of public data: `CONSILIUM_DATA`, else `../shared/data` beside the package.
enum RealData {
    static let folder: String? = {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let path =
            ProcessInfo.processInfo.environment["CONSILIUM_DATA"]
            ?? root.deletingLastPathComponent().appending(path: "shared/data").path()
        return FileManager.default.fileExists(atPath: path + "/pneumonia-mnist") ? path : nil
    }()

    static func path(_ name: String) -> String { (folder ?? "") + "/" + name }
}
