// SPDX-License-Identifier: Apache-2.0
// The AES-256-CTR keystream behind masks, privacy noise and stochastic rounding.

import CLibcrypto

/// The endless pseudorandom byte stream of one 32-byte key, readable from any 16-byte block.
///
/// Block i is AES-256(key, i as a 16-byte big-endian number): AES-256-CTR over zero bytes. Bytes come straight into the
/// caller's buffer from the system's libcrypto, which has the widest vector code and the distribution's patches
/// (design note: swift-crypto's CTR allocates its output on every call).
///
/// The key lives only inside the cipher context, as its key schedule; `deinit` frees the context and libcrypto wipes it
/// first. The array a caller builds the stream from stays the caller's to wipe.
/// Not copyable, so that there is one owner who decides when the key dies. Not `Sendable`: one owner at a time uses it.
///
/// Memory safety: `@safe` because the context pointer never leaves this type and dies with its only owner.
/// Source: NIST SP 800-38A, section 6.5; the mask stream of `protocol/vectors/secagg/secagg.json`, rule `prg`.
@safe
package struct KeyedStream: ~Copyable {
    /// Bytes of one block.
    package static let blockBytes = 16
    /// Bytes of a key.
    package static let keyBytes = 32

    /// Small enough that zeroing a piece leaves it in the first-level cache for the cipher.
    private static let pieceBytes = 16_384

    /// Owned by this value from `init` to `deinit`.
    private let context: OpaquePointer

    /// Starts the stream of a key.
    ///
    /// - Precondition: `key` has 32 bytes.
    /// - Throws: ``RandomnessError/cipherUnavailable`` if libcrypto cannot set up AES-256-CTR.
    package init(key: [UInt8]) throws(RandomnessError) {
        unsafe context = try unsafe key.withUnsafeBufferPointer { (key) throws(RandomnessError) in
            try unsafe Self.context(key: UnsafeRawBufferPointer(key))
        }
    }

    /// Starts the stream of a key that is lent.
    ///
    /// - Precondition: `key` has 32 bytes.
    /// - Throws: ``RandomnessError/cipherUnavailable`` if libcrypto cannot set up AES-256-CTR.
    package init(key: UnsafeRawBufferPointer) throws(RandomnessError) {
        unsafe context = try unsafe Self.context(key: key)
    }

    private static func context(key: UnsafeRawBufferPointer) throws(RandomnessError) -> OpaquePointer {
        precondition(key.count == keyBytes, "a keyed stream needs a key of 32 bytes")
        guard let context = unsafe EVP_CIPHER_CTX_new() else { throw .cipherUnavailable }
        let bytes = unsafe key.baseAddress?.assumingMemoryBound(to: UInt8.self)
        guard unsafe EVP_EncryptInit_ex(context, EVP_aes_256_ctr(), nil, bytes, nil) == 1 else {
            unsafe EVP_CIPHER_CTX_free(context)
            throw .cipherUnavailable
        }
        return unsafe context
    }

    deinit {
        unsafe EVP_CIPHER_CTX_free(context)
    }

    /// Writes the keystream from the start of block `fromBlock` over the whole buffer.
    ///
    /// The last block may be cut short; the counter wraps at 2⁶⁴ into the upper half of the 128-bit number as AES-CTR
    /// demands, so a buffer that crosses it is still right.
    ///
    /// - Complexity: O(bytes), no allocation.
    package mutating func fill(_ buffer: UnsafeMutableRawBufferPointer, fromBlock: UInt64) {
        guard let base = buffer.baseAddress else { return }
        restart(atBlock: fromBlock)
        var offset = 0
        while offset < buffer.count {
            let count = min(Self.pieceBytes, buffer.count - offset)
            let piece = unsafe (base + offset).bindMemory(to: UInt8.self, capacity: count)
            unsafe piece.update(repeating: 0, count: count)
            var written: Int32 = 0
            let status = unsafe EVP_EncryptUpdate(context, piece, &written, piece, Int32(count))
            precondition(status == 1 && Int(written) == count, "AES-256-CTR does not fail once it is set up")
            offset += count
        }
    }

    /// Writes the keystream from the start of block `fromBlock` over the buffer by encrypting zeros that are lent: for many
    /// small buffers, which would otherwise be zeroed again and again.
    ///
    /// - Precondition: `zeros` is at least as long as the buffer, holds zeros only, and both are below 2³¹ bytes.
    package mutating func fill(
        _ buffer: UnsafeMutableRawBufferPointer, fromBlock: UInt64, encrypting zeros: UnsafeRawBufferPointer
    ) {
        precondition(zeros.count >= buffer.count, "a zero for each byte of the keystream")
        guard let output = buffer.baseAddress, let input = zeros.baseAddress else { return }
        restart(atBlock: fromBlock)
        var written: Int32 = 0
        let status = unsafe EVP_EncryptUpdate(
            context, output.assumingMemoryBound(to: UInt8.self), &written,
            input.assumingMemoryBound(to: UInt8.self), Int32(buffer.count))
        precondition(status == 1 && Int(written) == buffer.count, "AES-256-CTR does not fail once it is set up")
    }

    /// Sets the counter without touching the key schedule.
    private mutating func restart(atBlock block: UInt64) {
        var counter: (UInt64, UInt64) = (0, block.bigEndian)
        let status = unsafe withUnsafeBytes(of: &counter) { bytes in
            unsafe EVP_EncryptInit_ex(
                context, nil, nil, nil, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
        }
        precondition(status == 1, "AES-256-CTR does not fail once it is set up")
    }
}
