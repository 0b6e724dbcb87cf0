// SPDX-License-Identifier: Apache-2.0
// How often the released sums of a study may differ by a few sites only.

package import Federation

/// The study's released rounds, as seen by the round that is to be released next.
///
/// Late in training successive updates are nearly equal, so the difference of two sums over sets that differ by one site
/// is close to that site's update. A difference is *lone* if the sets differ by at least one and fewer than
/// `minimumHonest` sites, those who left and those who came counted together.
/// Source: privacy design review, A21.
package struct LoneDifferences: Hashable, Sendable {
    /// How many released rounds may be lone differences; nil for no limit.
    package let limit: Int?
    /// How many already are.
    package let used: Int
    /// The members of the set released last that are in the present roster; nil before the first release.
    package let previous: PositionSet?
    /// Members of the set released last that are no longer in the roster.
    package let departed: Int
    private let minimumHonest: Int

    /// - Parameters:
    ///   - limit: the study's `maxLoneDifferences`.
    ///   - minimumHonest: of the round's terms.
    ///   - released: the sets of the study's released training rounds, in the order of the rounds.
    ///   - roster: the sites of the present roster, in the order of positions.
    package init(limit: Int?, minimumHonest: Int, released: [Set<SiteID>], roster: [SiteID]) {
        self.limit = limit
        self.minimumHonest = minimumHonest
        used = Self.count(in: released, minimumHonest: minimumHonest)
        let last = released.last
        previous = last.map { last in
            PositionSet(rosterCount: roster.count, roster.indices.filter { last.contains(roster[$0]) }.map { $0 + 1 })
        }
        departed = (last?.count ?? 0) - (previous?.count ?? 0)
    }

    /// Whether the next released set would be a lone difference.
    package func isLone(_ survivors: PositionSet) -> Bool {
        guard let previous else { return false }
        return isLoneDifference(of: previous.symmetricDifference(survivors).count + departed)
    }

    /// Whether the next set may be released.
    package func allows(_ survivors: PositionSet) -> Bool {
        guard let limit, isLone(survivors) else { return true }
        return used < limit
    }

    private func isLoneDifference(of sites: Int) -> Bool { (1..<max(1, minimumHonest)).contains(sites) }
}

// MARK: Counts

extension LoneDifferences {
    /// Whether patients are protected by noise of their own.
    package enum UpdateNoise: Hashable, Sendable {
        case recordLevel
        case none
    }

    /// A quarter of the planned rounds without noise, no limit with it.
    package static func standardLimit(plannedRounds: Int, noise: UpdateNoise) -> Int? {
        switch noise {
        case .recordLevel: nil
        case .none: plannedRounds / 4
        }
    }

    /// How many of these released sets, in order, are lone differences from the one before.
    package static func count(in released: [Set<SiteID>], minimumHonest: Int) -> Int {
        lone(in: released, minimumHonest: minimumHonest).count
    }

    /// For each site, how often it was one of the few by which two successive sums differ; for the release card.
    package static func perSite(in released: [Set<SiteID>], minimumHonest: Int) -> [SiteID: Int] {
        var counts: [SiteID: Int] = [:]
        for difference in lone(in: released, minimumHonest: minimumHonest) {
            for site in difference { counts[site, default: 0] += 1 }
        }
        return counts
    }

    private static func lone(in released: [Set<SiteID>], minimumHonest: Int) -> [Set<SiteID>] {
        zip(released, released.dropFirst()).map { $0.symmetricDifference($1) }
            .filter { (1..<max(1, minimumHonest)).contains($0.count) }
    }
}
