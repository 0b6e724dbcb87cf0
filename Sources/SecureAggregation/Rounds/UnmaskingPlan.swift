// SPDX-License-Identifier: Apache-2.0
// Which secrets a certified set lets be rebuilt, and which shares of them each site holds.

/// One secret that a dealer shared.
package struct SecretID: Hashable, Sendable, Comparable {
    package var dealer: Position
    /// 0 for the dealer's self seed, i ≥ 1 for the seed shared with its i-th neighbour above it.
    package var index: UInt32

    package init(dealer: Position, index: UInt32) {
        self.dealer = dealer
        self.index = index
    }

    package static func < (left: SecretID, right: SecretID) -> Bool {
        (left.dealer, left.index) < (right.dealer, right.index)
    }
}

/// The rule of what is revealed, as a function of one set.
///
/// The self seed b_u is rebuilt if and only if u is in U. The pair seed s_uv is rebuilt if and only if u and v are both in
/// V1 and exactly one of them is in U. Nothing else ever is, so for no site both kinds come out.
/// Source: privacy design review, A10.
package struct UnmaskingPlan: Sendable {
    package let dealers: PositionSet
    package let survivors: PositionSet
    private let graph: NeighbourGraph
    /// Of positions 1...n, in order.
    private let secretsByDealer: [[SecretID]]

    /// - Precondition: the survivors are among the dealers.
    package init(graph: NeighbourGraph, dealers: PositionSet, survivors: PositionSet) {
        precondition(survivors.isSubset(of: dealers), "only who dealt can survive")
        self.graph = graph
        self.dealers = dealers
        self.survivors = survivors
        secretsByDealer = (1..<graph.count + 1).map { dealer in
            guard dealers.contains(dealer) else { return [] }
            let isSurvivor = survivors.contains(dealer)
            var secrets = isSurvivor ? [SecretID(dealer: dealer, index: 0)] : []
            for (offset, partner) in Self.partners(of: dealer, in: graph).enumerated()
            where dealers.contains(partner) && survivors.contains(partner) != isSurvivor {
                secrets.append(SecretID(dealer: dealer, index: UInt32(offset + 1)))
            }
            return secrets
        }
    }

    /// The neighbours above a dealer, ascending: the i-th shares the secret of index i.
    private static func partners(of dealer: Position, in graph: NeighbourGraph) -> [Position] {
        graph.neighbours(of: dealer).filter { $0 > dealer }
    }

    /// The secrets of one dealer that are to be rebuilt, ascending.
    package func secrets(of dealer: Position) -> [SecretID] { secretsByDealer[dealer - 1] }

    /// All secrets to be rebuilt, ascending.
    package var secrets: [SecretID] { secretsByDealer.flatMap { $0 } }

    /// The secrets of which `holder` must release its share, ascending: those of the dealers in its closed neighbourhood.
    package func secrets(heldBy holder: Position) -> [SecretID] {
        guard dealers.contains(holder) else { return [] }
        return graph.closedNeighbourhood(of: holder).filter(dealers.contains).flatMap(secrets(of:))
    }

    /// The two ends of a pair secret; nil for a self seed.
    package func pair(of secret: SecretID) -> (lower: Position, upper: Position)? {
        guard secret.index > 0 else { return nil }
        let partners = Self.partners(of: secret.dealer, in: graph)
        guard secret.index <= partners.count else { return nil }
        return (secret.dealer, partners[Int(secret.index) - 1])
    }
}
