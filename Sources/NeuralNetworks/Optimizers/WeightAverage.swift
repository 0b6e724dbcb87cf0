// SPDX-License-Identifier: Apache-2.0
// A moving average of the parameters, which often predicts better than the last of them.

package import Tensors

/// average ← decay·average + (1 − decay)·w after every step; the first step's parameters start it.
///
/// Source: torch.optim.swa_utils.get_ema_multi_avg_fn; Polyak & Juditsky 1992.
/// Not sendable: the workers of one team update parts of it during one step of its owner.
package final class WeightAverage {
    /// From 0, which keeps only the last parameters, to below 1.
    package let decay: Double
    private let memory: FloatBuffer

    package init(decay: Double, count: Int) {
        precondition(decay >= 0 && decay < 1, "an average with the decay \(decay)")
        self.decay = decay
        memory = FloatBuffer(count: count)
    }

    /// The average: `[count]`.
    package var values: Floats { memory.floats }

    /// Takes in some of the parameters; every way to cut them gives the same bits.
    ///
    /// Shapes: w `[count]`, all of it.
    /// - Parameter steps: The steps averaged before this one.
    package func update(_ w: Floats, range: Range<Int>, steps: Int) {
        if steps == 0 {
            values[range].copy(from: w[range])
        } else {
            move(values[range], towards: w[range], share: Float(1 - decay))
        }
    }
}
