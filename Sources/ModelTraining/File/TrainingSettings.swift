// SPDX-License-Identifier: Apache-2.0
// How a local model is trained, as a training file says it.

import Federation
package import NeuralNetworks

/// The section `training`; names and ranges are those of studies.
package struct TrainingSettings: Hashable, Sendable {
    package let optimizer: OptimizerSpecification
    package let learningRate: Double
    package let schedule: LearningRateSchedule
    /// Lowers the schedule's rate when the validation loss does not get lower.
    package let plateau: ReduceOnPlateau?
    package let batchSize: Int
    /// So many batches make one step.
    package let accumulate: Int
    package var epochs: Int
    /// Seeds the first parameters, the order of the examples, the dropout masks, and the shares held back.
    package let seed: UInt64
    /// The largest norm of a step's gradient; nil: any.
    package let clipNorm: Double?
    /// So many epochs in a row without a lower validation loss end training, and the best epoch's parameters are kept.
    package let stopAfter: Int?
    /// The decay of the moving average of the parameters that is judged and saved in their place; nil: none is.
    package let averageDecay: Double?
    /// Layers that learn at another rate, or not at all.
    package let layerRates: LayerRates

    package static let epochRange = 1...100_000

    /// - Parameter graph: The model to be trained.
    init(_ reader: DocumentReader, graph: Graph) throws(DocumentError) {
        let fields = try reader.fields(
            [
                "optimizer", "learningRate", "schedule", "batchSize", "accumulate", "epochs", "seed", "clipNorm",
                "stopAfter", "averageDecay",
            ] + LayerRates.keys)
        optimizer = try OptimizerSpecification(fields.required("optimizer"))
        learningRate = try fields.required("learningRate").decimal(1e-12...1e3)
        (schedule, plateau) =
            try fields[optional: "schedule"].map(LearningRateSchedule.watching(_:)) ?? (.constant, nil)
        batchSize = try fields.required("batchSize").integer(1...1_000_000)
        accumulate = try fields[optional: "accumulate"]?.integer(1...10_000) ?? 1
        epochs = try fields.required("epochs").integer(Self.epochRange)
        seed = try fields.required("seed").unsigned()
        clipNorm = try fields[optional: "clipNorm"]?.decimal(1e-9...1e9)
        stopAfter = try fields[optional: "stopAfter"]?.integer(Self.epochRange)
        averageDecay = try fields[optional: "averageDecay"]?.decimal(0...0.999999)
        layerRates = try LayerRates(fields, graph: graph)
    }

    /// Whether something is decided by the validation loss: what, in words.
    var watches: String? {
        if stopAfter != nil { return "stops after epochs without improvement" }
        return plateau != nil ? "lowers the learning rate on a plateau" : nil
    }

    /// Examples that one step sees.
    var examplesPerStep: Int { batchSize * accumulate }

    var canonicalValue: CanonicalValue {
        var object: [String: CanonicalValue] = [
            "optimizer": optimizer.canonicalValue, "learningRate": .decimal(learningRate),
            "schedule": schedule.canonicalValue(watching: plateau), "batchSize": .count(batchSize),
            "epochs": .count(epochs),
            "seed": .string(String(seed)),
        ]
        if let clipNorm { object["clipNorm"] = .decimal(clipNorm) }
        if let stopAfter { object["stopAfter"] = .count(stopAfter) }
        if accumulate > 1 { object["accumulate"] = .count(accumulate) }
        if let averageDecay { object["averageDecay"] = .decimal(averageDecay) }
        return .object(object.merging(layerRates.canonicalFields) { first, _ in first })
    }
}
