// SPDX-License-Identifier: Apache-2.0
// The loss of survival times that fall into intervals.

package import Tensors

/// The negative log likelihood of hazards h = 1/(1 + e⁻ᶻ) of successive intervals:
/// −Σ over i < k of log(1 − h[i]), and − log h[k] where the event was seen.
///
/// Shapes: output `[intervals]`, targets `[2]`: the number k of intervals survived whole, and whether the event came in
/// the next one (1) or the observation ended there (0). A person still observed after the last interval has k =
/// intervals, without event. A mean over examples.
/// Source: Gensheimer & Narasimhan 2019 (nnet-survival, arXiv:1805.00917), whose data preparation counts an
/// interval as survived when the observation ended in its second half.
package struct DiscreteTimeSurvival: Loss {
    package static let kind = "discreteTimeSurvival"

    package init() {}

    package func targetCount(for output: Shape) throws(ShapeError) -> Int {
        guard output.sizes.count == 1 else { throw ShapeError("hazards are one row [intervals], not \(output)") }
        return 2
    }

    package func firstUnfit(targets: Floats, output: Shape) -> Int? {
        (0..<targets.count / 2).first { example in
            let (interval, event) = (targets[2 * example], targets[2 * example + 1])
            let isEvent = event == 0 || event == 1
            let isInterval =
                interval >= 0 && interval + event <= Float(output.count)
                && interval.rounded(.towardZero) == interval
            return !(isEvent && isInterval)
        }
    }

    package func evaluate(_ z: Floats, targets: Floats, output: Shape, scale: Float, into dz: Floats) -> Double {
        LogisticLoss.discreteSurvival(z, intervals: output.count, targets: targets, scale: scale, into: dz)
    }

    /// The odds of surviving each interval and all before it: Π over i ≤ k of (1 − h[i]).
    package func predict(_ z: Floats, output: Shape) {
        z.scale(by: -1)
        // 1 − h = 1/(1 + eᶻ)
        ActivationFunction.sigmoid.forward(z, into: z)
        for place in 0..<z.count where place % output.count > 0 { z[place] *= z[place - 1] }
    }
}
