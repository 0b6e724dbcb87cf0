// SPDX-License-Identifier: Apache-2.0
// The loops of losses, with their shapes checked. Each returns Σ of the losses and overwrites dz with scale·∂Σ/∂z.

import Kernels

/// Softmax cross entropy over classes, and softmax over planes.
package struct SoftmaxCrossEntropyTerms: Sendable {
    /// A weight for each class; empty: all are 1.
    package var weights: [Float]
    /// ε: the share of the target that is spread over all classes.
    package var smoothing: Float
    /// γ of the focal loss, which is not smoothed.
    package var gamma: Float

    package init(weights: [Float] = [], smoothing: Float = 0, gamma: Float = 0) {
        precondition(smoothing >= 0 && smoothing < 1 && gamma >= 0 && (smoothing == 0 || gamma == 0), "cross entropy")
        self.weights = weights
        self.smoothing = smoothing
        self.gamma = gamma
    }

    /// The cross entropy of one class per row; a negative class is ignored.
    ///
    /// Shapes: z and dz `[rows, classes]`, targets `[rows]`.
    package func rows(_ z: Floats, classes: Int, targets: Floats, scale: Float, into dz: Floats) -> Double {
        check(z, classes, targets, dz)
        return unsafe withConstants(classes: classes, scale: scale) {
            unsafe consilium_softmax_cross_entropy(targets.count, classes, z.start, targets.start, $0, dz.start)
        }
    }

    /// The cross entropy of one class per position of one example.
    ///
    /// Shapes: z and dz `[classes, positions]`, targets `[positions]`.
    package func planes(_ z: Floats, classes: Int, targets: Floats, scale: Float, into dz: Floats) -> Double {
        check(z, classes, targets, dz)
        return unsafe withConstants(classes: classes, scale: scale) {
            unsafe consilium_softmax_cross_entropy_planes(classes, targets.count, z.start, targets.start, $0, dz.start)
        }
    }

    /// z ← softmax over the classes of each position. Shapes: z `[classes, positions]`.
    package static func applySoftmax(toPlanes z: Floats, classes: Int) {
        precondition(z.count % classes == 0, "\(z.count) values of \(classes) classes")
        unsafe consilium_softmax_planes(classes, z.count / classes, z.start)
    }

    private func check(_ z: Floats, _ classes: Int, _ targets: Floats, _ dz: Floats) {
        precondition(
            z.count == targets.count * classes && dz.count == z.count && (weights.isEmpty || weights.count == classes),
            "cross entropy: shapes disagree")
        for index in 0..<targets.count { precondition(targets[index] < Float(classes), "cross entropy: no such class") }
    }

    private func withConstants(classes: Int, scale: Float, _ body: (consilium_cross_entropy) -> Double) -> Double {
        unsafe weights.withUnsafeBufferPointer { weights in
            let sum = unsafe weights.isEmpty ? Double(classes) : weights.reduce(0) { $0 + Double($1) }
            return unsafe body(
                consilium_cross_entropy(
                    weights: weights.isEmpty ? nil : weights.baseAddress, weight_sum: sum, smoothing: smoothing,
                    gamma: gamma, scale: scale))
        }
    }
}

/// Losses of logits that are each a probability of their own.
package enum LogisticLoss {
    /// Σ m^γ·(w·t·log(1+e⁻ᶻ) + (1−t)·log(1+eᶻ)), m the distance of the probability to t; a NaN target is ignored.
    ///
    /// Shapes: z, targets and dz `[n]`.
    package static func crossEntropy(
        _ z: Floats, targets: Floats, positiveWeight: Float, gamma: Float, scale: Float, into dz: Floats
    ) -> Double {
        precondition(z.count == targets.count && z.count == dz.count, "sigmoid cross entropy: shapes disagree")
        return unsafe consilium_sigmoid_cross_entropy(
            z.count, z.start, targets.start, positiveWeight, gamma, scale, dz.start)
    }

    /// Σ over i < k of log(1+e^z[i]), and log(1+e^−z[k]) where the event came.
    ///
    /// Shapes: z and dz `[rows, intervals]`, targets `[rows, 2]` of interval k and event.
    package static func discreteSurvival(
        _ z: Floats, intervals: Int, targets: Floats, scale: Float, into dz: Floats
    ) -> Double {
        let rows = targets.count / 2
        precondition(z.count == rows * intervals && dz.count == z.count, "survival: shapes disagree")
        for row in 0..<rows {
            let end = targets[2 * row] + (targets[2 * row + 1] > 0 ? 1 : 0)
            precondition(targets[2 * row] >= 0 && end <= Float(intervals), "survival: no such interval")
        }
        return unsafe consilium_discrete_survival(rows, intervals, z.start, targets.start, scale, dz.start)
    }
}

/// Losses of the difference d = z − t.
package enum RegressionLoss: Sendable {
    /// d².
    case squared
    /// |d|.
    case absolute
    /// d²/2 where |d| ≤ δ, else δ·(|d| − δ/2).
    case huber(delta: Float)
    /// eᶻ − t·z, the logarithm of a rate against a count.
    case poisson

    /// Shapes: z, targets and dz `[n]`.
    package func evaluate(_ z: Floats, targets: Floats, scale: Float, into dz: Floats) -> Double {
        precondition(z.count == targets.count && z.count == dz.count, "regression: shapes disagree")
        let (kind, parameter): (consilium_regression, Float) =
            switch self {
            case .squared: (CONSILIUM_SQUARED, 0)
            case .absolute: (CONSILIUM_ABSOLUTE, 0)
            case .huber(let delta): (CONSILIUM_HUBER, delta)
            case .poisson: (CONSILIUM_POISSON, 0)
            }
        return unsafe consilium_regression_loss(
            Int32(kind.rawValue), parameter, z.count, z.start, targets.start, scale, dz.start)
    }
}

/// The overlap of one example's predicted and true regions: 1 − the mean over classes of
/// (2·Σ p·t + s)/(Σ p + Σ t + s), and λ times the mean cross entropy of the positions.
package struct DiceTerms: Sendable {
    /// s, positive.
    package var smoothing: Float
    /// λ.
    package var crossEntropy: Float
    /// Whether class 0 has a term of its own.
    package var includesBackground: Bool

    /// The most classes there may be.
    package static let largestClassCount = Int(CONSILIUM_DICE_CLASSES)

    package init(smoothing: Float, crossEntropy: Float, includesBackground: Bool) {
        precondition(smoothing > 0 && crossEntropy >= 0, "dice: senseless numbers")
        self.smoothing = smoothing
        self.crossEntropy = crossEntropy
        self.includesBackground = includesBackground
    }

    /// The loss of one example: softmax over two or more classes and one class per position, a negative one ignored;
    /// for one class its sigmoid and targets in 0…1, a NaN ignored.
    ///
    /// Shapes: z and dz `[classes, positions]`, targets `[positions]`.
    package func evaluate(_ z: Floats, classes: Int, targets: Floats, scale: Float, into dz: Floats) -> Double {
        precondition(
            z.count == classes * targets.count && dz.count == z.count && classes >= 1
                && classes <= Self.largestClassCount, "dice: shapes disagree")
        let constants = consilium_dice(
            smoothing: smoothing, cross_entropy: crossEntropy, first_class: includesBackground ? 0 : 1, scale: scale)
        return unsafe classes == 1
            ? consilium_sigmoid_dice(targets.count, z.start, targets.start, constants, dz.start)
            : consilium_softmax_dice(classes, targets.count, z.start, targets.start, constants, dz.start)
    }
}

/// z ← eᶻ; the largest finite power above z = 88.
package func applyExponential(_ z: Floats) { unsafe consilium_exponential(z.count, z.start) }
