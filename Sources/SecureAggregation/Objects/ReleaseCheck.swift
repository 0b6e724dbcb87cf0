// SPDX-License-Identifier: Apache-2.0
// R4: making a release, and what the aggregator looks at before it uses one.

package import Federation

extension RoundRules {
    /// The shares that `holder` must send for a certified set, each with its path.
    ///
    /// - Parameters:
    ///   - held: the items of each dealer in N[holder] within V1, the holder's own deal among them, in order of index.
    /// - Throws: `.cryptographyFailed`.
    /// - Precondition: there are as many items as each dealer shared.
    package func release(
        for set: SurvivorSet, plan: UnmaskingPlan, holder: Position, held: [Position: [[UInt8]]],
        signedBy key: StatementKey
    ) throws(SecureSumError) -> ShareRelease {
        var items: [ShareRelease.Item] = []
        for dealer in graph.closedNeighbourhood(of: holder) {
            let secrets = plan.secrets(of: dealer)
            guard !secrets.isEmpty else { continue }
            guard let shares = held[dealer] else { preconditionFailure("a bound site holds the shares of its dealers") }
            let tree = ShareTree(items: shares, context: context, dealer: dealer, holder: holder)
            items += secrets.map { secret in
                let index = Int(secret.index)
                return ShareRelease.Item(secret: secret, share: shares[index], path: HashPath(tree.path(to: index)))
            }
        }
        return try ShareRelease(context: context, set: set.hash, site: holder, items: items, signedBy: key)
    }

    /// Checks a release; nil when every item is good.
    ///
    /// - Parameters:
    ///   - headers: of every dealer of the manifest, checked when they came.
    /// - Throws: as ``checkForm(of:for:plan:)``; `.unexpected` where a header is missing.
    package func check(
        _ release: ShareRelease, for set: SurvivorSet, plan: UnmaskingPlan, headers: [Position: DealHeader]
    ) throws(SecureSumError) -> Blame? {
        if let blame = try checkForm(of: release, for: set, plan: plan) { return blame }
        for item in release.items {
            guard let header = headers[item.secret.dealer] else { throw .unexpected }
            if let blame = check(item, of: release, header: header) { return blame }
        }
        return nil
    }

    /// Whether a release is its sender's word about this set, and has the items that the set asks for.
    ///
    /// - Throws: `.otherContext`, `.otherSet`, `.signerNotAllowed`, `.badSignature`: then it proves nothing against
    ///   anybody.
    package func checkForm(
        of release: ShareRelease, for set: SurvivorSet, plan: UnmaskingPlan
    ) throws(SecureSumError) -> Blame? {
        guard release.context == context else { throw .otherContext }
        guard release.set == set.hash else { throw .otherSet }
        guard plan.dealers.contains(release.site), let key = key(of: release.site) else { throw .signerNotAllowed }
        guard release.isSigned(by: key) else { throw .badSignature }
        return release.items.map(\.secret) == plan.secrets(heldBy: release.site)
            ? nil : .responder(ResponderEvidence(release: release, header: nil))
    }

    /// Whether one item is under its dealer's root.
    func check(_ item: ShareRelease.Item, of release: ShareRelease, header: DealHeader) -> Blame? {
        let share = ReleasedShare(holder: release.site, share: item.share, path: item.path)
        return isUnderRoot(share, of: item.secret, header: header)
            ? nil : .responder(ResponderEvidence(release: release, header: header))
    }

    /// What t good shares of one secret rebuild.
    package enum Rebuilt: ~Copyable, Sendable {
        /// As committed to.
        case seed(SecretBytes)
        case blamed(DealerEvidence)
    }

    /// Rebuilds a secret from shares whose paths were checked, and compares it with the dealer's commitment.
    ///
    /// - Precondition: the shares are of at least t different holders, ascending.
    package func rebuild(_ secret: SecretID, header: DealHeader, from shares: [ReleasedShare]) -> Rebuilt {
        precondition(shares.count >= parameters.threshold, "t shares rebuild a secret")
        let used = Array(shares.prefix(parameters.threshold))
        if let seed = rebuiltSeed(used),
            Digest.commitment(to: seed, context: context) == header.commitment(of: secret)
        {
            return .seed(seed)
        }
        return .blamed(DealerEvidence(header: header, secret: secret, shares: used))
    }

    private func isUnderRoot(_ share: ReleasedShare, of secret: SecretID, header: DealHeader) -> Bool {
        guard share.share.count == ShareItem.byteCount, let root = shareRoot(of: header, for: share.holder) else {
            return false
        }
        return ShareTree.leads(
            share.path.digests, from: share.share, of: secret, to: root, context: context, holder: share.holder,
            itemCount: header.itemCount)
    }
}

// MARK: Evidence

extension RoundRules {
    /// Whether the evidence convicts the dealer, for somebody who was not there.
    package func proves(_ evidence: DealerEvidence) -> Bool {
        let header = evidence.header
        let holders = evidence.shares.map(\.holder)
        guard (try? checkHeader(header, from: header.dealer)) != nil,
            let commitment = header.commitment(of: evidence.secret),
            evidence.secret.dealer == header.dealer, zip(holders, holders.dropFirst()).allSatisfy({ $0 < $1 }),
            evidence.shares.allSatisfy({ isUnderRoot($0, of: evidence.secret, header: header) })
        else { return false }
        guard evidence.shares.count == parameters.threshold else { return false }
        guard let seed = rebuiltSeed(evidence.shares) else { return true }
        return Digest.commitment(to: seed, context: context) != commitment
    }

    /// Whether the evidence convicts the responder of a certified set, whose manifest says which header is meant: a dealer
    /// that signed two could otherwise frame whoever released under the other.
    package func proves(
        _ evidence: ResponderEvidence, for set: SurvivorSet, boundTo manifest: Manifest, plan: UnmaskingPlan
    ) -> Bool {
        let release = evidence.release
        guard let key = key(of: release.site), release.context == context, release.set == set.hash,
            plan.dealers.contains(release.site), release.isSigned(by: key)
        else { return false }
        guard let header = evidence.header else {
            return release.items.map(\.secret) != plan.secrets(heldBy: release.site)
        }
        guard set.manifest == manifest.hash, manifest.header(of: header.dealer) == header.hash,
            (try? checkHeader(header, from: header.dealer)) != nil
        else { return false }
        return release.items.contains { item in
            let share = ReleasedShare(holder: release.site, share: item.share, path: item.path)
            return item.secret.dealer == header.dealer && !isUnderRoot(share, of: item.secret, header: header)
        }
    }

    /// The seed that t shares give; nil where they give none.
    private func rebuiltSeed(_ shares: [ReleasedShare]) -> SecretBytes? {
        try? ShareInterpolation(positions: shares.map(\.holder)).secret(from: shares.map(\.share))
    }
}
