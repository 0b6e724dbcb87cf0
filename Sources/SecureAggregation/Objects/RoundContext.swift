// SPDX-License-Identifier: Apache-2.0
// O2 and the inputs of O3: what a round is bound to.

package import Federation

extension Digest {
    /// The context of one attempt at one round (O2), in every mask key, envelope and signature of it.
    ///
    /// SHA-256("fl/secagg/v1 context" || roster hash || model hash || task hash || u64 round). Two parties that hold
    /// different rosters, inputs or tasks have different contexts, and nothing of one means anything in the other.
    package static func roundContext(roster: Digest, inputs: Digest, task: Digest, round: UInt64) -> Digest {
        var writer = ByteWriter(label: "fl/secagg/v1 context")
        writer.digests([roster, inputs, task])
        writer.integer(round)
        return sha256(writer.bytes)
    }
}

/// All bytes that a site receives and uses in a round (O3): the model, and whatever else changes what it computes.
///
/// Bytes: `fl/secagg/v1 inputs` LF || u32 count || count × (LP(name) || u64 length || SHA-256 of the bytes), ascending by
/// the bytes of the name. Their hash is the model hash of the context: a blob outside of it could be given to each site
/// in another form, so that only one site's update survives in the sum.
package struct InputBlobs: Hashable, Sendable {
    private static let label = "fl/secagg/v1 inputs\n"
    package static let mostBlobs = 64
    package static let longestName = 64

    package struct Blob: Hashable, Sendable {
        /// 1 to 64 printable ASCII characters.
        package var name: String
        package var byteCount: UInt64
        /// SHA-256 of its bytes.
        package var content: Digest

        package init(name: String, byteCount: UInt64, content: Digest) {
            self.name = name
            self.byteCount = byteCount
            self.content = content
        }
    }

    /// Ascending by name.
    package let blobs: [Blob]

    /// - Throws: `.malformed` for a name that is repeated or no name, and for more than ``mostBlobs``.
    package init(_ blobs: [Blob]) throws(SecureSumError) {
        try self.init(ascending: blobs.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) })
    }

    private init(ascending blobs: [Blob]) throws(SecureSumError) {
        guard blobs.count <= Self.mostBlobs else { throw .malformed }
        for blob in blobs {
            guard (1...Self.longestName).contains(blob.name.utf8.count),
                blob.name.utf8.allSatisfy({ (0x20...0x7e).contains($0) })
            else { throw .malformed }
        }
        for (blob, next) in zip(blobs, blobs.dropFirst()) {
            guard blob.name.utf8.lexicographicallyPrecedes(next.name.utf8) else { throw .malformed }
        }
        self.blobs = blobs
    }

    /// The model hash of the context.
    package var hash: Digest { sha256(bytes) }

    package func blob(named name: String) -> Blob? { blobs.first { $0.name == name } }

    package var bytes: [UInt8] {
        var writer = ByteWriter(label: Self.label)
        writer.integer(UInt32(blobs.count))
        for blob in blobs {
            writer.prefixed(blob.name)
            writer.integer(blob.byteCount)
            writer.digest(blob.content)
        }
        return writer.bytes
    }

    /// - Throws: `.malformed`.
    package init(bytes: [UInt8]) throws(SecureSumError) {
        var reader = try SecureSumReader(bytes, label: Self.label)
        let count = Int(try reader.integer(UInt32.self))
        guard count <= Self.mostBlobs else { throw .malformed }
        let blobs = try reader.readEach(0..<count) { (reader, _) throws(SecureSumError) in
            Blob(
                name: String(decoding: try reader.prefixed(), as: UTF8.self), byteCount: try reader.integer(),
                content: try reader.digest())
        }
        try reader.end()
        try self.init(ascending: blobs)
    }
}
