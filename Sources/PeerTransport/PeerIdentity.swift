// SPDX-License-Identifier: Apache-2.0
// Who the peer is, as its verified certificate says.

/// What a verified certificate says about its holder.
package struct PeerIdentity: Sendable, Hashable {
    /// What a holder may be, from the path of its `fl://` name.
    package enum Role: String, Sendable, Hashable, CaseIterable {
        case site, aggregator, `operator`, auditor
    }

    /// SHA-256 of the certificate's SubjectPublicKeyInfo in DER; empty for a peer on this machine's Unix socket.
    package let publicKeyHash: [UInt8]
    /// The certificate's subject alternative names of the kinds URI and DNS, in its order.
    package let names: [String]

    /// When the certificate expires, in seconds since 1970; nil without a certificate.
    package let notAfter: Int64?

    /// Creates an identity.
    package init(publicKeyHash: [UInt8], names: [String], notAfter: Int64? = nil) {
        self.publicKeyHash = publicKeyHash
        self.names = names
        self.notAfter = notAfter
    }

    /// A process of this machine, known by the permissions of the Unix socket alone.
    package static let localUser = PeerIdentity(publicKeyHash: [], names: [])

    /// Somebody without a certificate, at the port for newcomers.
    static let newcomer = PeerIdentity(publicKeyHash: [], names: ["newcomer"])

    /// The consortium of the holder's `fl://` name.
    package var consortium: String? { federationName?.consortium }
    /// The role of the holder's `fl://` name.
    package var role: Role? { federationName?.role }
    /// The id of the holder's `fl://` name when its role is `site`.
    package var siteID: String? { federationName.flatMap { $0.role == .site ? $0.id : nil } }
    /// The id of the holder's `fl://` name, whatever its role.
    package var memberID: String? { federationName?.id }
}

extension PeerIdentity {
    private struct FederationName {
        var consortium: String
        var role: Role
        var id: String
    }

    /// The one well-formed `fl://<consortium>/<role>/<id>`, beside at most one `fl://<consortium>/keys/<hash>`; none
    /// when there are more `fl://` names, or a malformed one: a certificate that can be read in two ways names nobody.
    private var federationName: FederationName? {
        let all = names.filter { $0.hasPrefix("fl:") }
        let keys = all.filter { Self.keysConsortium($0) != nil }
        let candidates = all.filter { Self.keysConsortium($0) == nil }
        guard candidates.count == 1, keys.count <= 1, candidates[0].hasPrefix("fl://") else { return nil }
        let parts = candidates[0].dropFirst(5).split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3, let role = Role(rawValue: String(parts[1])),
            Self.isLabel(parts[0]), Self.isLabel(parts[2])
        else { return nil }
        guard keys.allSatisfy({ Self.keysConsortium($0) == parts[0] }) else { return nil }
        return FederationName(consortium: String(parts[0]), role: role, id: String(parts[2]))
    }

    /// The consortium of a name that binds keys; nil for other names.
    private static func keysConsortium(_ name: String) -> Substring? {
        guard name.hasPrefix("fl://") else { return nil }
        let parts = name.dropFirst(5).split(separator: "/", omittingEmptySubsequences: false)
        return parts.count == 3 && parts[1] == "keys" && isLabel(parts[2]) ? parts[0] : nil
    }

    /// 1 to 64 of `a–z A–Z 0–9 . _ -`.
    private static func isLabel(_ text: Substring) -> Bool {
        let isAllowed = { (byte: UInt8) in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        return (1...64).contains(text.utf8.count) && text.utf8.allSatisfy(isAllowed)
    }
}
