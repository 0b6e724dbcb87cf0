// SPDX-License-Identifier: Apache-2.0
// Rotary positions: turns pairs of features by an angle that grows with the place in a sequence.

import Glibc
import Kernels

/// The turns of every place: pair i of a head at place t is turned by t·10000^(−2i/width).
///
/// The product of a turned query and a turned key depends on the distance of their places only.
/// Source: Su et al. 2021, section 3.2.2, equations 14, 15 and 34 (arXiv:2104.09864).
package final class RotaryTable {
    private let width: Int
    /// `[steps, width]`, the same value for both of a pair.
    private let cosines: FloatBuffer
    /// `[steps, width]`, −sin for the first of a pair and sin for the second.
    private let sines: FloatBuffer

    /// - Parameters:
    ///   - steps: The places there are, counted from zero.
    ///   - width: Features of a head.
    /// - Precondition: `width` is even.
    package init(steps: Int, width: Int) {
        precondition(width > 0 && width % 2 == 0, "pairs of \(width) features")
        self.width = width
        cosines = FloatBuffer(count: steps * width)
        sines = FloatBuffer(count: steps * width)
        for step in 0..<steps {
            for feature in 0..<width {
                let angle = Double(step) * pow(10_000, -Double(feature / 2 * 2) / Double(width))
                cosines.floats[step * width + feature] = Float(cos(angle))
                sines.floats[step * width + feature] = Float(feature % 2 == 0 ? -sin(angle) : sin(angle))
            }
        }
    }

    /// Turns rows in place, the first at place zero.
    ///
    /// - Parameters:
    ///   - stride: How far apart two rows lie in `x`, which ends with or within the last.
    ///   - heads: Heads at the start of each row.
    package func turn(_ x: Floats, stride: Int, heads: Int) { turn(x, stride: stride, heads: heads, direction: 1) }

    /// Turns rows back in place: the gradient of ``turn(_:stride:heads:)``.
    package func turnBack(_ x: Floats, stride: Int, heads: Int) { turn(x, stride: stride, heads: heads, direction: -1) }

    private func turn(_ x: Floats, stride: Int, heads: Int, direction: Float) {
        let steps = (x.count + stride - 1) / stride
        precondition(
            heads * width <= stride && (steps - 1) * stride + heads * width <= x.count
                && steps * width <= cosines.count, "rotary positions: shapes disagree")
        unsafe consilium_turn_pairs(
            steps, stride, heads, width, direction, cosines.floats.start, sines.floats.start, x.start)
    }
}
