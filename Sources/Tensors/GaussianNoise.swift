// SPDX-License-Identifier: Apache-2.0
// Normal noise on a vector, from a keyed stream of random bits.

import Kernels

/// Adds normal noise to a vector in pieces, each with random words that the caller fills in.
///
/// The noise is float32 and reaches to ±6.7 deviations: good for measuring what private training costs, and for training
/// that stays local. What leaves a site gets its noise from an exact sampler.
/// Source: Box & Muller 1958.
@safe package final class GaussianNoise {
    private let words: UnsafeMutableBufferPointer<UInt32>

    /// Floats of one piece; a multiple of 32.
    package static let piece = 8192

    package init() { unsafe words = .allocate(capacity: Self.piece) }

    deinit { unsafe words.deallocate() }

    /// y += deviation·N(0, 1).
    ///
    /// - Parameter fill: Overwrites bytes with uniform random ones; `first` is the number of the piece's first float.
    package func add(
        deviation: Float, to y: Floats, fill: (_ bytes: UnsafeMutableRawBufferPointer, _ first: Int) -> Void
    ) {
        for start in stride(from: 0, to: y.count, by: Self.piece) {
            let count = min(Self.piece, y.count - start)
            let rounded = (count + 31) & ~31
            unsafe fill(
                UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(words)[..<(rounded * 4)]), start)
            guard let first = unsafe words.baseAddress else { return }
            unsafe consilium_add_gaussian(count, first, deviation, y[start..<start + count].start)
        }
    }
}
