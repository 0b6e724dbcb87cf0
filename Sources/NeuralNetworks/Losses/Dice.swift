// SPDX-License-Identifier: Apache-2.0
// The loss of regions: how much of the predicted and the true region overlap.

package import Tensors

/// Soft Dice, 1 − (2·Σ p·t + s)/(Σ p + Σ t + s) over the positions of one example, and λ times their mean cross
/// entropy; a mean over the examples.
///
/// Shapes: output `[classes, spatial…]`: from two classes on, p is their softmax, the Dice terms are a mean over
/// classes, and there is one class per position as target, −1 ignored; for one class, p is its sigmoid, and targets lie
/// in 0…1, NaN ignored. An example without any target has loss 0.
/// Source: Milletari et al. 2016, section 3 (arXiv:1606.04797), without squares in the denominator; the sum with the
/// cross entropy, λ = 1: Isensee et al. 2021 (nnU-Net).
package struct Dice: Loss {
    package static let kind = "dice"
    /// λ: 0 leaves the cross entropy out.
    package var crossEntropyWeight: Float
    /// s, positive: keeps the loss of regions that are nowhere apart from 0/0.
    package var smoothing: Float
    /// Whether class 0 of several has a Dice term of its own; the cross entropy always has it.
    package var includesBackground: Bool

    package init(crossEntropyWeight: Float = 0, smoothing: Float = 1, includesBackground: Bool = true) {
        self.crossEntropyWeight = crossEntropyWeight
        self.smoothing = smoothing
        self.includesBackground = includesBackground
    }

    package func targetCount(for output: Shape) throws(ShapeError) -> Int {
        guard output.isSpatial else { throw ShapeError("dice compares maps [channels, height, width], not \(output)") }
        let classes = output.sizes[0]
        guard classes <= DiceTerms.largestClassCount else {
            throw ShapeError("dice of \(classes) classes: at most \(DiceTerms.largestClassCount)")
        }
        guard includesBackground || classes >= 2 else { throw ShapeError("one class has no background to leave out") }
        guard smoothing > 0, smoothing.isFinite else { throw ShapeError("dice smoothing of \(smoothing): above 0") }
        guard crossEntropyWeight >= 0, crossEntropyWeight.isFinite else {
            throw ShapeError("a cross-entropy weight of \(crossEntropyWeight)")
        }
        return output.count / classes
    }

    package func firstUnfit(targets: Floats, output: Shape) -> Int? {
        let classes = output.sizes[0]
        let place =
            classes == 1
            ? SigmoidCrossEntropy.firstNoShare(targets)
            : SoftmaxCrossEntropy.firstNoClass(targets, classes: classes)
        return place.map { $0 / (output.count / classes) }
    }

    package func evaluate(_ z: Floats, targets: Floats, output: Shape, scale: Float, into dz: Floats) -> Double {
        let terms = DiceTerms(
            smoothing: smoothing, crossEntropy: crossEntropyWeight, includesBackground: includesBackground)
        let (classes, positions) = (output.sizes[0], output.count / output.sizes[0])
        var sum = 0.0
        for example in 0..<z.count / output.count {
            let range = example..<example + 1
            sum += terms.evaluate(
                z.rows(range, width: output.count), classes: classes, targets: targets.rows(range, width: positions),
                scale: scale, into: dz.rows(range, width: output.count))
        }
        return sum
    }

    /// The probabilities.
    package func predict(_ z: Floats, output: Shape) {
        if output.sizes[0] == 1 {
            ActivationFunction.sigmoid.forward(z, into: z)
        } else {
            SoftmaxCrossEntropy.predict(z, output: output)
        }
    }
}
