// SPDX-License-Identifier: Apache-2.0
// HPKE with the X-Wing keys to which shares and seeds are sealed; one pair for each site and epoch.

import Crypto
import Foundation

/// The 1 216 bytes to which others seal.
///
/// Source: X-Wing, draft-connolly-cfrg-xwing-kem-06: an ML-KEM-768 key and an X25519 key.
package struct EnvelopePublicKey: Hashable, Sendable {
    package static let byteCount = 1_216
    package let bytes: [UInt8]

    /// Takes a key of 1 216 bytes; nil for any other count. Whether it is one, ``isUsable`` says.
    package init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }

    fileprivate init(trusted bytes: [UInt8]) { self.bytes = bytes }
}

/// A site's private key of one epoch. It is kept as its 32-byte seed and destroyed with the epoch: recorded envelopes
/// cannot be opened afterwards.
package struct EnvelopePrivateKey: Sendable, Unprinted {
    private let key: XWingMLKEM768X25519.PrivateKey

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

// MARK: Sealing

/// HPKE base mode with X-Wing (0x647a), HKDF-SHA256 (1) and AES-256-GCM (2). Source: RFC 9180 §5.1.1.
private let suite = HPKE.Ciphersuite.XWingMLKEM768X25519_SHA256_AES_GCM_256
private let encapsulatedBytes = 1_120
private let tagBytes = 16

extension EnvelopePublicKey {
    /// What sealing adds to a plaintext: the encapsulated key and the tag.
    static let overhead = encapsulatedBytes + tagBytes

    /// Whether these bytes are a key. One site that gave others would keep all its neighbours from dealing.
    package var isUsable: Bool {
        (try? XWingMLKEM768X25519.PublicKey(rawRepresentation: bytes).encapsulate()) != nil
    }

    /// The encapsulated key and the ciphertext.
    ///
    /// - Throws: `.cryptographyFailed`, also where these bytes are no key.
    func seal(
        _ plaintext: [UInt8], info: [UInt8], authenticating data: [UInt8]
    ) throws(SecureSumError) -> [UInt8] {
        do {
            var sender = try HPKE.Sender(
                recipientKey: XWingMLKEM768X25519.PublicKey(rawRepresentation: bytes), ciphersuite: suite,
                info: Data(info))
            let ciphertext = try sender.seal(plaintext, authenticating: data)
            return Array(sender.encapsulatedKey) + Array(ciphertext)
        } catch { throw .cryptographyFailed }
    }
}

extension EnvelopePrivateKey {
    /// - Throws: `.malformed` where it does not open.
    func open(
        _ sealed: [UInt8], info: [UInt8], authenticating data: [UInt8]
    ) throws(SecureSumError) -> [UInt8] {
        guard sealed.count >= EnvelopePublicKey.overhead else { throw .malformed }
        do {
            var recipient = try HPKE.Recipient(
                privateKey: key, ciphersuite: suite, info: Data(info),
                encapsulatedKey: Data(sealed.prefix(encapsulatedBytes)))
            var plaintext = try recipient.open(Data(sealed.dropFirst(encapsulatedBytes)), authenticating: data)
            defer { plaintext.resetBytes(in: plaintext.startIndex..<plaintext.endIndex) }
            return Array(plaintext)
        } catch { throw .malformed }
    }
}
