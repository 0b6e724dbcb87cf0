// SPDX-License-Identifier: Apache-2.0
// A site's masked vector and its Merkle root, from the plain vector's bytes in order.

package import Federation
import Randomness
import TransparencyLog

/// Masks a plain packed vector that comes piece by piece, with one chunk in memory.
///
/// The plain bytes are those that ``RingWriter`` and ``RingVector`` write, the check lanes included. A site runs it twice
/// over what it has stored: once for the root that it signs, once to send; both give the same bytes.
/// Memory safety: `@safe` because the buffer never leaves this value and dies with its only owner.
@safe
package struct MaskedInput: ~Copyable {
    private var masker: ChunkMasker
    /// The chunk that is coming in.
    private let pending: UnsafeMutableRawBufferPointer
    private var pendingBytes = 0
    private var nextChunk = 0
    private var tree = MerkleRoot()

    /// - Throws: `.cryptographyFailed`.
    package init(layout: MaskLayout, masks: SiteMasks) throws(SecureSumError) {
        masker = try ChunkMasker(layout: layout, masks: masks)
        unsafe pending = .allocate(byteCount: layout.chunks.map(\.bytes.count).max() ?? 0, alignment: 64)
    }

    deinit {
        unsafe pending.wipe()
        unsafe pending.deallocate()
    }

    /// Takes the next plain bytes, cut anywhere, and hands every chunk that they complete to `sink`, masked and packed; its
    /// bytes are gone when `sink` returns.
    ///
    /// - Throws: `SecureSumError.malformed` for bytes past the end and as ``ChunkMasker`` does; what `sink` throws. After
    ///   an error this value is of no more use.
    package mutating func append(
        plain: UnsafeRawBufferPointer, to sink: (MaskLayout.Chunk, UnsafeRawBufferPointer) throws -> Void
    ) throws {
        let chunks = masker.layout.chunks
        var offset = 0
        while offset < plain.count {
            guard nextChunk < chunks.count else { throw SecureSumError.malformed }
            let chunk = chunks[nextChunk]
            let taken = min(chunk.bytes.count - pendingBytes, plain.count - offset)
            unsafe UnsafeMutableRawBufferPointer(rebasing: pending[pendingBytes..<pendingBytes + taken])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: plain[offset..<offset + taken]))
            offset += taken
            pendingBytes += taken
            guard pendingBytes == chunk.bytes.count else { continue }
            let whole = unsafe UnsafeRawBufferPointer(rebasing: pending[..<pendingBytes])
            let leaf = try unsafe masker.mask(chunk, plain: whole) { masked, leaf in
                try unsafe sink(chunk, masked)
                return leaf
            }
            tree.append(leaf)
            nextChunk += 1
            pendingBytes = 0
        }
    }

    /// The Merkle root over all chunks.
    ///
    /// - Throws: `.malformed` while bytes are missing.
    package consuming func finish() throws(SecureSumError) -> Digest {
        guard nextChunk == masker.layout.chunks.count else { throw .malformed }
        return tree.root
    }
}
