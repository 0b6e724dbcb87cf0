// SPDX-License-Identifier: Apache-2.0
// The keys that are no longer welcome, in a numbered list signed by the authority.

package import Federation

/// A signed deny list.
///
/// Bytes: `fl/deny/v1` LF || LP(federation) || u64 number || u64 seconds || u32 n || n × (SHA-256 of a
/// SubjectPublicKeyInfo || u8 role || LP(name) || u64 seconds of denial), ascending by hash || signature by the
/// authority's statement key over all bytes before it (64). A key once in the list stays there.
package struct DenyList: Hashable, Sendable {
    private static let label = "fl/deny/v1\n"
    static let largestCount = 100_000

    /// One denied key.
    package struct Denial: Hashable, Sendable {
        package var publicKeyHash: Digest
        package var party: PartyName
        /// Seconds since 1970.
        package var since: Int64

        package init(publicKeyHash: Digest, party: PartyName, since: Int64) {
            self.publicKeyHash = publicKeyHash
            self.party = party
            self.since = since
        }
    }

    package let federation: String
    /// 0 for the empty list that a federation begins with.
    package let number: UInt64
    package let issued: Int64
    package let denials: [Denial]
    package let signature: [UInt8]

    package init(
        federation: String, number: UInt64, issued: Int64, denials: [Denial], signedBy key: StatementKey
    ) throws {
        self.federation = federation
        self.number = number
        self.issued = issued
        self.denials = denials.sorted { $0.publicKeyHash.bytes.lexicographicallyPrecedes($1.publicKeyHash.bytes) }
        signature = try key.sign(Self.message(federation, number, issued, self.denials), domain: "")
    }

    package init(bytes: [UInt8]) throws(EnrolmentError) {
        var reader = try EnrolmentReader(bytes, label: Self.label)
        federation = try reader.name()
        number = try reader.integer()
        issued = try reader.seconds()
        let count = Int(try reader.integer(UInt32.self))
        guard count <= Self.largestCount else { throw .malformed }
        var denials: [Denial] = []
        for _ in 0..<count {
            let hash = try reader.digest()
            guard let role = PartyRole(code: try reader.byte()), let id = SiteID(try reader.name()) else {
                throw .malformed
            }
            if let last = denials.last, !last.publicKeyHash.bytes.lexicographicallyPrecedes(hash.bytes) {
                throw .malformed
            }
            denials.append(Denial(publicKeyHash: hash, party: PartyName(role, id), since: try reader.seconds()))
        }
        self.denials = denials
        signature = try reader.raw(64)
        try reader.end()
    }

    package var bytes: [UInt8] { Self.message(federation, number, issued, denials) + signature }

    /// SHA-256 of all bytes, the signature included.
    package var hash: Digest { Digest(of: bytes, domain: "") }

    package func isSigned(by key: StatementPublicKey) -> Bool {
        key.verifies(signature, of: Self.message(federation, number, issued, denials), domain: "")
    }

    package func denies(_ publicKeyHash: Digest) -> Bool { denials.contains { $0.publicKeyHash == publicKeyHash } }

    private static func message(_ federation: String, _ number: UInt64, _ issued: Int64, _ denials: [Denial]) -> [UInt8]
    {
        var writer = ByteWriter(label: label)
        writer.prefixed(federation)
        writer.integer(number)
        writer.integer(UInt64(issued))
        writer.integer(UInt32(denials.count))
        for denial in denials {
            writer.raw(denial.publicKeyHash.bytes)
            writer.byte(denial.party.role.code)
            writer.prefixed(denial.party.id.rawValue)
            writer.integer(UInt64(denial.since))
        }
        return writer.bytes
    }
}

extension EnrolmentReader {
    /// Seconds since 1970 in a u64.
    mutating func seconds() throws(EnrolmentError) -> Int64 {
        guard let seconds = Int64(exactly: try integer(UInt64.self)) else { throw .malformed }
        return seconds
    }
}
