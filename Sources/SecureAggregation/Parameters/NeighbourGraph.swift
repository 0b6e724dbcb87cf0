// SPDX-License-Identifier: Apache-2.0
// Who shares masks and secrets with whom: everybody up to 100 sites, a random ring of neighbours above.

package import Federation

/// The neighbours of every position of a roster.
///
/// Above 100 sites the positions stand on a ring in the order of a permutation that nobody could choose, and each has the
/// k/2 next ones on either side for neighbours. Invariant: `order[place[x - 1]] == x`.
/// Source: privacy design note §1.3, privacy design review A3 and A4.
package struct NeighbourGraph: Hashable, Sendable {
    /// n.
    package let count: Int
    /// nil for the complete graph.
    private let ring: Ring?

    private struct Ring: Hashable {
        /// The position at each place, places counted from 0.
        let order: [Position]
        /// The place of positions 1...n, in order.
        let place: [Int]
        /// k/2.
        let reach: Int
    }

    private init(count: Int, ring: Ring?) {
        self.count = count
        self.ring = ring
    }

    /// Everybody is everybody's neighbour.
    package static func complete(_ count: Int) -> NeighbourGraph { NeighbourGraph(count: count, ring: nil) }

    /// The ring of a key.
    ///
    /// - Parameters:
    ///   - neighbours: k, even and below the number of sites.
    ///   - key: the graph key of the roster's reveals (``RosterReveals/graphKey``).
    /// - Throws: `.cryptographyFailed` without AES-256-CTR.
    package static func ring(
        count: Int, neighbours: Int, key: Digest
    ) throws(SecureSumError) -> NeighbourGraph {
        precondition(neighbours % 2 == 0 && (2..<max(count, 3)).contains(neighbours), "an even number of neighbours")
        return ring(order: try KeyedPermutation.positions(count: count, key: key), neighbours: neighbours)
    }

    /// The graph of a round.
    ///
    /// - Parameter key: needed above 100 sites; without meaning below.
    /// - Throws: `.wrongReveal` for a sparse graph without a key, `.cryptographyFailed` without AES-256-CTR.
    package init(_ parameters: SumParameters, key: Digest?) throws(SecureSumError) {
        if parameters.isComplete {
            self = .complete(parameters.count)
        } else {
            guard let key else { throw .wrongReveal }
            self = try .ring(count: parameters.count, neighbours: parameters.neighbours, key: key)
        }
    }

    /// The ring of an order that is given; for tests and simulation, where nobody is to be protected from its choice.
    ///
    /// - Precondition: `order` is a permutation of 1...n.
    package static func ring(order: [Position], neighbours: Int) -> NeighbourGraph {
        var place = [Int](repeating: -1, count: order.count)
        for (index, position) in order.enumerated() { place[position - 1] = index }
        precondition(!place.contains(-1), "each position has a place")
        return NeighbourGraph(
            count: order.count, ring: Ring(order: order, place: place, reach: neighbours / 2))
    }
}

// MARK: Neighbours

extension NeighbourGraph {
    package var isComplete: Bool { ring == nil }

    /// k.
    package var neighbourCount: Int { ring.map { 2 * $0.reach } ?? count - 1 }

    /// N(u), ascending.
    ///
    /// - Precondition: the position is one of the roster.
    /// - Complexity: O(k log k).
    package func neighbours(of position: Position) -> [Position] {
        closedNeighbourhood(of: position).filter { $0 != position }
    }

    /// N[u] = N(u) and u, ascending: the holders of u's shares.
    package func closedNeighbourhood(of position: Position) -> [Position] {
        precondition(position >= 1 && position <= count, "a position lies in 1...n")
        guard let ring else { return Array(1..<count + 1) }
        let first = ring.place[position - 1] + count - ring.reach
        return (first..<first + 2 * ring.reach + 1).map { ring.order[$0 % count] }.sorted()
    }

    /// False for a position and itself.
    ///
    /// - Complexity: O(1).
    package func areNeighbours(_ one: Position, _ other: Position) -> Bool {
        guard one != other else { return false }
        guard let ring else { return true }
        let distance = abs(ring.place[one - 1] - ring.place[other - 1])
        return min(distance, count - distance) <= ring.reach
    }

    /// The positions in the order of the ring; nil for the complete graph.
    package var ringOrder: [Position]? { ring?.order }

    /// The k/2 consecutive positions from a place (from 0) on; nil for the complete graph.
    package func window(from place: Int) -> [Position]? {
        guard let ring else { return nil }
        return (place..<place + ring.reach).map { ring.order[$0 % count] }
    }
}
