// SPDX-License-Identifier: Apache-2.0
// How a local model is trained, as a training file says it.

import Federation
package import NeuralNetworks

/// The section `training`; names and ranges are those of studies.
package struct TrainingSettings: Hashable, Sendable {
    package let optimizer: OptimizerSpecification
    package let learningRate: Double
    package let schedule: LearningRateSchedule
    package let batchSize: Int
    package var epochs: Int
    /// Seeds the first parameters, the order of the examples, the dropout masks, and the shares held back.
    package let seed: UInt64
    /// The largest norm of a step's gradient; nil: any.
    package let clipNorm: Double?
    /// So many epochs in a row without a lower validation loss end training, and the best epoch's parameters are kept.
    package let stopAfter: Int?

    package static let epochRange = 1...100_000

    init(_ reader: DocumentReader) throws(DocumentError) {
        let fields = try reader.fields([
            "optimizer", "learningRate", "schedule", "batchSize", "epochs", "seed", "clipNorm", "stopAfter",
        ])
        optimizer = try OptimizerSpecification(fields.required("optimizer"))
        learningRate = try fields.required("learningRate").decimal(1e-12...1e3)
        schedule = try fields[optional: "schedule"].map(LearningRateSchedule.init(_:)) ?? .constant
        batchSize = try fields.required("batchSize").integer(1...1_000_000)
        epochs = try fields.required("epochs").integer(Self.epochRange)
        seed = try fields.required("seed").unsigned()
        clipNorm = try fields[optional: "clipNorm"]?.decimal(1e-9...1e9)
        stopAfter = try fields[optional: "stopAfter"]?.integer(Self.epochRange)
    }

    var canonicalValue: CanonicalValue {
        var object: [String: CanonicalValue] = [
            "optimizer": optimizer.canonicalValue, "learningRate": .decimal(learningRate),
            "schedule": schedule.canonicalValue, "batchSize": .count(batchSize), "epochs": .count(epochs),
            "seed": .string(String(seed)),
        ]
        if let clipNorm { object["clipNorm"] = .decimal(clipNorm) }
        if let stopAfter { object["stopAfter"] = .count(stopAfter) }
        return .object(object)
    }
}
