// SPDX-License-Identifier: Apache-2.0
// O8: what a site says about its masked vector.

package import Federation

/// A site's signed statement of the vector that it uploads (O8). One for each context.
///
/// Bytes: `fl/secagg/v1 input` LF || context || manifest hash || u32 site || u64 entries || Merkle root || signature.
package struct InputStatement: SignedObject {
    private static let label = "fl/secagg/v1 input\n"

    package var context: Digest
    package var manifest: Digest
    package var site: Position
    /// Elements of the vector, all sections together.
    package var entries: UInt64
    /// Merkle root over the vector's chunks.
    package var root: Digest
    package var signature: [UInt8]

    package init(
        context: Digest, manifest: Digest, site: Position, entries: UInt64, root: Digest, signedBy key: StatementKey
    ) throws(SecureSumError) {
        self.context = context
        self.manifest = manifest
        self.site = site
        self.entries = entries
        self.root = root
        signature = []
        self = try signed(by: key)
    }

    /// SHA-256 of all bytes, the signature included: what a receipt names.
    package var hash: Digest { sha256(bytes) }

    package var signedBytes: [UInt8] {
        var writer = ByteWriter(label: Self.label)
        writer.digest(context)
        writer.digest(manifest)
        writer.position(site)
        writer.integer(entries)
        writer.digest(root)
        return writer.bytes
    }

    /// - Throws: `.malformed`.
    package init(bytes: [UInt8]) throws(SecureSumError) {
        var reader = try SecureSumReader(bytes, label: Self.label)
        context = try reader.digest()
        manifest = try reader.digest()
        site = try reader.position()
        entries = try reader.integer()
        root = try reader.digest()
        signature = try reader.signature()
        try reader.end()
    }
}
