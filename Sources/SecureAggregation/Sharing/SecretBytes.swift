// SPDX-License-Identifier: Apache-2.0
// 32 bytes that must not outlive their use: roots, seeds and the keys made from them.

import Crypto
package import Federation
package import Randomness

/// A 32-byte secret with one owner, wiped when the owner lets it go.
///
/// The bytes lie in a key of swift-crypto, whose storage is overwritten before it is freed; moving the value moves a
/// reference and leaves no bytes behind. Nobody can print or compare it.
/// Privacy: ``exposedBytes()`` is the one way to a copy that nobody wipes.
package struct SecretBytes: ~Copyable, Sendable {
    package static let byteCount = 32

    fileprivate let key: SymmetricKey

    fileprivate init(_ key: SymmetricKey) { self.key = key }

    /// Takes a copy of 32 bytes. The caller's own stay the caller's to wipe.
    ///
    /// - Precondition: there are 32.
    package init(copying bytes: [UInt8]) {
        precondition(bytes.count == Self.byteCount, "a secret has 32 bytes")
        self.init(SymmetricKey(data: bytes))
    }

    /// Lets `fill` write the 32 bytes into memory that is wiped when it returns.
    package init<Failure: Error>(
        filledBy fill: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        var bytes: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        let key = try unsafe withUnsafeMutableBytes(of: &bytes) { (bytes) throws(Failure) in
            defer { unsafe bytes.wipe() }
            try unsafe fill(bytes)
            return unsafe SymmetricKey(data: UnsafeRawBufferPointer(bytes))
        }
        self.init(key)
    }

    /// Draws a secret.
    package static func random(from source: RandomSource) -> SecretBytes {
        unsafe SecretBytes { bytes in unsafe source.fill(bytes) }
    }

    /// Lends the bytes.
    package borrowing func withBytes<Value: ~Copyable, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        // The key rethrows untyped; the outcome carries the type past it.
        var outcome: Result<Value, Failure>?
        unsafe key.withUnsafeBytes { bytes in
            do throws(Failure) { outcome = .success(try unsafe body(bytes)) } catch { outcome = .failure(error) }
        }
        guard let outcome = consume outcome else { preconditionFailure("the key lends its bytes once") }
        return try outcome.get()
    }

    /// A copy that nobody wipes: for tests, and for secrets that are public from now on.
    package borrowing func exposedBytes() -> [UInt8] {
        unsafe withBytes { unsafe Array($0) }
    }

    /// A second secret with the same bytes.
    package borrowing func copy() -> SecretBytes { SecretBytes(key) }

    /// HKDF-SHA256(ikm = this, salt = context, info, 32 bytes).
    ///
    /// Source: RFC 5869.
    package borrowing func derived(context: Federation.Digest, info: [UInt8]) -> SecretBytes {
        SecretBytes(
            HKDF<SHA256>.deriveKey(
                inputKeyMaterial: key, salt: context.bytes, info: info, outputByteCount: Self.byteCount))
    }

    /// The AES-256-CTR stream of which this is the key.
    ///
    /// - Throws: `.cryptographyFailed`.
    package borrowing func keyedStream() throws(SecureSumError) -> KeyedStream {
        do throws(RandomnessError) {
            return try unsafe withBytes { (bytes) throws(RandomnessError) in try unsafe KeyedStream(key: bytes) }
        } catch { throw .cryptographyFailed }
    }
}

/// Secret bytes, 32 or any other number, where a collection or a value that is copied holds them; wiped when the last copy
/// is gone.
package struct HeldSecret: Equatable, Sendable, Unprinted {
    private let key: SymmetricKey

    /// A second reference to a secret's bytes.
    package init(_ secret: borrowing SecretBytes) { key = secret.key }

    /// Takes a copy of the bytes. The caller's own stay the caller's to wipe.
    package init(copying bytes: [UInt8]) { key = SymmetricKey(data: bytes) }

    /// - Precondition: there are 32 bytes.
    package var secret: SecretBytes {
        precondition(key.bitCount == 8 * SecretBytes.byteCount, "a secret has 32 bytes")
        return SecretBytes(key)
    }

    /// A copy that nobody wipes.
    package func exposedBytes() -> [UInt8] { unsafe key.withUnsafeBytes { unsafe Array($0) } }
}

/// Overwrites bytes that nobody else refers to; a copy that somebody holds stays as it is.
func overwrite(_ bytes: inout [UInt8]) {
    unsafe bytes.withUnsafeMutableBytes { unsafe $0.wipe() }
}
