// SPDX-License-Identifier: Apache-2.0
// A certificate names a member in exactly one way, or nobody.

import PeerTransport
import Testing

@Suite struct PeerIdentityTests {
    private func identity(_ names: String...) -> PeerIdentity { PeerIdentity(publicKeyHash: [], names: names) }

    @Test func aSiteIsNamedByItsURI() {
        let identity = identity("ward-7.example.org", "fl://heart/site/ward-7")
        #expect(identity.role == .site && identity.siteID == "ward-7" && identity.consortium == "heart")
    }

    @Test(arguments: [("aggregator", PeerIdentity.Role.aggregator), ("operator", .operator), ("auditor", .auditor)])
    func otherRolesHaveNoSiteID(path: String, role: PeerIdentity.Role) {
        let identity = identity("fl://heart/\(path)/north")
        #expect(identity.role == role && identity.siteID == nil && identity.memberID == "north")
    }

    @Test(arguments: [
        "fl://heart/site/", "fl:///site/a", "fl://heart/site", "fl://heart/site/a/b", "fl://heart/admin/a",
        "fl://heart/site/a b", "fl://heart/site/a?x", "fl://heart/Site/a", "FL://heart/site/a", "fl:heart/site/a",
        "https://heart/site/a", "fl://heart/site/é", "fl://heart/site/a\0b", "",
    ])
    func malformedNamesNameNobody(name: String) {
        let identity = identity(name)
        #expect(identity.role == nil && identity.siteID == nil && identity.consortium == nil)
    }

    @Test func twoNamesNameNobody() {
        #expect(identity("fl://heart/site/a", "fl://heart/site/b").siteID == nil)
        #expect(identity("fl://heart/site/a", "fl:nonsense").siteID == nil)
    }

    @Test func aNameThatBindsKeysStandsBesideTheOther() {
        let keys = "fl://heart/keys/mDm5pyRUt0I6pE8Cw0oS8fE0Pr6z0T9cFXtGpKpVXkw"
        #expect(identity("fl://heart/site/a", keys).siteID == "a")
        #expect(identity(keys).role == nil)
        #expect(identity("fl://heart/site/a", keys, keys).siteID == nil)
        #expect(identity("fl://heart/site/a", "fl://other/keys/x").siteID == nil)
    }

    @Test func labelsHaveAtMost64Characters() {
        let long = String(repeating: "x", count: 64)
        #expect(identity("fl://heart/site/\(long)").siteID == long)
        #expect(identity("fl://heart/site/\(long)x").siteID == nil)
    }
}
