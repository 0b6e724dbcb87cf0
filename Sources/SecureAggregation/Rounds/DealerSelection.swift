// SPDX-License-Identifier: Apache-2.0
// Which of the sites that dealt form the set over which everybody masks.

/// Chooses V1 so that all its members accept the deals of their neighbours in it.
///
/// As long as an acceptance is missing, the site with the most missing ones, in either direction, is left out. Of equals
/// the accuser goes if it accuses two or more dealers, else the accused dealer: an honest accuser means a bad dealer, and
/// one that accuses many is more likely wrong itself. Then the higher position goes.
/// Source: privacy design review, §4.3 and A11 (c).
package struct DealerSelection: Sendable {
    private let graph: NeighbourGraph
    private var candidates: PositionSet
    private let accepted: [Position: PositionSet]

    /// - Parameter accepted: what each site that dealt and acknowledged accepts.
    package init(graph: NeighbourGraph, rosterCount: Int, accepted: [Position: PositionSet]) {
        self.graph = graph
        self.accepted = accepted
        candidates = PositionSet(rosterCount: rosterCount, accepted.keys)
    }

    /// The sites that accept each other; whether they are enough is the caller's question.
    package mutating func select() -> PositionSet {
        while let worst = worst() { candidates.remove(worst) }
        return candidates
    }

    private func lacks(_ site: Position, _ dealer: Position) -> Bool {
        !(accepted[site]?.contains(dealer) ?? false)
    }

    private func worst() -> Position? {
        var missing: [Position: Int] = [:]
        var accusations: [Position: Int] = [:]
        var isAccused: Set<Position> = []
        for site in candidates.positions {
            for dealer in graph.neighbours(of: site) where candidates.contains(dealer) && lacks(site, dealer) {
                missing[site, default: 0] += 1
                missing[dealer, default: 0] += 1
                accusations[site, default: 0] += 1
                isAccused.insert(dealer)
            }
        }
        func rank(_ site: Position) -> (Int, Int, Position) {
            let suspicion = accusations[site, default: 0] >= 2 ? 2 : isAccused.contains(site) ? 1 : 0
            return (missing[site, default: 0], suspicion, site)
        }
        return missing.keys.max { rank($0) < rank($1) }
    }
}
