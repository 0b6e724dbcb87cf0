// SPDX-License-Identifier: Apache-2.0
// What a party sends to join: its certificate request and public keys, with three proofs.

package import Federation

/// A request to join with a token.
///
/// Bytes: `fl/enrol/v1 request` LF || token id (8) || LP(name) || LP(certificate request, DER) || statement key (32) ||
/// witness key (32) || nonce (32) || MAC (32) || signature by the statement key (64) || signature by the witness key (64).
///
/// MAC and signatures are over `fl/enrol/v1 request` LF || token id || LP(name) || SHA-256(certificate request) ||
/// statement key || witness key || SHA-256(server's SubjectPublicKeyInfo) || nonce. The server's key stands in for a
/// channel binding: a request that somebody else relays does not fit.
package struct EnrolmentRequest: Hashable, Sendable {
    static let label = "fl/enrol/v1 request\n"

    package let tokenID: [UInt8]
    package let party: SiteID
    /// PKCS#10 in DER.
    package let certificateRequest: [UInt8]
    package let keys: PartyKeys
    package let nonce: [UInt8]
    package let proof: [UInt8]
    package let statementSignature: [UInt8]
    package let witnessSignature: [UInt8]

    /// Makes a request.
    ///
    /// - Parameters:
    ///   - serverKeyHash: SHA-256 of the SubjectPublicKeyInfo of the server's verified certificate.
    ///   - nonce: 32 fresh random bytes.
    /// - Throws: what the signing library throws.
    package init(
        token: JoinToken, certificateRequest: [UInt8], statementKey: StatementKey, witnessKey: StatementKey,
        serverKeyHash: [UInt8], nonce: [UInt8]
    ) throws {
        precondition(nonce.count == 32, "a nonce of 32 bytes")
        tokenID = token.id
        party = token.party
        self.certificateRequest = certificateRequest
        keys = PartyKeys(statement: statementKey.publicKey, witness: witnessKey.publicKey)
        self.nonce = nonce
        let message = Self.message(
            tokenID: tokenID, party: party, certificateRequest: certificateRequest, keys: keys,
            serverKeyHash: serverKeyHash, nonce: nonce)
        proof = EnrolmentProof.code(for: message, key: token.proofKey)
        statementSignature = try statementKey.sign(message, domain: "")
        witnessSignature = try witnessKey.sign(message, domain: "")
    }

    /// Reads a request; nothing is verified.
    package init(bytes: [UInt8]) throws(EnrolmentError) {
        var reader = try EnrolmentReader(bytes, label: Self.label)
        tokenID = try reader.raw(JoinToken.idByteCount)
        guard let party = SiteID(try reader.name()) else { throw .malformed }
        self.party = party
        certificateRequest = try reader.prefixed()
        keys = PartyKeys(statement: try reader.key(), witness: try reader.key())
        nonce = try reader.raw(32)
        proof = try reader.raw(32)
        statementSignature = try reader.raw(64)
        witnessSignature = try reader.raw(64)
        try reader.end()
    }

    package var bytes: [UInt8] {
        var writer = ByteWriter(label: Self.label)
        writer.raw(tokenID)
        writer.prefixed(party.rawValue)
        writer.prefixed(certificateRequest)
        writer.raw(keys.statement.bytes + keys.witness.bytes + nonce + proof + statementSignature + witnessSignature)
        return writer.bytes
    }

    /// What MAC and signatures cover.
    package func message(serverKeyHash: [UInt8]) -> [UInt8] {
        Self.message(
            tokenID: tokenID, party: party, certificateRequest: certificateRequest, keys: keys,
            serverKeyHash: serverKeyHash, nonce: nonce)
    }

    /// Says the same for every repetition of one request, which differ in nonce and server's key only.
    package var identity: Digest {
        Digest(
            of: Self.message(
                tokenID: tokenID, party: party, certificateRequest: certificateRequest, keys: keys,
                serverKeyHash: [], nonce: []), domain: "")
    }

    private static func message(
        tokenID: [UInt8], party: SiteID, certificateRequest: [UInt8], keys: PartyKeys, serverKeyHash: [UInt8],
        nonce: [UInt8]
    ) -> [UInt8] {
        var writer = ByteWriter(label: label)
        writer.raw(tokenID)
        writer.prefixed(party.rawValue)
        writer.raw(Digest(of: certificateRequest, domain: "").bytes)
        writer.raw(keys.statement.bytes + keys.witness.bytes + serverKeyHash + nonce)
        return writer.bytes
    }

    /// Whether the sender holds the token's secret; constant time.
    func isProved(by key: [UInt8], serverKeyHash: [UInt8]) -> Bool {
        EnrolmentProof.isCode(proof, for: message(serverKeyHash: serverKeyHash), key: key)
    }

    /// Whether the sender holds both Ed25519 keys.
    func holdsKeys(serverKeyHash: [UInt8]) -> Bool {
        let message = message(serverKeyHash: serverKeyHash)
        return keys.statement.verifies(statementSignature, of: message, domain: "")
            && keys.witness.verifies(witnessSignature, of: message, domain: "")
    }
}
