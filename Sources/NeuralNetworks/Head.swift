// SPDX-License-Identifier: Apache-2.0
// What the logits of a model mean: the predictions they give and the loss they are trained with.

import Glibc
import Tensors

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

    /// Checks that every target is one this head can learn.
    ///
    /// - Throws: ``TrainingError/targetOutOfRange(row:)`` with the first row that is not.
    func check(targets: UnsafeBufferPointer<Float>) throws(TrainingError) {
        for unsafe(row, target) in unsafe targets.enumerated() {
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

    /// Turns logits into predictions, in place.
    ///
    /// Shapes: z `[rows, outputs]`; `logSums` `[rows]`, scratch.
    func applyPredictions(to z: UnsafeMutableMatrix, logSums: UnsafeMutableBufferPointer<Double>) {
        switch self {
        case .logistic: unsafe applySigmoid(z)
        case .softmax: unsafe applySoftmax(toRowsOf: z, logSums: logSums)
        case .linear: break
        }
    }

    /// The loss, a mean over the batch, and its derivative dz = ∂loss/∂z.
    ///
    /// Shapes: z and dz `[rows, columns]`, dz overwritten; t `[rows, columns]`, but for softmax class indices `[rows]`;
    /// `logSums` `[rows]`, scratch.
    /// - Precondition: ``check(targets:)`` holds for t.
    func loss(
        logits z: UnsafeMatrix, targets t: UnsafeBufferPointer<Float>, gradient dz: UnsafeMutableMatrix,
        logSums: UnsafeMutableBufferPointer<Double>
    ) -> Double {
        unsafe precondition(z.rows == dz.rows && z.columns == dz.columns, "loss: shapes disagree")
        let count = unsafe z.rows * z.columns
        unsafe dz.base.update(from: z.base, count: count)
        switch self {
        case .logistic: return unsafe Self.sigmoidCrossEntropy(z, t, dz)
        case .softmax: return unsafe Self.softmaxCrossEntropy(z, t, dz, logSums)
        case .linear: return unsafe Self.meanSquaredError(z, t, dz)
        }
    }

    /// loss = Σ (log(1 + eᶻ) − t·z) / n; dz = (σ(z) − t) / n. Entry: dz = z.
    private static func sigmoidCrossEntropy(
        _ z: UnsafeMatrix, _ t: UnsafeBufferPointer<Float>, _ dz: UnsafeMutableMatrix
    ) -> Double {
        let n = unsafe z.rows * z.columns
        precondition(t.count == n, "sigmoid cross entropy: shapes disagree")
        unsafe applySigmoid(dz)
        let scale = 1 / Float(n)
        var sum = 0.0
        for i in 0..<n {
            let (logit, target) = unsafe (Double(z.base[i]), t[i])
            // log(1 + eᶻ) without overflow for large z.
            sum += max(logit, 0) + log1p(exp(-abs(logit))) - Double(target) * logit
            unsafe dz.base[i] = (dz.base[i] - target) * scale
        }
        return sum / Double(n)
    }

    /// loss = Σ (log Σⱼ e^z[b,j] − z[b,t]) / rows; dz[b,j] = (softmax(z)[b,j] − [j = t]) / rows. Entry: dz = z.
    private static func softmaxCrossEntropy(
        _ z: UnsafeMatrix, _ t: UnsafeBufferPointer<Float>, _ dz: UnsafeMutableMatrix,
        _ logSums: UnsafeMutableBufferPointer<Double>
    ) -> Double {
        let (rows, columns) = unsafe (z.rows, z.columns)
        precondition(t.count == rows, "softmax cross entropy: shapes disagree")
        unsafe applySoftmax(toRowsOf: dz, logSums: logSums)
        let scale = 1 / Float(rows)
        var sum = 0.0
        for row in 0..<rows {
            let target = unsafe row * columns + Int(t[row])
            sum += unsafe logSums[row] - Double(z.base[target])
            unsafe dz.base[target] -= 1
        }
        for i in 0..<(rows * columns) { unsafe dz.base[i] *= scale }
        return sum / Double(rows)
    }

    /// loss = Σ (z − t)² / n; dz = 2·(z − t) / n. Entry: dz = z.
    private static func meanSquaredError(
        _ z: UnsafeMatrix, _ t: UnsafeBufferPointer<Float>, _ dz: UnsafeMutableMatrix
    ) -> Double {
        let n = unsafe z.rows * z.columns
        precondition(t.count == n, "mean squared error: shapes disagree")
        let scale = 2 / Float(n)
        var sum = 0.0
        for i in 0..<n {
            let difference = unsafe z.base[i] - t[i]
            sum += Double(difference) * Double(difference)
            unsafe dz.base[i] = difference * scale
        }
        return sum / Double(n)
    }
}
