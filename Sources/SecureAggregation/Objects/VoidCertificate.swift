// SPDX-License-Identifier: Apache-2.0
// O10: the promise of a quorum that nothing of a context will be unmasked.

package import Federation

/// The promise of a quorum never to release shares nor to sign a set in a context (O10).
///
/// Bytes: `fl/secagg/v1 void` LF || context || u32 count || count × (u32 position, signature over label and context),
/// ascending.
package struct VoidCertificate: Hashable, Sendable {
    private static let label = "fl/secagg/v1 void\n"

    package var context: Digest
    /// Ascending.
    package var signatures: [PositionSignature]

    package init(context: Digest, signatures: [PositionSignature]) {
        self.context = context
        self.signatures = signatures
    }

    /// The bytes that each site signs.
    package static func statement(_ context: Digest) -> [UInt8] { Array(label.utf8) + context.bytes }

    package var bytes: [UInt8] {
        var writer = ByteWriter(label: "")
        writer.raw(Self.statement(context))
        writer.positionSignatures(signatures)
        return writer.bytes
    }

    /// - Throws: `.malformed`.
    package init(bytes: [UInt8], rosterCount: Int) throws(SecureSumError) {
        var reader = try SecureSumReader(bytes, label: Self.label)
        context = try reader.digest()
        signatures = try reader.positionSignatures(rosterCount: rosterCount)
        try reader.end()
    }
}
