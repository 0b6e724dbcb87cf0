// SPDX-License-Identifier: Apache-2.0
// Who the members are at this moment, whoever keeps the list.

package import Federation
package import PeerTransport
package import WireProtocol

/// The members of a federation, as sessions and studies need them.
///
/// Three kinds exist: ``Registry`` with an authority of our own, ``MappedMembers`` with certificates of another
/// authority, ``FixedMembers`` for federations in one process.
package protocol MemberDirectory: Sendable {
    /// The site behind a verified certificate; nil for everybody else. Asked in handshakes and before each round.
    func site(for identity: PeerIdentity) -> SiteID?

    /// All sites that may take part.
    var sites: Set<SiteID> { get }

    /// The newest roster and its deny list, for sites; empty when there is none.
    var rosterParts: [RosterPart] { get }

    /// Answers a request for the next certificate; nil when certificates come from elsewhere.
    func renew(_ request: [UInt8], from identity: PeerIdentity) async -> [UInt8]?
}

extension MemberDirectory {
    package var rosterParts: [RosterPart] { [] }

    package func renew(_ request: [UInt8], from identity: PeerIdentity) async -> [UInt8]? { nil }
}

/// Members that never change, known by the name in their certificate.
package struct FixedMembers: MemberDirectory {
    package let sites: Set<SiteID>

    package init(_ sites: Set<SiteID>) { self.sites = sites }

    package func site(for identity: PeerIdentity) -> SiteID? {
        guard let site = identity.siteID.flatMap({ SiteID($0) }), sites.contains(site) else { return nil }
        return site
    }
}

/// Members with certificates of another authority, by a list of the names in them.
package struct MappedMembers: MemberDirectory {
    private let names: [String: SiteID]

    /// - Parameter names: subject alternative name (URI or DNS) → site.
    package init(_ names: [String: SiteID]) { self.names = names }

    package var sites: Set<SiteID> { Set(names.values) }

    /// A certificate that would be two sites is none.
    package func site(for identity: PeerIdentity) -> SiteID? {
        let found = Set(identity.names.compactMap { names[$0] })
        return found.count == 1 ? found.first : nil
    }
}
