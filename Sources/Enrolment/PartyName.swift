// SPDX-License-Identifier: Apache-2.0
// Who somebody is in a federation: a role and a name, as the certificate writes it.

package import Federation

/// What a certificate allows its holder to be.
///
/// The server's own certificate has the role `aggregator` and is kept apart from people with the role `operator`: the
/// machine needs no right to command itself, and a person's key must not be able to play the server.
package enum PartyRole: String, CaseIterable, Hashable, Sendable {
    case site
    /// May look and command.
    case `operator`
    /// May look.
    case auditor
    case aggregator

    /// The roles for which people are invited.
    package static let invited: [PartyRole] = [.site, .operator, .auditor]
}

/// A party of one federation.
package struct PartyName: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let role: PartyRole
    /// 1 to 63 of a–z, 0–9 and hyphens, not at either end.
    package let id: SiteID

    package init(_ role: PartyRole, _ id: SiteID) {
        self.role = role
        self.id = id
    }

    package var description: String { "\(role.rawValue) \(id)" }

    /// `fl://<federation>/<role>/<id>`, the name in the certificate.
    package func uri(in federation: String) -> String { "fl://\(federation)/\(role.rawValue)/\(id)" }

    package static func < (left: PartyName, right: PartyName) -> Bool {
        left.role == right.role ? left.id < right.id : left.role.rawValue < right.role.rawValue
    }

    /// Whether `text` may name a federation: labels as of a site, joined by dots, at most 64 bytes. X.509 name
    /// constraints act on host names only, so it has the form of one.
    package static func isFederation(_ text: String) -> Bool {
        text.utf8.count <= 64
            && text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { SiteID(String($0)) != nil }
    }

    static func isName(_ text: String) -> Bool { isFederation(text) }
}

extension PartyRole {
    /// The byte by which objects name the role.
    var code: UInt8 {
        switch self {
        case .site: 1
        case .operator: 2
        case .auditor: 3
        case .aggregator: 4
        }
    }

    init?(code: UInt8) {
        guard let role = Self.allCases.first(where: { $0.code == code }) else { return nil }
        self = role
    }
}

/// The two Ed25519 keys of a party that its certificate binds.
package struct PartyKeys: Hashable, Sendable {
    /// Signs entries, requests and decisions.
    package let statement: StatementPublicKey
    /// Cosigns the log; a key of its own, because a cosignature does not name its signer. The aggregator's is its log key.
    package let witness: StatementPublicKey

    package init(statement: StatementPublicKey, witness: StatementPublicKey) {
        self.statement = statement
        self.witness = witness
    }

    /// SHA-256(`fl/keys/v1` LF || statement key || witness key).
    package var hash: Digest { Digest(of: statement.bytes + witness.bytes, domain: "fl/keys/v1\n") }

    /// `fl://<federation>/keys/<base64url>`, the second name in the certificate.
    package func uri(in federation: String) -> String { "fl://\(federation)/keys/\(Base64URL.encode(hash.bytes))" }
}
