// SPDX-License-Identifier: Apache-2.0
// Inverted dropout, forward and backward.

package import Randomness
package import Tensors

/// y = x·mask, where each mask element is 0 with odds `rate` and 1/(1 − rate) otherwise, so that E[y] = x.
///
/// Source: Srivastava et al. 2014, section 4, in the form that scales while training.
package struct DropoutLayer: Hashable, Sendable {
    package let rate: Double

    package init(rate: Double) {
        self.rate = rate
    }

    /// Draws the mask and overwrites y. Without a generator everything is kept: y = x.
    ///
    /// Shapes: x, y and mask alike.
    package func forward(
        input x: UnsafeMatrix, output y: UnsafeMutableMatrix, mask: UnsafeMutableMatrix,
        using generator: inout SeededGenerator?
    ) {
        let elements = unsafe mask.elements
        if rate > 0, generator != nil {
            let (threshold, kept) = (Float(rate), Float(1 / (1 - rate)))
            for i in 0..<elements.count {
                unsafe elements[i] = (generator?.uniformFloat() ?? 1) < threshold ? 0 : kept
            }
        } else {
            unsafe elements.update(repeating: 1)
        }
        unsafe y.base.update(from: x.base, count: elements.count)
        unsafe scale(y, byElementsOf: mask.readOnly)  // y[b,i] = x[b,i]·mask[b,i]
    }

    /// dx[b,i] = dy[b,i]·mask[b,i], in place of dy.
    package func backward(mask: UnsafeMatrix, gradient dy: UnsafeMutableMatrix) {
        unsafe scale(dy, byElementsOf: mask)
    }
}
