// SPDX-License-Identifier: Apache-2.0
// One evaluation of a loss over given values, for tests of losses.

import NeuralNetworks
import Tensors

/// The sum of a batch's losses, its gradient and its weight.
struct LossRun {
    var sum: Double
    var gradient: [Float]
    var weight: Double

    init(_ loss: some Loss, _ z: [Float], targets: [Float], output: Shape, scale: Float = 1) {
        let logits = FloatBuffer(z)
        let wanted = FloatBuffer(targets)
        // What was there before must not matter.
        let gradient = FloatBuffer([Float](repeating: .nan, count: z.count))
        weight = loss.weight(targets: wanted.floats, output: output)
        sum = loss.evaluate(
            logits.floats, targets: wanted.floats, output: output, scale: scale, into: gradient.floats)
        self.gradient = gradient.floats.array
    }

    static func firstUnfit(_ loss: some Loss, targets: [Float], output: Shape) -> Int? {
        let wanted = FloatBuffer(targets)
        return loss.firstUnfit(targets: wanted.floats, output: output)
    }

    static func predictions(_ loss: some Loss, _ z: [Float], output: Shape) -> [Float] {
        let logits = FloatBuffer(z)
        loss.predict(logits.floats, output: output)
        return logits.floats.array
    }
}

/// ∂f/∂x by central differences in double precision.
func slopes(at x: [Double], step: Double = 1e-5, of f: ([Double]) -> Double) -> [Double] {
    x.indices.map { index in
        var (above, below) = (x, x)
        above[index] += step
        below[index] -= step
        return (f(above) - f(below)) / (2 * step)
    }
}
