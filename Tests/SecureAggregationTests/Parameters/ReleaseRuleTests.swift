// SPDX-License-Identifier: Apache-2.0
// Counts, over everything that can be certified among three to five sites, the sums that come out.

import SecureAggregation
import Testing

/// The last row of the table of the privacy design review, A1: with an agreed manifest no part of the honest sum.
@Suite struct ReleaseRuleTests {
    @Test(arguments: [(3, 0), (3, 1), (4, 0), (4, 1), (5, 1), (5, 2)])
    func anAgreedManifestRevealsNoPartialSum(count: Int, colluders: Int) throws {
        let quorum = try SumParameters.complete(count).quorum
        var sums = 0
        for corrupt in subsets(of: Array(1...count)) where corrupt.count == colluders {
            for dealers in subsets(of: Array(1...count)) where dealers.count >= quorum {
                for survivors in subsets(of: Array(dealers)) where survivors.count >= quorum {
                    let known = Knowledge(count: count, corrupt: corrupt, survivors: survivors) { _ in dealers }
                    #expect(known.honestSums == [survivors.subtracting(corrupt)])
                    sums += known.honestSums.count
                }
            }
        }
        #expect(sums > 0)
    }

    /// The attack of A1 without a manifest: one site is told that all others failed to deal.
    @Test func aSiteThatMasksOverAnotherSetIsReadAlone() {
        let all: Set<Position> = [1, 2, 3, 4]
        let known = Knowledge(count: 4, corrupt: [], survivors: all) { $0 == 1 ? [1] : all }
        #expect(known.honestSums.contains([1]))
    }

    private func subsets(of positions: [Position]) -> [Set<Position>] {
        (0..<1 << positions.count).map { bits in
            Set(positions.indices.filter { bits >> $0 & 1 == 1 }.map { positions[$0] })
        }
    }
}

/// What follows from all uploads of those who dealt, the release for one set, and what colluding sites know.
private struct Knowledge {
    /// Sets of honest sites whose sum can be computed, none of which is put together from smaller ones.
    let honestSums: Set<Set<Position>>

    /// - Parameter view: over which sites each site masks; the same for all where a manifest is agreed.
    init(count: Int, corrupt: Set<Position>, survivors: Set<Position>, view: (Position) -> Set<Position>) {
        let honest = (1...count).filter { !corrupt.contains($0) && view($0).contains($0) }
        // The aggregator's view of the dealers is the union of all: it holds every envelope.
        let dealers = (1...count).reduce(into: Set<Position>()) { $0.formUnion(view($1)) }
        let plan = UnmaskingPlan(
            graph: .complete(count), dealers: PositionSet(rosterCount: count, dealers),
            survivors: PositionSet(rosterCount: count, survivors.intersection(dealers)))
        var selfSeeds: Set<Position> = []
        var pairs: Set<[Position]> = []
        for secret in plan.secrets {
            if let pair = plan.pair(of: secret) {
                pairs.insert([pair.lower, pair.upper])
            } else {
                selfSeeds.insert(secret.dealer)
            }
        }
        func isKnown(_ one: Position, _ other: Position) -> Bool {
            corrupt.contains(one) || corrupt.contains(other) || pairs.contains([min(one, other), max(one, other)])
        }
        let open = honest.filter(selfSeeds.contains)
        let sums = (1..<max(1, 1 << open.count)).map { bits in
            Set(open.indices.filter { bits >> $0 & 1 == 1 }.map { open[$0] })
        }.filter { sum in
            // What is left of the pair masks must be known: those that only one of the two put into this sum.
            (1...count).allSatisfy { one in
                (1...count).filter { $0 > one }.allSatisfy { other in
                    let first = sum.contains(one) && view(one).contains(other)
                    let second = sum.contains(other) && view(other).contains(one)
                    return first == second || isKnown(one, other)
                }
            }
        }
        honestSums = Set(sums.filter { sum in !sums.contains { $0.isStrictSubset(of: sum) } })
    }
}
