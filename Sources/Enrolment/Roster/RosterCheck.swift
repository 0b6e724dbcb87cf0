// SPDX-License-Identifier: Apache-2.0
// What a site verifies before it believes a roster: the authority's word for every entry, and continuity with the last.

package import Federation

/// A site's judgement of a roster.
package struct RosterCheck: Sendable {
    /// Why a roster is not accepted.
    package enum Objection: Hashable, Sendable {
        case foreignFederation
        case badSignature
        case lowerEpoch
        /// The same number as the last one accepted, and other bytes: a fork.
        case forkedEpoch
        case brokenChain
        case lowerDenyNumber
        case badDenyList
        /// The certificate does not verify, or does not say what the entry says.
        case badCertificate(SiteID)
        case denied(SiteID)
        /// A key that stands twice, in the entries of these sites.
        case sharedKey(SiteID, SiteID)
        /// Other keys for a known name, and nothing that ties them to it.
        case keysChanged(SiteID)
        /// A new name nobody vouches for.
        case unvouched(SiteID)
        /// Our own entry has other keys.
        case ownEntryAltered
    }

    /// What a site remembers of the last roster it accepted.
    package struct Memory: Hashable, Sendable {
        package var epoch: UInt64
        package var hash: Digest
        package var denyNumber: UInt64
        package var keys: [SiteID: PartyKeys]

        package init(_ roster: Roster) {
            epoch = roster.content.epoch
            hash = roster.hash
            denyNumber = roster.content.denyNumber
            keys = Dictionary(
                roster.content.entries.map { ($0.site, $0.keys) }, uniquingKeysWith: { first, _ in first })
        }
    }

    package let descriptor: FederationDescriptor
    /// DER.
    package let root: [UInt8]
    package let ownSite: SiteID
    package let ownKeys: PartyKeys
    /// Keys of new sites that our own officer has approved.
    package let approved: Set<Digest>

    package init(
        descriptor: FederationDescriptor, root: [UInt8], ownSite: SiteID, ownKeys: PartyKeys,
        approved: Set<Digest> = []
    ) {
        self.descriptor = descriptor
        self.root = root
        self.ownSite = ownSite
        self.ownKeys = ownKeys
        self.approved = approved
    }

    /// How many members of a roster of `n` must vouch: all of three, then more than two thirds.
    package static func quorum(_ n: Int) -> Int { n <= 3 ? n : n * 2 / 3 + 1 }

    /// Every objection to `roster` and its deny list; none when it is to be accepted.
    ///
    /// - Parameter memory: nil for the first roster of this site, whose members are the founders it accepts by joining.
    package func objections(to roster: Roster, denyList: DenyList, after memory: Memory?) async -> [Objection] {
        let content = roster.content
        guard content.federation == descriptor.federation else { return [.foreignFederation] }
        guard roster.isSigned(by: descriptor.aggregatorKey) else { return [.badSignature] }
        var found = sequence(roster, after: memory)
        if denyList.federation != content.federation || denyList.hash != content.denyHash
            || denyList.number != content.denyNumber || denyList.signature != content.denySignature
            || !denyList.isSigned(by: descriptor.authorityKey)
        {
            found.append(.badDenyList)
        }
        for entry in content.entries {
            if let objection = await certificate(of: entry, in: content, denyList: denyList) { found.append(objection) }
            if let memory, let objection = continuity(of: entry, in: content, after: memory) { found.append(objection) }
        }
        return found + sharedKeys(content.entries)
    }

    private func sequence(_ roster: Roster, after memory: Memory?) -> [Objection] {
        var found: [Objection] = []
        if let own = roster.entry(of: ownSite), own.keys != ownKeys { found.append(.ownEntryAltered) }
        guard let memory else { return found }
        let content = roster.content
        if content.epoch < memory.epoch { found.append(.lowerEpoch) }
        if content.epoch == memory.epoch, roster.hash != memory.hash { found.append(.forkedEpoch) }
        if content.epoch == memory.epoch + 1, content.previous != memory.hash { found.append(.brokenChain) }
        if content.denyNumber < memory.denyNumber { found.append(.lowerDenyNumber) }
        return found
    }

    private func certificate(of entry: Roster.Entry, in content: Roster.Content, denyList: DenyList) async -> Objection?
    {
        guard
            let issued = try? await CertificateChain.verify(
                leaf: entry.certificate, issuer: content.issuingCertificate, root: root,
                federation: descriptor.federation, at: content.issued),
            CertificateChain.publicKeyHash(ofCertificate: root) == descriptor.rootHash,
            issued.party == PartyName(.site, entry.site), issued.keysHash == entry.keys.hash
        else { return .badCertificate(entry.site) }
        return denyList.denies(issued.publicKeyHash) ? .denied(entry.site) : nil
    }

    /// Correction A5 (2) and (3) of the design: the operator's authority alone cannot replace a hospital.
    private func continuity(of entry: Roster.Entry, in content: Roster.Content, after memory: Memory) -> Objection? {
        let known = memory.keys[entry.site]
        if known == entry.keys { return nil }
        if let known, case .rotated(let signature) = entry.change {
            let message = Roster.changeMessage(
                isVouch: false, federation: content.federation, site: entry.site, keys: entry.keys,
                epoch: entry.sinceEpoch)
            if known.statement.verifies(signature, of: message, domain: "") { return nil }
        }
        if isVouched(entry, in: content, by: memory) || approved.contains(entry.keys.hash) { return nil }
        if known != nil { return .keysChanged(entry.site) }
        return descriptor.newMembers == .trustOperator ? nil : .unvouched(entry.site)
    }

    private func isVouched(_ entry: Roster.Entry, in content: Roster.Content, by memory: Memory) -> Bool {
        guard case .vouched(let vouches) = entry.change, !memory.keys.isEmpty else { return false }
        let message = Roster.changeMessage(
            isVouch: true, federation: content.federation, site: entry.site, keys: entry.keys, epoch: entry.sinceEpoch)
        let good = vouches.filter {
            memory.keys[$0.site]?.statement.verifies($0.signature, of: message, domain: "") == true
        }
        return Set(good.map(\.site)).count >= Self.quorum(memory.keys.count)
    }

    private func sharedKeys(_ entries: [Roster.Entry]) -> [Objection] {
        var owners: [[UInt8]: SiteID] = [:]
        var found: [Objection] = []
        for entry in entries {
            let publicKey = (try? IssuedCertificate(bytes: entry.certificate))?.publicKeyHash.bytes ?? []
            for key in [entry.keys.statement.bytes, entry.keys.witness.bytes, publicKey] where !key.isEmpty {
                if let owner = owners.updateValue(entry.site, forKey: key) {
                    found.append(.sharedKey(owner, entry.site))
                }
            }
        }
        return found
    }
}
