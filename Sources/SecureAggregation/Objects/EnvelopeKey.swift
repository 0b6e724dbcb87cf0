// SPDX-License-Identifier: Apache-2.0
// The X-Wing keys with which shares and seeds are sealed; one pair for each site and epoch.

import Crypto
import Foundation

/// The 1 216 bytes to which others seal.
///
/// Source: X-Wing, draft-connolly-cfrg-xwing-kem-06: an ML-KEM-768 key and an X25519 key.
package struct EnvelopePublicKey: Hashable, Sendable {
    package static let byteCount = 1_216
    package let bytes: [UInt8]

    /// Takes a key of 1 216 bytes; nil for any other count. Whether it is one, sealing shows.
    package init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }

    fileprivate init(trusted bytes: [UInt8]) { self.bytes = bytes }
}

/// A site's private key of one epoch. It is kept as its 32-byte seed and destroyed with the epoch: recorded envelopes
/// cannot be opened afterwards.
package struct EnvelopePrivateKey: Sendable {
    let key: XWingMLKEM768X25519.PrivateKey

    /// A new one, from the system's generator.
    ///
    /// - Throws: `.cryptographyFailed`.
    package init() throws(SecureSumError) {
        do { key = try XWingMLKEM768X25519.PrivateKey() } catch { throw .cryptographyFailed }
    }

    /// The one that was kept.
    ///
    /// - Throws: `.malformed` unless it is 32 bytes.
    package init(seed: [UInt8]) throws(SecureSumError) {
        guard seed.count == 32 else { throw .malformed }
        do {
            key = try XWingMLKEM768X25519.PrivateKey(seedRepresentation: seed, publicKey: nil)
        } catch { throw .malformed }
    }

    /// 32 bytes, a secret.
    package var seed: [UInt8] { Array(key.seedRepresentation) }

    package var publicKey: EnvelopePublicKey { EnvelopePublicKey(trusted: Array(key.publicKey.rawRepresentation)) }
}
