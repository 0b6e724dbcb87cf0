// SPDX-License-Identifier: Apache-2.0
// What colluding sites and the aggregator can compute from a sum, and what a poisoning site can and cannot do unseen.

import Federation
import RingArithmetic
import SecureAggregation
import Testing

@Suite struct SumAttackTests {
    // MARK: Colluders

    /// Every V1, U and set of at most c colluders among four to six sites: one combination of the honest vectors can be
    /// computed, and it is their sum over U.
    @Test(arguments: [4, 5, 6])
    func colludersLearnTheHonestSumAndNothingFiner(count: Int) throws {
        let parameters = try SumParameters.complete(count)
        var cases = 0
        for dealers in subsets(of: Array(1...count)) where dealers.count >= parameters.quorum {
            for survivors in subsets(of: dealers) where survivors.count >= parameters.quorum {
                for corrupt in subsets(of: Array(1...count)) where corrupt.count <= parameters.colluders {
                    let view = View(graph: .complete(count), dealers: dealers, survivors: survivors, corrupt: corrupt)
                    #expect(view.honestSums == [view.honestSurvivors])
                    cases += 1
                }
            }
        }
        #expect(cases > 0)
    }

    /// The same in a sparse graph, with as many colluders and losses as its parameters allow.
    @Test(arguments: [1, 2, 3])
    func colludersOfASparseGraphLearnTheHonestSumAndNothingFiner(seed: UInt64) throws {
        let parameters = try SumParameters.standard(101)
        let graph = try NeighbourGraph(parameters, key: Digest(of: [UInt8(seed)], domain: "collusion"))
        var random = SplitMix(seed: seed)
        let order = (1...101).shuffled(using: &random)
        let corrupt = Array(order.prefix(parameters.colluders))
        let survivors = Array(order.dropLast(10))
        #expect(graph.isAdmissible(PositionSet(rosterCount: 101, survivors), parameters: parameters))
        let view = View(graph: graph, dealers: Array(1...101), survivors: survivors.sorted(), corrupt: corrupt)
        #expect(view.honestSums == [view.honestSurvivors])
    }

    /// The computation finds what there is to find: without pair masks between honest sites each is read alone.
    @Test func sitesWithoutACommonMaskAreReadAlone() {
        let view = View(graph: .complete(4), dealers: [1, 2, 3, 4], survivors: [1, 2, 3, 4], corrupt: [2, 3, 4])
        #expect(view.honestSums == [[1]])
        let ring = NeighbourGraph.ring(order: [1, 2, 3, 4, 5, 6], neighbours: 2)
        let cut = View(graph: ring, dealers: Array(1...6), survivors: Array(1...6), corrupt: [1, 4])
        #expect(Set(cut.honestSums) == [[2, 3], [5, 6]])
    }

    private func subsets(of positions: [Position]) -> [[Position]] {
        (0..<1 << positions.count).map { bits in
            positions.indices.filter { bits >> $0 & 1 == 1 }.map { positions[$0] }
        }
    }

    // MARK: Poisoning

    private static let layout = Result {
        try MaskLayout(summing: [RingSection(name: "values", count: 3, elementBits: .bits32(ringBits: 18))])
    }

    /// The sum of what five sites send, without masks, as it stands once they are off.
    private func sum(_ values: [Int64], lanes: [Int64]? = nil) throws -> RingVector {
        let layout = try Self.layout.get()
        var accumulator = RingAccumulator(layout: layout.ring)
        for (site, value) in values.enumerated() {
            var packed: [UInt8] = []
            var writer = RingWriter(layout: layout.ring)
            let sections = [[value, value, value], site == 0 ? lanes ?? [1, 1, 1, 1] : [1, 1, 1, 1]]
            for section in sections {
                try writer.write(integers: section) { piece in packed += Array(piece) }
            }
            writer.finish()
            var contribution = try accumulator.begin(byteCount: packed.count)
            try packed.withUnsafeBytes { try accumulator.add(packed: $0, to: &contribution) }
            try accumulator.finish(contribution)
        }
        return try accumulator.total()
    }

    private func lanesHold(_ sum: RingVector) throws -> Bool {
        let plan = UnmaskingPlan(graph: .complete(5), dealers: .full(5), survivors: .full(5))
        return Unmasking(layout: try Self.layout.get(), plan: plan, context: Digest(of: [], domain: "poison"))
            .checkLanesHold(in: sum)
    }

    /// A site that counts itself twice, or not at all, or whose masks are others than it dealt, shows in the lanes.
    @Test func aVectorThatCountsForAnotherNumberOfSitesIsSeen() throws {
        #expect(try lanesHold(sum([1, 2, 3, 4, 5])))
        for lanes in [[2, 2, 2, 2], [0, 0, 0, 0], [1, 1, 1, 2], [-1, 1, 1, 1]] as [[Int64]] {
            #expect(try !lanesHold(sum([1, 2, 3, 4, 5], lanes: lanes)))
        }
    }

    /// Not promised: one site's values may be anything in the ring, also such that the sum wraps; nobody sees it.
    @Test func aSiteCanSpoilTheSumWithinTheRingUnseen() throws {
        let poisoned = try sum([(1 << 17) - 1, 2, 3, 4, 5])
        #expect(try lanesHold(poisoned))
        #expect(poisoned[section: 0, index: 0] == 13 - (1 << 17), "it wrapped")
        // What is promised: it moves the entries it sends for, by what it sends, and no other entry.
        #expect(poisoned[section: 0, index: 1] == poisoned[section: 0, index: 0])
    }

    /// A vector that is longer, shorter, or has set bits after its end is refused before it is added.
    @Test func aVectorOfAnotherShapeIsRefused() throws {
        let layout = try Self.layout.get()
        var sum = RingAccumulator(layout: layout.ring)
        let size = layout.ring.packedByteCount
        for length in [0, size - 1, size + 1] {
            #expect(throws: RingError.wrongLength(expected: size, actual: length)) {
                _ = try sum.begin(byteCount: length)
            }
        }
        var packed = [UInt8](repeating: 0, count: size)
        packed[layout.ring.byteRanges[0].upperBound - 1] = 0x80
        var contribution = try sum.begin(byteCount: size)
        #expect(throws: RingError.nonzeroPadding(section: 0)) {
            try packed.withUnsafeBytes { try sum.add(packed: $0, to: &contribution) }
        }
    }
}

// MARK: Linear algebra

/// What the aggregator and colluding sites know of the honest vectors, once a set is unmasked.
///
/// Unknowns: the vectors x_h and the masks of honest sites whose seeds nobody of them knows. Known: y_h = x_h + masks for
/// every honest upload, self masks and dangling pair masks that were rebuilt, and each pair mask with a colluding end.
/// A combination of uploads is known without masks if it is in the left null space of the mask matrix. Fewer than t
/// colluders hold shares of the others, which say nothing (``SecretSharingTests``).
private struct View {
    let honestSurvivors: Set<Position>
    /// A basis of the known combinations, each as the sites that it adds; coefficients other than 0 and 1 would give
    /// no set and are reported as an empty one.
    let honestSums: [Set<Position>]

    init(graph: NeighbourGraph, dealers: [Position], survivors: [Position], corrupt: [Position]) {
        let dealt = PositionSet(rosterCount: graph.count, dealers)
        let released = UnmaskingPlan(
            graph: graph, dealers: dealt, survivors: PositionSet(rosterCount: graph.count, survivors))
        var known: Set<[Position]> = []
        for secret in released.secrets {
            if let pair = released.pair(of: secret) {
                known.insert([pair.lower, pair.upper])
            } else {
                known.insert([secret.dealer])
            }
        }
        // Everybody who dealt may have uploaded, late or not.
        let honest = dealers.filter { !corrupt.contains($0) }
        honestSurvivors = Set(honest.filter(survivors.contains))
        var columns: [[MersenneField]] = []
        let minusOne = MersenneField.zero - .one
        for (row, site) in honest.enumerated() {
            func column(_ other: Int? = nil) -> [MersenneField] {
                var column = [MersenneField](repeating: .zero, count: honest.count)
                column[row] = .one
                if let other { column[other] = minusOne }
                return column
            }
            if !known.contains([site]) { columns.append(column()) }
            for partner in graph.neighbours(of: site) where partner > site && !known.contains([site, partner]) {
                if let other = honest.firstIndex(of: partner) { columns.append(column(other)) }
            }
        }
        honestSums = Self.nullSpace(of: columns, unknowns: honest.count).map { combination in
            let isSet = combination.allSatisfy { $0 == .zero || $0 == .one }
            return isSet ? Set(honest.indices.filter { combination[$0] == .one }.map { honest[$0] }) : []
        }
    }

    /// A basis, in reduced form, of the vectors that each equation takes to zero.
    ///
    /// Shapes: equations `[any][unknowns]`.
    private static func nullSpace(of equations: [[MersenneField]], unknowns: Int) -> [[MersenneField]] {
        var rows = equations
        var pivots: [Int] = []
        for column in 0..<unknowns {
            guard let found = rows.indices.dropFirst(pivots.count).first(where: { rows[$0][column] != .zero }) else {
                continue
            }
            rows.swapAt(found, pivots.count)
            let pivot = pivots.count
            let inverse = MersenneField.inverses(of: [rows[pivot][column]])[0]
            rows[pivot] = rows[pivot].map { $0 * inverse }
            for row in rows.indices where row != pivot && rows[row][column] != .zero {
                let factor = rows[row][column]
                for index in column..<unknowns { rows[row][index] = rows[row][index] - factor * rows[pivot][index] }
            }
            pivots.append(column)
        }
        return (0..<unknowns).filter { !pivots.contains($0) }.map { free in
            var vector = [MersenneField](repeating: .zero, count: unknowns)
            vector[free] = .one
            for (row, pivot) in pivots.enumerated() { vector[pivot] = .zero - rows[row][free] }
            return vector
        }
    }
}
