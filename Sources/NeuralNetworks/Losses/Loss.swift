// SPDX-License-Identifier: Apache-2.0
// What every loss says about itself: its targets, its value, and the gradient it starts the backward pass with.

package import Tensors

/// What a model's output is compared with, and how the difference counts.
///
/// The loss of a batch is Σ over examples of their losses, divided by the batch's weight: the number of examples for a
/// plain mean. Workers evaluate their shares apart; only a loss that ``mixesExamples`` sees the whole batch at once.
package protocol Loss: Hashable, Sendable {
    /// The word that studies use for this loss.
    static var kind: String { get }

    /// Whether an example's loss depends on other examples of the batch. Such a loss has no per-patient gradient.
    var mixesExamples: Bool { get }

    /// What the loss divided by σ² is multiplied by in a negative log likelihood, where its weight is learned: ½ for
    /// values, (z − t)²/(2σ²), and 1 for the rest.
    var likelihoodFactor: Double { get }

    /// The values that one example's target has, for a model output of this shape.
    ///
    /// - Throws: ``ShapeError`` when the output does not fit the loss.
    func targetCount(for output: Shape) throws(ShapeError) -> Int

    /// The first example whose target cannot be learned, such as a class that does not exist; nil: all can.
    ///
    /// Shapes: targets `[examples, targetCount]`.
    func firstUnfit(targets: Floats, output: Shape) -> Int?

    /// What the sum over these examples is divided by; weights of several parts of a batch add up. It may be 0, where
    /// all targets are ignored or no event was seen: the loss is then 0, and so is dz whatever the scale.
    func weight(targets: Floats, output: Shape) -> Double

    /// Σ of the losses of the examples, and dz = scale·∂Σ/∂z, overwritten.
    ///
    /// Shapes: z and dz `[examples, output…]`, targets `[examples, targetCount]`.
    /// - Precondition: ``firstUnfit(targets:output:)`` is nil. Allocates nothing unless it mixes examples.
    func evaluate(_ z: Floats, targets: Floats, output: Shape, scale: Float, into dz: Floats) -> Double

    /// Turns outputs into predictions in place: probabilities, expected values, risks.
    func predict(_ z: Floats, output: Shape)
}

extension Loss {
    package var mixesExamples: Bool { false }

    package var likelihoodFactor: Double { 1 }

    package func weight(targets: Floats, output: Shape) -> Double {
        do {
            return Double(targets.count / (try targetCount(for: output)))
        } catch {
            preconditionFailure("a loss of an output that it does not fit: \(error)")
        }
    }

    package func predict(_ z: Floats, output: Shape) {}
}
