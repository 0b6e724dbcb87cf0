// SPDX-License-Identifier: Apache-2.0
// The little-endian bit stream in which elements of a narrow ring travel.

import Kernels

/// Elements of b bits, side by side: element i occupies bits i·b ..< (i+1)·b, least significant bit first, bit k of the
/// stream being bit k mod 8 of byte k ÷ 8. Unused bits of the last byte are zero.
///
/// Any multiple of ``groupElements`` elements begins at a byte, whatever b is.
package enum BitPacking {
    /// Eight elements of b bits are b bytes.
    package static let groupElements = 8

    /// Bytes of `count` elements of `bits` bits.
    ///
    /// - Precondition: `count >= 0`, `bits` in `1...32`, and the number of bits fits an `Int`.
    package static func packedByteCount(count: Int, bits: Int) -> Int {
        precondition(count >= 0 && (1...32).contains(bits), "elements have 1 to 32 bits")
        let groups = count / groupElements
        return groups * bits + (count % groupElements * bits + 7) / 8
    }

    /// Packs the low `bits` bits of each element.
    ///
    /// Shapes: `elements` `[count]`, `bytes` `[packedByteCount(count, bits)]`.
    package static func pack(
        _ elements: UnsafeBufferPointer<UInt32>, bits: Int, into bytes: UnsafeMutableRawBufferPointer
    ) {
        precondition(bytes.count == packedByteCount(count: elements.count, bits: bits), "room for exactly the elements")
        guard let input = elements.baseAddress, let output = bytes.baseAddress else { return }
        let typed = unsafe output.bindMemory(to: UInt8.self, capacity: bytes.count)
        unsafe consilium_ring_pack(input, elements.count, UInt32(bits), typed)
    }

    /// Adds packed elements to the accumulators, modulo 2³². The low `bits` bits are then the sum modulo 2ᵇⁱᵗˢ.
    ///
    /// Shapes: `bytes` `[packedByteCount(count, bits)]`, `accumulators` `[count]`.
    package static func unpackAdd(
        _ bytes: UnsafeRawBufferPointer, bits: Int, into accumulators: UnsafeMutableBufferPointer<UInt32>
    ) {
        precondition(bytes.count == packedByteCount(count: accumulators.count, bits: bits), "exactly the elements")
        guard let input = bytes.baseAddress, let output = accumulators.baseAddress else { return }
        let typed = unsafe input.assumingMemoryBound(to: UInt8.self)
        unsafe consilium_ring_unpack_add(typed, accumulators.count, UInt32(bits), output)
    }
}
