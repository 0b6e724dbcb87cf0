// SPDX-License-Identifier: Apache-2.0
// Masks one packed chunk of a site's vector.

package import Federation
import Randomness
import RingArithmetic
import TransparencyLog

/// Turns plain packed chunks into masked packed chunks, one at a time, for one thread.
///
/// A pure function of the plain bytes and the masks: asked again it gives the same bytes, which is what re-sent chunks
/// must have.
/// Memory safety: `@safe` because the buffers never leave this value and die with their only owner.
@safe
package struct ChunkMasker: ~Copyable {
    package let layout: MaskLayout
    private var streams: MaskStreams
    /// The plain elements, then the masked ones.
    private let words: UnsafeMutableRawBufferPointer
    private let packed: UnsafeMutableRawBufferPointer

    /// - Throws: `.cryptographyFailed`.
    package init(layout: MaskLayout, masks: SiteMasks) throws(SecureSumError) {
        self.layout = layout
        streams = try MaskStreams(masks.list)
        let wordBytes = layout.chunks.map { $0.elements.count * layout.wordBytes(section: $0.section) }.max() ?? 0
        unsafe words = .allocate(byteCount: wordBytes, alignment: 64)
        unsafe packed = .allocate(byteCount: layout.chunks.map(\.bytes.count).max() ?? 0, alignment: 64)
    }

    deinit {
        unsafe words.wipe()
        unsafe words.deallocate()
        unsafe packed.deallocate()
    }

    /// Masks a chunk and lends its packed form, with its leaf in the tree of the vector.
    ///
    /// - Parameters:
    ///   - plain: the chunk's part of the plain packed vector.
    /// - Throws: `.malformed` for bytes that are not such a part: too few or many, set bits after the last element, or
    ///   check lanes that are not 1.
    package mutating func mask<Value>(
        _ chunk: MaskLayout.Chunk, plain: UnsafeRawBufferPointer,
        _ body: (_ masked: UnsafeRawBufferPointer, _ leaf: Digest) throws -> Value
    ) throws -> Value {
        let section = layout.ring.sections[chunk.section]
        guard plain.count == chunk.bytes.count, unsafe Self.hasZeroPadding(plain, chunk: chunk, section: section) else {
            throw SecureSumError.malformed
        }
        let output = unsafe UnsafeMutableRawBufferPointer(rebasing: packed[..<plain.count])
        switch section.elementBits {
        case .bits32(let bits):
            let elements = unsafe words.bindMemory(to: UInt32.self).prefix(chunk.elements.count)
            let buffer = unsafe UnsafeMutableBufferPointer(rebasing: elements)
            unsafe buffer.update(repeating: 0)
            unsafe BitPacking.unpackAdd(plain, bits: bits, into: buffer)
            if chunk.section == layout.checkLaneSection {
                guard unsafe buffer.allSatisfy({ $0 == 1 }) else { throw SecureSumError.malformed }
            }
            unsafe streams.apply(to: buffer, fromBlock: chunk.firstBlock)
            unsafe BitPacking.pack(UnsafeBufferPointer(buffer), bits: bits, into: output)
        case .bits64:
            // Little-endian words are their own packed form.
            unsafe output.copyMemory(from: plain)
            unsafe streams.apply(to: output.bindMemory(to: UInt64.self), fromBlock: chunk.firstBlock)
        }
        let masked = UnsafeRawBufferPointer(output)
        return try unsafe body(masked, MerkleTree.leafHash(masked))
    }

    /// Whether the bits after the last element of the chunk's last byte are zero.
    private static func hasZeroPadding(
        _ bytes: UnsafeRawBufferPointer, chunk: MaskLayout.Chunk, section: RingSection
    ) -> Bool {
        let used = chunk.elements.count % 8 * section.elementBits.ringBits % 8
        guard used > 0, let last = unsafe bytes.last else { return true }
        return last >> UInt8(used) == 0
    }
}
