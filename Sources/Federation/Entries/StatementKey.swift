// SPDX-License-Identifier: Apache-2.0
// Ed25519 keys with which a party signs what it says: entries, requests, decisions.

import Crypto

/// A party's private statement key. Made at the party, kept in a file of its own, sent to nobody.
///
/// Source: RFC 8032, Ed25519 without pre-hashing and context; domains are prefixes of the message.
package struct StatementKey: Sendable {
    private let key: Curve25519.Signing.PrivateKey

    /// Takes the 32-byte seed of RFC 8032 §5.1.5; `nil` for any other count.
    package init?(seed: [UInt8]) {
        guard let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: seed) else { return nil }
        self.key = key
    }

    package var publicKey: StatementPublicKey { StatementPublicKey(trusted: Array(key.publicKey.rawRepresentation)) }

    /// The 64-byte signature over `domain` and `message`.
    package func sign(_ message: [UInt8], domain: String) throws -> [UInt8] {
        Array(try key.signature(for: Array(domain.utf8) + message))
    }
}

/// The 32 bytes by which others check what a party signed.
package struct StatementPublicKey: Hashable, Sendable {
    package let bytes: [UInt8]

    /// Takes a key of 32 bytes; `nil` for any other count.
    package init?(bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        self.bytes = bytes
    }

    fileprivate init(trusted bytes: [UInt8]) { self.bytes = bytes }

    /// Whether `signature` is this party's over `domain` and `message`.
    package func verifies(_ signature: [UInt8], of message: [UInt8], domain: String) -> Bool {
        guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: bytes) else { return false }
        return key.isValidSignature(signature, for: Array(domain.utf8) + message)
    }
}
