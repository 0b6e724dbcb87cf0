// SPDX-License-Identifier: Apache-2.0
// What administrators say about the membership, and the answers.

package import Federation
import Foundation
import SwiftProtobuf

/// An order or a question about the membership. Roles are words: what they mean is for the authority to know.
package enum MembershipCommand: Hashable, Sendable {
    /// - Parameter lifetime: seconds.
    case invite(role: String, name: SiteID, lifetime: Int64)
    /// - Parameter words: the six words that the party read out.
    case approve(role: String, name: SiteID, words: String)
    case decline(role: String, name: SiteID)
    case revoke(role: String, name: SiteID)
    case list
    /// The asker's own next certificate: bytes of a renewal request.
    case renew([UInt8])

    /// Whether it only looks.
    package var isReading: Bool { self == .list }
}

/// The answer to a ``MembershipCommand``.
package struct MembershipReply: Hashable, Sendable {
    package struct Party: Hashable, Sendable {
        package var role: String
        package var name: String
        /// invited, waiting, returning, member or revoked.
        package var state: String
        /// The six words of a request that waits; empty otherwise.
        package var words: String
        /// End of the invitation or certificate, in seconds since 1970.
        package var until: Int64

        package init(role: String, name: String, state: String, words: String, until: Int64) {
            self.role = role
            self.name = name
            self.state = state
            self.words = words
            self.until = until
        }
    }

    /// After an invitation; a secret.
    package var token = ""
    /// In seconds since 1970.
    package var expiry: Int64 = 0
    package var parties: [Party] = []
    package var epoch: UInt64 = 0
    package var roster: Digest?
    /// Bytes of the answer to a renewal; empty otherwise.
    package var renewal: [UInt8] = []

    package init() {}
}

extension MembershipCommand {
    private static let longestLifetime: UInt64 = 30 * 86_400

    var wire: WireMembershipCommand {
        .with {
            switch self {
            case .invite(let role, let name, let lifetime):
                ($0.verb, $0.role, $0.name, $0.lifetime) = ("invite", role, name.rawValue, UInt64(max(lifetime, 0)))
            case .approve(let role, let name, let words):
                ($0.verb, $0.role, $0.name, $0.words) = ("approve", role, name.rawValue, words)
            case .decline(let role, let name): ($0.verb, $0.role, $0.name) = ("decline", role, name.rawValue)
            case .revoke(let role, let name): ($0.verb, $0.role, $0.name) = ("revoke", role, name.rawValue)
            case .list: $0.verb = "list"
            case .renew(let request): ($0.verb, $0.request) = ("renew", Data(request))
            }
        }
    }

    init(_ wire: WireMembershipCommand) throws(WireError) {
        guard wire.verb != "list" else {
            self = .list
            return
        }
        guard wire.verb != "renew" else {
            guard wire.request.count <= WireLimits.renewalBytes else { throw .invalidField("request") }
            self = .renew(Array(wire.request))
            return
        }
        guard let name = SiteID(wire.name) else { throw .invalidField("name") }
        let role = try wire.role.checkedText("role")
        switch wire.verb {
        case "invite":
            guard (60...Self.longestLifetime).contains(wire.lifetime) else { throw .invalidField("lifetime") }
            self = .invite(role: role, name: name, lifetime: Int64(wire.lifetime))
        case "approve": self = .approve(role: role, name: name, words: try wire.words.checkedText("words"))
        case "decline": self = .decline(role: role, name: name)
        case "revoke": self = .revoke(role: role, name: name)
        default: throw .invalidField("verb")
        }
    }
}

extension MembershipReply {
    var wire: WireMembershipReply {
        .with {
            $0.token = token
            $0.expiry = UInt64(max(expiry, 0))
            $0.epoch = epoch
            if let roster { $0.roster = roster.data }
            $0.renewal = Data(renewal)
            $0.parties = parties.map { party in
                .with {
                    $0.role = party.role
                    $0.name = party.name
                    $0.state = party.state
                    $0.words = party.words
                    $0.until = UInt64(max(party.until, 0))
                }
            }
        }
    }

    init(_ wire: WireMembershipReply) throws(WireError) {
        token = wire.token
        expiry = Int64(clamping: wire.expiry)
        epoch = wire.epoch
        guard wire.renewal.count <= WireLimits.renewalBytes else { throw .invalidField("renewal") }
        renewal = Array(wire.renewal)
        roster = wire.roster.isEmpty ? nil : try wire.roster.digest("roster")
        parties = wire.parties.map {
            Party(role: $0.role, name: $0.name, state: $0.state, words: $0.words, until: Int64(clamping: $0.until))
        }
    }
}
