// SPDX-License-Identifier: Apache-2.0
// O4: what a dealer binds itself to before anybody sees a masked value.

package import Federation

/// A dealer's signed commitments to its seeds, envelopes and shares (O4).
///
/// Bytes: `fl/secagg/v1 header` LF || context || u32 dealer || u32 k, the number of neighbours || H(b_u) || H(s_uw) for
/// each neighbour w above the dealer || SHA-256 of the envelope to each neighbour || share root for each member of N[u],
/// the dealer among them || signature; each list ascending by position.
package struct DealHeader: SignedObject {
    private static let label = "fl/secagg/v1 header\n"

    package var context: Digest
    package var dealer: Position
    /// H(b_u).
    package var selfCommitment: Digest
    /// H(s_uw) for the neighbours w above the dealer, ascending.
    package var pairCommitments: [Digest]
    /// SHA-256 of the envelope to each neighbour, ascending.
    package var envelopeHashes: [Digest]
    /// Root over the share items sealed to each member of N[u], the dealer among them, ascending.
    package var shareRoots: [Digest]
    package var signature: [UInt8]

    package init(
        context: Digest, dealer: Position, selfCommitment: Digest, pairCommitments: [Digest], envelopeHashes: [Digest],
        shareRoots: [Digest], signedBy key: StatementKey
    ) throws(SecureSumError) {
        self.context = context
        self.dealer = dealer
        self.selfCommitment = selfCommitment
        self.pairCommitments = pairCommitments
        self.envelopeHashes = envelopeHashes
        self.shareRoots = shareRoots
        signature = []
        self = try signed(by: key)
    }

    /// SHA-256 of all bytes, the signature included: what acknowledgements and the manifest name.
    package var hash: Digest { sha256(bytes) }

    package var signedBytes: [UInt8] {
        var writer = ByteWriter(label: Self.label)
        writer.digest(context)
        writer.position(dealer)
        writer.integer(UInt32(envelopeHashes.count))
        writer.digest(selfCommitment)
        writer.digests(pairCommitments + envelopeHashes + shareRoots)
        return writer.bytes
    }

    /// Reads a header by itself. How many neighbours lie above the dealer follows from the length; whether that is
    /// right, only the graph tells (``DealCheck``).
    ///
    /// - Throws: `.malformed`.
    package init(bytes: [UInt8]) throws(SecureSumError) {
        var reader = try SecureSumReader(bytes, label: Self.label)
        context = try reader.digest()
        dealer = try reader.position()
        let neighbours = Int(try reader.integer(UInt32.self))
        guard (2..<SumParameters.mostSites).contains(neighbours) else { throw .malformed }
        selfCommitment = try reader.digest()
        let listed = reader.count - Signature.byteCount - 32 * (2 * neighbours + 1)
        guard listed >= 0, listed % 32 == 0, listed / 32 <= neighbours else { throw .malformed }
        pairCommitments = try reader.digests(listed / 32)
        envelopeHashes = try reader.digests(neighbours)
        shareRoots = try reader.digests(neighbours + 1)
        signature = try reader.signature()
        try reader.end()
    }
}
