// SPDX-License-Identifier: Apache-2.0
// O5: what a dealer seals to one neighbour.

package import Federation

/// The plaintext of an envelope from u to w: a secret of both ends.
///
/// Bytes: share of b_u || share of s_uv for each neighbour v above u, ascending (40 each) || s_uw (32) if u < w.
package struct EnvelopeContent: Equatable, Sendable, Unprinted {
    /// 40 bytes each; index 0 is of the dealer's self seed.
    package var shares: [[UInt8]]
    /// s_uw, where the dealer is the lower of the two.
    package var pairSeed: HeldSecret?

    package init(shares: [[UInt8]], pairSeed: HeldSecret?) {
        self.shares = shares
        self.pairSeed = pairSeed
    }

    /// Writes the plaintext into an array of exactly its length, so that no part of it is left behind by growing.
    fileprivate var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(shares.count * ShareItem.byteCount + SecretBytes.byteCount)
        for share in shares { bytes += share }
        if let pairSeed { unsafe pairSeed.secret.withBytes { unsafe bytes.append(contentsOf: $0) } }
        return bytes
    }

    /// - Throws: `.malformed` for another length; whether the shares are any, ``RoundRules/checkDeal`` looks.
    package init(bytes: [UInt8], shareCount: Int, hasPairSeed: Bool) throws(SecureSumError) {
        var reader = SecureSumReader(unlabelled: bytes, malformed: .malformed)
        shares = try reader.readEach(0..<shareCount) { (reader, _) throws(SecureSumError) in
            try reader.raw(ShareItem.byteCount)
        }
        if hasPairSeed {
            var seed = try reader.raw(SecretBytes.byteCount)
            pairSeed = HeldSecret(copying: seed)
            overwrite(&seed)
        } else {
            pairSeed = nil
        }
        try reader.end()
    }
}

/// Sealing and opening. An envelope is the encapsulated key (1 120 bytes) and the ciphertext with its tag (16).
///
/// HPKE base mode (RFC 9180) with X-Wing (0x647a), HKDF-SHA256 and AES-256-GCM; info "fl/secagg/v1 env" || context,
/// additional data u32 u || u32 w. Who sealed it is said by the header, which is signed and holds the envelope's hash.
package enum Envelope {
    /// How long an envelope with so many shares is.
    package static func byteCount(shares: Int, hasPairSeed: Bool) -> Int {
        EnvelopePublicKey.overhead + shares * ShareItem.byteCount + (hasPairSeed ? SecretBytes.byteCount : 0)
    }

    /// Seals to `holder`; sealed again, it has other bytes, so it is stored as it was sent.
    ///
    /// - Throws: `.cryptographyFailed`, also where the holder's key is none.
    package static func seal(
        _ content: EnvelopeContent, to key: EnvelopePublicKey, context: Digest, dealer: Position, holder: Position
    ) throws(SecureSumError) -> [UInt8] {
        var plaintext = content.bytes
        defer { overwrite(&plaintext) }
        return try key.seal(plaintext, info: info(context), authenticating: ends(dealer, holder))
    }

    /// - Parameters:
    ///   - shareCount: how many the dealer shares, from the graph.
    /// - Throws: `.malformed` where it does not open with this key, context and pair of sites, or holds something else.
    package static func open(
        _ envelope: [UInt8], with key: EnvelopePrivateKey, context: Digest, dealer: Position, holder: Position,
        shareCount: Int
    ) throws(SecureSumError) -> EnvelopeContent {
        guard envelope.count == byteCount(shares: shareCount, hasPairSeed: dealer < holder) else { throw .malformed }
        var plaintext = try key.open(envelope, info: info(context), authenticating: ends(dealer, holder))
        defer { overwrite(&plaintext) }
        return try EnvelopeContent(bytes: plaintext, shareCount: shareCount, hasPairSeed: dealer < holder)
    }

    private static func info(_ context: Digest) -> [UInt8] { Array("fl/secagg/v1 env".utf8) + context.bytes }

    private static func ends(_ dealer: Position, _ holder: Position) -> [UInt8] {
        var writer = ByteWriter(label: "")
        writer.position(dealer)
        writer.position(holder)
        return writer.bytes
    }
}
