// SPDX-License-Identifier: Apache-2.0
// Losses of values and counts, one target for each output and a mean over all of them.

import Glibc
package import Tensors

/// (z − t)².
///
/// Shapes: output `[…]`, targets of the same shape, finite.
package struct MeanSquaredError: Loss {
    package static let kind = "meanSquaredError"
    package var likelihoodFactor: Double { 0.5 }

    package init() {}

    package func targetCount(for output: Shape) throws(ShapeError) -> Int { output.count }

    package func firstUnfit(targets: Floats, output: Shape) -> Int? { firstNotFinite(targets, output) }

    package func weight(targets: Floats, output: Shape) -> Double { Double(targets.count) }

    package func evaluate(_ z: Floats, targets: Floats, output: Shape, scale: Float, into dz: Floats) -> Double {
        RegressionLoss.squared.evaluate(z, targets: targets, scale: scale, into: dz)
    }
}

/// |z − t|, with the slope 0 at 0.
///
/// Shapes: output `[…]`, targets of the same shape, finite.
package struct MeanAbsoluteError: Loss {
    package static let kind = "meanAbsoluteError"
    package var likelihoodFactor: Double { 0.5 }

    package init() {}

    package func targetCount(for output: Shape) throws(ShapeError) -> Int { output.count }

    package func firstUnfit(targets: Floats, output: Shape) -> Int? { firstNotFinite(targets, output) }

    package func weight(targets: Floats, output: Shape) -> Double { Double(targets.count) }

    package func evaluate(_ z: Floats, targets: Floats, output: Shape, scale: Float, into dz: Floats) -> Double {
        RegressionLoss.absolute.evaluate(z, targets: targets, scale: scale, into: dz)
    }
}

/// (z − t)²/2 where |z − t| ≤ δ, else δ·(|z − t| − δ/2).
///
/// Shapes: output `[…]`, targets of the same shape, finite.
/// Source: torch.nn.HuberLoss (Huber 1964).
package struct Huber: Loss {
    package static let kind = "huber"
    package var likelihoodFactor: Double { 0.5 }
    /// δ, positive.
    package var delta: Float

    package init(delta: Float = 1) { self.delta = delta }

    package func targetCount(for output: Shape) throws(ShapeError) -> Int {
        guard delta > 0, delta.isFinite else { throw ShapeError("a Huber delta of \(delta): it is above 0") }
        return output.count
    }

    package func firstUnfit(targets: Floats, output: Shape) -> Int? { firstNotFinite(targets, output) }

    package func weight(targets: Floats, output: Shape) -> Double { Double(targets.count) }

    package func evaluate(_ z: Floats, targets: Floats, output: Shape, scale: Float, into dz: Floats) -> Double {
        RegressionLoss.huber(delta: delta).evaluate(z, targets: targets, scale: scale, into: dz)
    }
}

/// eᶻ − t·z: the negative log likelihood of a count t at the rate eᶻ, but for log t!.
///
/// Shapes: output `[…]`, the logarithms of rates; targets of the same shape, from 0.
/// Source: torch.nn.PoissonNLLLoss with log_input.
package struct PoissonLoss: Loss {
    package static let kind = "poisson"
    /// Whether log t! is added, by Stirling's formula for t > 1: t·log t − t + log(2π·t)/2.
    package var isFull: Bool

    package init(isFull: Bool = false) { self.isFull = isFull }

    package func targetCount(for output: Shape) throws(ShapeError) -> Int { output.count }

    package func firstUnfit(targets: Floats, output: Shape) -> Int? {
        (0..<targets.count).first { !(targets[$0] >= 0 && targets[$0].isFinite) }.map { $0 / output.count }
    }

    package func weight(targets: Floats, output: Shape) -> Double { Double(targets.count) }

    package func evaluate(_ z: Floats, targets: Floats, output: Shape, scale: Float, into dz: Floats) -> Double {
        var sum = RegressionLoss.poisson.evaluate(z, targets: targets, scale: scale, into: dz)
        guard isFull else { return sum }
        for place in 0..<targets.count where targets[place] > 1 {
            let t = Double(targets[place])
            sum += t * log(t) - t + log(2 * .pi * t) / 2
        }
        return sum
    }

    /// The rates.
    package func predict(_ z: Floats, output: Shape) { applyExponential(z) }
}

/// The example of the first target that is NaN or infinite.
private func firstNotFinite(_ targets: Floats, _ output: Shape) -> Int? {
    (0..<targets.count).first { !targets[$0].isFinite }.map { $0 / output.count }
}
