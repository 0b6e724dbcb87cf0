// SPDX-License-Identifier: Apache-2.0
// What can stop local training.

/// Why a table cannot be trained on, or why training was given up. Rows and steps count from zero.
package enum TrainingError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What was counted in ``wrongCount(_:expected:actual:)``.
    package enum Quantity: String, Sendable {
        case parameters
        case features
        case targets
        case proximalReference = "reference parameters of the proximal term"
        case correction = "elements of the gradient correction"
        case checkpoint = "numbers of a checkpoint"
    }

    /// The part of a ``LocalTraining`` that makes no sense.
    package enum PlanField: String, Sendable {
        case batchSize = "batch size"
        case steps
        case totalSteps = "total steps"
        case learningRate = "learning rate"
        case schedule = "learning-rate schedule"
        case optimizer
        case largestNorm = "largest gradient norm"
        case proximalTerm = "proximal term"
        case checkpoint
        case accumulation = "number of batches in a step"
        case averageDecay = "decay of the weights' average"
    }

    case noExamples
    case wrongCount(Quantity, expected: Int, actual: Int)
    case targetOutOfRange(row: Int)
    case invalidPlan(PlanField)
    /// The loss of this local step is NaN or infinite: the learning rate is too large or a feature is not a number.
    case nonFiniteLoss(step: Int)
    case nonFiniteParameters

    /// One sentence: what is wrong and what would fit.
    package var description: String {
        switch self {
        case .noExamples: "there is no example to train on"
        case .wrongCount(let quantity, let expected, let actual):
            "\(actual) \(quantity.rawValue) given, \(expected) expected"
        case .targetOutOfRange(let row): "the target in row \(row) is not one this head can learn"
        case .invalidPlan(let field): "the training plan's \(field.rawValue) is out of range"
        case .nonFiniteLoss(let step):
            "the loss of step \(step) is not finite: lower the learning rate or check the features"
        case .nonFiniteParameters: "a parameter is not finite before or after training: lower the learning rate"
        }
    }
}
