// SPDX-License-Identifier: Apache-2.0
// The loss of probabilities that do not exclude each other.

package import Tensors

/// −w·t·log p − (1 − t)·log(1 − p) with p = 1/(1 + e⁻ᶻ), for every output; a mean over all outputs that have a target.
///
/// Shapes: output `[…]`, targets of the same shape in 0…1; a NaN is ignored: no loss, and no weight.
/// Source: torch.nn.BCEWithLogitsLoss, w its `pos_weight`; focal factor m^γ with m = p·(1 − t) + (1 − p)·t: Lin et al.
/// 2017, equation 4 (arXiv:1708.02002).
package struct SigmoidCrossEntropy: Loss {
    package static let kind = "sigmoidCrossEntropy"
    /// w: what a positive example counts, positive.
    package var positiveWeight: Float
    /// γ, from 0.
    package var focalGamma: Float

    package init(positiveWeight: Float = 1, focalGamma: Float = 0) {
        self.positiveWeight = positiveWeight
        self.focalGamma = focalGamma
    }

    package func targetCount(for output: Shape) throws(ShapeError) -> Int {
        guard positiveWeight > 0, positiveWeight.isFinite else {
            throw ShapeError("a positive weight of \(positiveWeight): it is above 0")
        }
        guard focalGamma >= 0, focalGamma.isFinite else { throw ShapeError("a focal gamma of \(focalGamma)") }
        return output.count
    }

    package func firstUnfit(targets: Floats, output: Shape) -> Int? {
        Self.firstNoShare(targets).map { $0 / output.count }
    }

    package func weight(targets: Floats, output: Shape) -> Double {
        var counted = 0
        for place in 0..<targets.count where !targets[place].isNaN { counted += 1 }
        return Double(counted)
    }

    package func evaluate(_ z: Floats, targets: Floats, output: Shape, scale: Float, into dz: Floats) -> Double {
        LogisticLoss.crossEntropy(
            z, targets: targets, positiveWeight: positiveWeight, gamma: focalGamma, scale: scale, into: dz)
    }

    /// The probabilities.
    package func predict(_ z: Floats, output: Shape) { ActivationFunction.sigmoid.forward(z, into: z) }

    /// The first target outside 0…1 that is no NaN.
    static func firstNoShare(_ targets: Floats) -> Int? {
        (0..<targets.count).first { targets[$0] < 0 || targets[$0] > 1 }
    }
}
