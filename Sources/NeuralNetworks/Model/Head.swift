// SPDX-License-Identifier: Apache-2.0
// What the logits of a model mean: the predictions they give and the loss they are trained with.

/// The task of a model: how logits become predictions, and their loss.
package enum Head: Hashable, Sendable {
    /// One probability 1/(1+e⁻ᶻ); sigmoid cross entropy; targets between 0 and 1.
    case logistic
    /// One probability per class; softmax cross entropy; targets are class indices 0 ..< classes.
    case softmax(classes: Int)
    /// One value; mean squared error; any finite target.
    case linear

    /// The number of logits per example.
    package var outputs: Int {
        switch self {
        case .logistic, .linear: 1
        case .softmax(let classes): classes
        }
    }

    /// The loss of the head, a mean over the batch.
    package var loss: any Loss {
        switch self {
        case .logistic: SigmoidCrossEntropy()
        case .softmax: SoftmaxCrossEntropy()
        case .linear: MeanSquaredError()
        }
    }

    /// Checks that every target is one this head can learn.
    ///
    /// - Throws: ``TrainingError/targetOutOfRange(row:)`` with the first row that is not.
    func check(targets: [Float]) throws(TrainingError) {
        for (row, target) in targets.enumerated() {
            let fits =
                switch self {
                case .logistic: target >= 0 && target <= 1
                case .softmax(let classes):
                    target >= 0 && target < Float(classes) && target.rounded(.towardZero) == target
                case .linear: target.isFinite
                }
            guard fits else { throw .targetOutOfRange(row: row) }
        }
    }
}
