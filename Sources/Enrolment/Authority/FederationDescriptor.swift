// SPDX-License-Identifier: Apache-2.0
// What a federation is, in one hash: its name, its authority and the keys that speak for it.

package import Federation

/// The facts a party pins when it joins; the six words cover their hash.
///
/// Bytes: `fl/federation/v1` LF || LP(federation) || SHA-256(root's SubjectPublicKeyInfo) || LP(log origin) || log key ||
/// aggregator's statement key || authority's statement key || u8 rule for new members.
package struct FederationDescriptor: Hashable, Sendable {
    private static let label = "fl/federation/v1\n"

    /// Whose word lets a site appear in the roster.
    package enum NewMembers: UInt8, Sendable, CaseIterable {
        /// The operator's alone: who runs the authority can invent hospitals.
        case trustOperator = 1
        /// Vouches by members of the previous roster, or the own officer's approval.
        case vouched = 2
    }

    package let federation: String
    package let rootHash: Digest
    package let logOrigin: String
    package let logKey: StatementPublicKey
    package let aggregatorKey: StatementPublicKey
    package let authorityKey: StatementPublicKey
    package let newMembers: NewMembers

    /// - Precondition: the federation's and the origin's name are well formed.
    package init(
        federation: String, rootHash: Digest, logKey: StatementPublicKey, aggregatorKey: StatementPublicKey,
        authorityKey: StatementPublicKey, newMembers: NewMembers
    ) {
        precondition(PartyName.isFederation(federation), "a DNS-style name")
        self.federation = federation
        self.rootHash = rootHash
        logOrigin = "\(federation)/log"
        self.logKey = logKey
        self.aggregatorKey = aggregatorKey
        self.authorityKey = authorityKey
        self.newMembers = newMembers
    }

    package init(bytes: [UInt8]) throws(EnrolmentError) {
        var reader = try EnrolmentReader(bytes, label: Self.label)
        federation = try reader.name()
        rootHash = try reader.digest()
        logOrigin = String(decoding: try reader.prefixed(), as: UTF8.self)
        guard logOrigin == "\(federation)/log" else { throw .malformed }
        logKey = try reader.key()
        aggregatorKey = try reader.key()
        authorityKey = try reader.key()
        guard let rule = NewMembers(rawValue: try reader.byte()) else { throw .malformed }
        newMembers = rule
        try reader.end()
    }

    package var bytes: [UInt8] {
        var writer = ByteWriter(label: Self.label)
        writer.prefixed(federation)
        writer.raw(rootHash.bytes)
        writer.prefixed(logOrigin)
        writer.raw(logKey.bytes + aggregatorKey.bytes + authorityKey.bytes)
        writer.byte(newMembers.rawValue)
        return writer.bytes
    }

    package var hash: Digest { Digest(of: bytes, domain: "") }

    /// What the aggregator's certificate binds: statement key and log key.
    package var aggregatorKeys: PartyKeys { PartyKeys(statement: aggregatorKey, witness: logKey) }
}
