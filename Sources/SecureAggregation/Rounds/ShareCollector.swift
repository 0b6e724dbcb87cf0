// SPDX-License-Identifier: Apache-2.0
// The aggregator's half of leg R4: gathers released shares and rebuilds the secrets of a certified set.

import Federation

/// The shares that sites have released for one certified set.
///
/// A path says whether a share is the one that its dealer sealed, and costs a dozen hashes. So secrets are rebuilt first:
/// one that meets its dealer's commitment needed no path. Only where one does not are the paths of its shares looked at,
/// and then it is known whose fault it is.
package struct ShareCollector: Sendable {
    /// What rebuilding came to.
    package enum Rebuilding: Hashable, Sendable {
        /// All secrets are in the ``Unmasking``.
        case complete
        /// Releases turned out bad and were thrown away; others have to come.
        case waiting([Blame])
        /// A dealer's own shares contradict its commitment: there will be no sum.
        case dealerBlamed(Blame)
    }

    private let rules: RoundRules
    private let plan: UnmaskingPlan
    private let set: SurvivorSet
    private let headers: [Position: DealHeader]
    private var releases: [Position: ShareRelease] = [:]
    /// How many shares there are of each secret.
    private var counts: [SecretID: Int]
    private var incomplete: Int

    /// - Parameter headers: of every dealer of the manifest, checked when they came.
    package init(rules: RoundRules, plan: UnmaskingPlan, set: SurvivorSet, headers: [Position: DealHeader]) {
        precondition(plan.dealers.positions.allSatisfy { headers[$0] != nil }, "a header of every dealer")
        self.rules = rules
        self.plan = plan
        self.set = set
        self.headers = headers
        counts = Dictionary(uniqueKeysWithValues: plan.secrets.map { ($0, 0) })
        incomplete = counts.count
    }

    /// How many sites have released.
    package var releaseCount: Int { releases.count }

    /// Whether there are t shares of every secret.
    package var hasEnough: Bool { incomplete == 0 }

    /// Takes a release; the same one again changes nothing.
    ///
    /// - Returns: evidence against its sender, if it signed something else than the set asks for.
    /// - Throws: as ``RoundRules/checkForm(of:for:plan:)``.
    package mutating func receive(_ release: ShareRelease) throws(SecureSumError) -> Blame? {
        if let blame = try rules.checkForm(of: release, for: set, plan: plan) { return blame }
        guard releases.updateValue(release, forKey: release.site) == nil else { return nil }
        for item in release.items {
            counts[item.secret, default: 0] += 1
            if counts[item.secret] == rules.parameters.threshold { incomplete -= 1 }
        }
        return nil
    }

    private mutating func discard(_ site: Position) {
        for item in releases.removeValue(forKey: site)?.items ?? [] {
            if counts[item.secret] == rules.parameters.threshold { incomplete += 1 }
            counts[item.secret, default: 0] -= 1
        }
    }
}

// MARK: Rebuilding

extension ShareCollector {
    /// Rebuilds every secret that `unmasking` still lacks.
    ///
    /// - Precondition: ``hasEnough``.
    package mutating func rebuild(into unmasking: inout Unmasking) -> Rebuilding {
        precondition(hasEnough, "t shares of every secret")
        let held = sharesBySecret()
        var interpolations: [[Position]: ShareInterpolation] = [:]
        for secret in unmasking.missingSecrets {
            guard let header = headers[secret.dealer], let shares = held[secret] else { return .waiting([]) }
            let used = shares.prefix(rules.parameters.threshold)
            let positions = used.map(\.holder)
            let interpolation = interpolations[positions] ?? ShareInterpolation(positions: positions)
            interpolations[positions] = interpolation
            if let seed = try? interpolation.secret(from: used.map { $0.item.share }),
                Digest.commitment(to: seed, context: rules.context) == header.commitment(of: secret)
            {
                unmasking.add(secret, seed: seed)
                continue
            }
            if let fault = findFault(in: secret, header: header, shares: shares) { return fault }
        }
        return .complete
    }

    /// A secret that does not meet its commitment: bad shares are thrown away; if none is bad, its dealer is.
    private mutating func findFault(
        in secret: SecretID, header: DealHeader, shares: [(holder: Position, item: ShareRelease.Item)]
    ) -> Rebuilding? {
        let blames = shares.compactMap { share in
            releases[share.holder].flatMap { rules.check(share.item, of: $0, header: header) }
        }
        guard blames.isEmpty else {
            for blame in blames { discard(blame.site) }
            return .waiting(blames)
        }
        let good = shares.map { ReleasedShare(holder: $0.holder, share: $0.item.share, path: $0.item.path) }
        guard case .blamed(let evidence) = rules.rebuild(secret, header: header, from: good) else { return nil }
        return .dealerBlamed(.dealer(evidence))
    }

    /// Ascending by holder.
    private func sharesBySecret() -> [SecretID: [(holder: Position, item: ShareRelease.Item)]] {
        var shares: [SecretID: [(holder: Position, item: ShareRelease.Item)]] = [:]
        for (site, release) in releases.sorted(by: { $0.key < $1.key }) {
            for item in release.items { shares[item.secret, default: []].append((site, item)) }
        }
        return shares
    }
}
