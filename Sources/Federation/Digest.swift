// SPDX-License-Identifier: Apache-2.0
// SHA-256 digests as values: the names of studies, tasks, models and data sets.

import Crypto

/// A SHA-256 digest, 32 bytes.
package struct Digest: Hashable, Sendable, CustomStringConvertible {
    package let bytes: [UInt8]

    /// Takes 32 bytes as they are; `nil` for any other count.
    package init?(bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        self.bytes = bytes
    }

    /// Hashes `content`, prefixed by a `domain` that keeps the hashes of different kinds of things apart.
    package init(of content: some Sequence<UInt8>, domain: String) {
        var hash = SHA256()
        hash.update(data: Array(domain.utf8))
        hash.update(data: Array(content))
        bytes = Array(hash.finalize())
    }

    /// Reads 64 lower-case hexadecimal digits; `nil` for anything else.
    package init?(hex: String) {
        guard let bytes = [UInt8](hex: hex) else { return nil }
        self.init(bytes: bytes)
    }

    package var hex: String { bytes.hex }

    /// The first twelve digits, for screens and log lines.
    package var short: String { String(hex.prefix(12)) }

    package var description: String { hex }
}

/// Hashes a file or stream piece by piece, without a domain: the name of a blob is the SHA-256 of its bytes.
package struct BlobHasher: Sendable {
    private var hash = SHA256()

    package init() {}

    package mutating func update(_ bytes: UnsafeRawBufferPointer) { unsafe hash.update(bufferPointer: bytes) }

    package func finish() -> Digest {
        // SHA-256 always yields 32 bytes.
        Digest(bytes: Array(hash.finalize())) ?? Digest(of: [], domain: "")
    }
}
