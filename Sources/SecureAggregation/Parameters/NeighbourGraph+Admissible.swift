// SPDX-License-Identifier: Apache-2.0
// Which sets of sites may be masked over and unmasked, whatever the aggregator says about who is late.

/// Where a set is too thin for what its sum would reveal.
package enum Inadmissibility: Hashable, Sendable {
    /// Fewer than the quorum.
    case tooFew(Int, quorum: Int)
    /// The window of k/2 places from this place on holds fewer than m members.
    case thinWindow(place: Int, members: Int)
    /// The closed neighbourhood of this member holds fewer than t members.
    case thinNeighbourhood(Position, members: Int)
    /// A cohort holds too few to hide anybody among the honest ones.
    case thinCohort(index: Int, members: Int, needed: Int)
}

extension NeighbourGraph {
    /// Whether a set S is admissible: as V1 before a site binds to it, as U before a site signs or releases.
    ///
    /// (i) |S| ≥ Q; on a ring also (ii) each cyclic window of k/2 consecutive places holds at least m members of S, and
    /// (iii) |N[u] ∩ S| ≥ t for each u in S. With at most m − 1 corrupt sites in any window each holds an honest member,
    /// consecutive ones are neighbours, so the honest part of S hangs together and only its whole sum is revealed.
    /// Source: privacy design review, A3.
    package func isAdmissible(_ set: PositionSet, parameters: SumParameters) -> Bool {
        inadmissibility(of: set, parameters: parameters) == nil
    }

    /// The first reason why a set is not admissible; nil for one that is.
    ///
    /// - Precondition: set, graph and parameters are of one roster.
    /// - Complexity: O(n).
    package func inadmissibility(of set: PositionSet, parameters: SumParameters) -> Inadmissibility? {
        precondition(set.rosterCount == count && parameters.count == count, "one roster")
        precondition(parameters.neighbours == neighbourCount, "the graph of these parameters")
        let members = set.count
        guard members >= parameters.quorum else { return .tooFew(members, quorum: parameters.quorum) }
        guard let order = ringOrder else { return nil }
        let isMember = order.map(set.contains)
        let reach = neighbourCount / 2
        for (place, members) in Self.windowCounts(isMember, width: reach).enumerated()
        where members < parameters.windowMinimum {
            return .thinWindow(place: place, members: members)
        }
        // The closed neighbourhood of the site at a place is the window that starts k/2 places before it.
        for (start, members) in Self.windowCounts(isMember, width: 2 * reach + 1).enumerated()
        where members < parameters.threshold && isMember[(start + reach) % count] {
            return .thinNeighbourhood(order[(start + reach) % count], members: members)
        }
        return nil
    }

    /// How many are true in the cyclic window of `width` places from each place on.
    private static func windowCounts(_ isMember: [Bool], width: Int) -> [Int] {
        let count = isMember.count
        var members = (0..<width).count { isMember[$0] }
        return isMember.indices.map { place in
            defer {
                members += (isMember[(place + width) % count] ? 1 : 0) - (isMember[place] ? 1 : 0)
            }
            return members
        }
    }
}
