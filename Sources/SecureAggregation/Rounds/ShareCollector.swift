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
        let held = itemsBySecret()
        var interpolations: [[Position]: ShareInterpolation] = [:]
        for secret in unmasking.missingSecrets {
            guard let header = headers[secret.dealer], let places = held[secret] else { return .waiting([]) }
            let used = places.prefix(rules.parameters.threshold)
            let positions = used.map(\.holder)
            let interpolation = interpolations[positions] ?? ShareInterpolation(positions: positions)
            interpolations[positions] = interpolation
            if let seed = try? interpolation.secret(from: used.compactMap { item(at: $0)?.share }),
                Digest.commitment(to: seed, context: rules.context) == header.commitment(of: secret)
            {
                unmasking.add(secret, seed: seed)
                continue
            }
            if let fault = findFault(in: secret, header: header, places: places) { return fault }
        }
        return .complete
    }

    /// A secret that does not meet its commitment: bad shares are thrown away; if none is bad, its dealer is.
    private mutating func findFault(
        in secret: SecretID, header: DealHeader, places: [Place]
    ) -> Rebuilding? {
        let blames = places.compactMap { place in
            releases[place.holder].flatMap { rules.check($0.items[place.index], of: $0, header: header) }
        }
        guard blames.isEmpty else {
            for blame in blames { discard(blame.site) }
            return .waiting(blames)
        }
        let good = places.compactMap { place in
            item(at: place).map { ReleasedShare(holder: place.holder, share: $0.share, path: $0.path) }
        }
        guard case .blamed(let evidence) = rules.rebuild(secret, header: header, from: good) else { return nil }
        return .dealerBlamed(.dealer(evidence))
    }

    /// Where a share lies: whose release, and which of its items.
    private struct Place {
        var holder: Position
        var index: Int
    }

    private func item(at place: Place) -> ShareRelease.Item? { releases[place.holder]?.items[place.index] }

    /// Ascending by holder.
    private func itemsBySecret() -> [SecretID: [Place]] {
        var places: [SecretID: [Place]] = [:]
        places.reserveCapacity(counts.count)
        for site in releases.keys.sorted() {
            guard let release = releases[site] else { continue }
            for (index, item) in release.items.enumerated() {
                places[item.secret, default: []].append(Place(holder: site, index: index))
            }
        }
        return places
    }
}
