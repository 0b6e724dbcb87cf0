// SPDX-License-Identifier: Apache-2.0
// The two widths of mask words, each with its loops.

import Kernels

/// A word of a mask stream: 4 bytes for rings up to 32 bits, 8 bytes above.
package protocol MaskWord: FixedWidthInteger, Sendable {
    /// Adds little-endian words, modulo 2 to the width. Shapes: `words` `[count]`, `bytes` `[count × width in bytes]`.
    static func add(_ bytes: UnsafePointer<UInt8>, to words: UnsafeMutablePointer<Self>, count: Int)
    /// Subtracts little-endian words, modulo 2 to the width. Shapes as those of `add`.
    static func subtract(_ bytes: UnsafePointer<UInt8>, from words: UnsafeMutablePointer<Self>, count: Int)
}

extension UInt32: MaskWord {
    package static func add(_ bytes: UnsafePointer<UInt8>, to words: UnsafeMutablePointer<UInt32>, count: Int) {
        unsafe consilium_ring_add_words(words, bytes, count)
    }

    package static func subtract(_ bytes: UnsafePointer<UInt8>, from words: UnsafeMutablePointer<UInt32>, count: Int) {
        unsafe consilium_ring_subtract_words(words, bytes, count)
    }
}

extension UInt64: MaskWord {
    package static func add(_ bytes: UnsafePointer<UInt8>, to words: UnsafeMutablePointer<UInt64>, count: Int) {
        unsafe consilium_ring_add_words64(words, bytes, count)
    }

    package static func subtract(_ bytes: UnsafePointer<UInt8>, from words: UnsafeMutablePointer<UInt64>, count: Int) {
        unsafe consilium_ring_subtract_words64(words, bytes, count)
    }
}
