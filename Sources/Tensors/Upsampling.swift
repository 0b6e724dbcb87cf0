// SPDX-License-Identifier: Apache-2.0
// Enlarges maps by repeating values, forward and backward.

import Kernels

/// Nearest-neighbour enlargement of maps with one to three dimensions.
package struct Upsampling: Sendable {
    private let channels: Int
    /// Depth, height and width; one for a dimension that is not there.
    private let sizes: [Int]
    private let factors: [Int]

    /// - Precondition: One to three sizes, all and the factor at least 1.
    package init(channels: Int, sizes: [Int], factor: Int) {
        precondition((1...3).contains(sizes.count) && channels >= 1 && factor >= 1 && sizes.allSatisfy { $0 >= 1 })
        self.channels = channels
        let missing = [Int](repeating: 1, count: 3 - sizes.count)
        self.sizes = missing + sizes
        factors = missing + sizes.map { _ in factor }
    }

    private var inputCount: Int { channels * sizes.reduce(1, *) }
    private var outputCount: Int { inputCount * factors.reduce(1, *) }

    /// y[c, p] = x[c, p ÷ factor]. Shapes: x `[examples, channels, size…]`, y the same with larger sizes.
    package func forward(_ x: Floats, examples: Int, into y: Floats) {
        precondition(
            x.count == examples * inputCount && y.count == examples * outputCount, "upsampling: sizes disagree")
        unsafe withSizes { sizes, factors in
            unsafe consilium_upsample(examples * channels, sizes, factors, x.start, y.start)
        }
    }

    /// dx[c, q] = Σ dy[c, p] over the p with p ÷ factor = q.
    package func backward(_ dy: Floats, examples: Int, into dx: Floats) {
        precondition(
            dx.count == examples * inputCount && dy.count == examples * outputCount, "upsampling: sizes disagree")
        unsafe withSizes { sizes, factors in
            unsafe consilium_upsample_backward(examples * channels, sizes, factors, dy.start, dx.start)
        }
    }

    private func withSizes(_ body: (UnsafePointer<Int>, UnsafePointer<Int>) -> Void) {
        unsafe sizes.withUnsafeBufferPointer { sizes in
            unsafe factors.withUnsafeBufferPointer { factors in
                guard let sizes = sizes.baseAddress, let factors = factors.baseAddress else { return }
                unsafe body(sizes, factors)
            }
        }
    }
}
