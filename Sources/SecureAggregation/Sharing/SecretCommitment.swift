// SPDX-License-Identifier: Apache-2.0
// What a dealer publishes of a secret, made without leaving a copy of it.

package import Federation

extension Digest {
    /// H(x) of a secret that stays one; see ``commitment(to:context:)`` for bytes.
    package static func commitment(to secret: borrowing SecretBytes, context: Digest) -> Digest {
        var hash = BlobHasher()
        for part in [Array("fl/secagg/v1 commit".utf8), context.bytes] {
            unsafe part.withUnsafeBytes { unsafe hash.update($0) }
        }
        unsafe secret.withBytes { unsafe hash.update($0) }
        return hash.finish()
    }
}
