// SPDX-License-Identifier: Apache-2.0
// Whether the keys of a roster belong to whom they are said to: the aggregator may not replace or invent a member.

package import Federation

extension SecureRoster {
    /// The sites whose keys nobody stands up for, ascending.
    ///
    /// A site that the earlier roster has must have the same keys, or a signature of its old statement key, or of a quorum
    /// of the earlier roster's members; a new site the latter. The keys of what is left may still be approved by an
    /// officer of this site, who compared them: that is the caller's to know.
    /// Source: privacy design review, A5 (2) and (3).
    ///
    /// - Parameter previous: the last roster of this study that this site accepted, however long ago.
    package func unexplainedSites(after previous: SecureRoster) -> [SiteID] {
        let known = Dictionary(uniqueKeysWithValues: previous.entries.map { ($0.site, $0) })
        return entries.filter { !isExplained($0, known: known, since: previous) }.map(\.site)
    }

    private func isExplained(_ entry: Entry, known: [SiteID: Entry], since previous: SecureRoster) -> Bool {
        let old = known[entry.site]
        if let old, old.statementKey == entry.statementKey, old.witnessKey == entry.witnessKey { return true }
        // A signature for a change that this site has seen undone is no longer one.
        guard let change = entry.change, change.since > previous.epoch else { return false }
        func message(isVouch: Bool) -> [UInt8] {
            KeyChange.message(
                isVouch: isVouch, federation: federation, site: entry.site, statementKey: entry.statementKey,
                witnessKey: entry.witnessKey, since: change.since)
        }
        if let old, let own = change.signatures.first, own.site == entry.site {
            return old.statementKey.verifies(own.signature, of: message(isVouch: false), domain: "")
        }
        let vouch = message(isVouch: true)
        // Names are ascending and distinct, and a member's own vote for itself is none.
        let vouches = change.signatures.count { one in
            one.site != entry.site
                && known[one.site]?.statementKey.verifies(one.signature, of: vouch, domain: "") == true
        }
        return vouches >= SumParameters.quorum(of: previous.count)
    }
}
