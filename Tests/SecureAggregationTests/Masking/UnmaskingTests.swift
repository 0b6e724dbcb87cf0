// SPDX-License-Identifier: Apache-2.0
// Checks that an unmasked sum is the plain sum of the survivors, whoever is lost, and nothing else ever is.

import Dispatch
import Federation
import Randomness
import RingArithmetic
import SecureAggregation
import Testing

/// One attempt in memory: what each site draws, masks and shares.
private struct Attempt {
    let graph: NeighbourGraph
    let count: Int
    let threshold: Int
    let dealers: PositionSet
    let layout: MaskLayout
    let context: Digest
    private let seed: UInt64

    init(
        graph: NeighbourGraph, count: Int, threshold: Int, dealers: PositionSet, layout: MaskLayout, seed: UInt64
    ) {
        (self.graph, self.count, self.threshold, self.dealers) = (graph, count, threshold, dealers)
        (self.layout, self.seed) = (layout, seed)
        context = Digest(of: [UInt8(truncatingIfNeeded: seed)], domain: "attempt")
    }

    func secrets(of site: Position) -> DealSecrets {
        DealSecrets(
            root: SecretBytes(
                copying: Digest(of: [UInt8(site % 256), UInt8(site / 256)], domain: "root \(seed)").bytes),
            context: context, partners: graph.neighbours(of: site).filter { $0 > site })
    }

    func plain(of site: Position) -> RingVector {
        var generator = SeededGenerator(seed: seed, stream: "site \(site)")
        var vector = RingVector(layout: layout.ring)
        for (section, description) in layout.ring.sections.dropLast().enumerated() {
            for index in 0..<description.count {
                vector[section: section, index: index] = Int64(bitPattern: generator.next())
            }
        }
        for index in 0..<4 { vector[section: layout.checkLaneSection, index: index] = 1 }
        return vector
    }

    func masked(of site: Position) throws -> RingVector {
        var masks = SiteMasks(position: site, selfSeed: secrets(of: site).selfSeed(), context: context)
        for other in graph.neighbours(of: site) where dealers.contains(other) {
            masks.addPair(with: other, seed: secrets(of: min(site, other)).pairSeed(with: max(site, other)))
        }
        return try RingVector.decode(
            maskedBytes(of: plain(of: site), layout: layout, masks: masks).bytes, layout: layout.ring)
    }

    func sum(of sites: [Position], _ vector: (Position) throws -> RingVector) rethrows -> RingVector {
        var sum = RingVector(layout: layout.ring)
        for site in sites { sum.add(try vector(site)) }
        return sum
    }

    /// With every secret of the plan rebuilt from t holders of its dealer's neighbourhood, the survivors first.
    func unmasking(survivors: PositionSet) throws -> Unmasking {
        let plan = UnmaskingPlan(graph: graph, dealers: dealers, survivors: survivors)
        var unmasking = Unmasking(layout: layout, plan: plan, context: context)
        for dealer in dealers.positions {
            let holders = Array(
                graph.closedNeighbourhood(of: dealer).filter(dealers.contains)
                    .sorted { survivors.contains($0) && !survivors.contains($1) }.prefix(threshold))
            let shares = try secrets(of: dealer).shares(for: holders, threshold: threshold)
            let interpolation = ShareInterpolation(positions: holders)
            for secret in plan.secrets(of: dealer) {
                unmasking.add(secret, seed: try interpolation.secret(from: shares.map { $0[Int(secret.index)] }))
            }
        }
        #expect(unmasking.missingSecrets.isEmpty)
        return unmasking
    }
}

@Suite struct UnmaskingTests {
    private func layout() throws -> MaskLayout {
        try MaskLayout(
            summing: [
                RingSection(name: "a", count: 53, elementBits: .bits32(ringBits: 18)),
                RingSection(name: "b", count: 5, elementBits: .bits64),
                RingSection(name: "c", count: 2, elementBits: .bits32(ringBits: 32)),
            ])
    }

    /// Random sizes, thresholds, dealers and losses on the complete graph.
    @Test(arguments: 1...40)
    func unmaskedSumIsThePlainSumOfTheSurvivors(seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed), stream: "attempts")
        let count = 3 + generator.index(below: 10)
        let threshold = 2 * count / 3 + 1
        let order = (1...count).shuffled(using: &generator)
        let dealerCount = threshold + generator.index(below: count - threshold + 1)
        let survivorCount = threshold + generator.index(below: dealerCount - threshold + 1)
        let attempt = Attempt(
            graph: .complete(count), count: count, threshold: threshold,
            dealers: PositionSet(rosterCount: count, order.prefix(dealerCount)), layout: try layout(),
            seed: UInt64(seed))
        let survivors = PositionSet(rosterCount: count, order.prefix(survivorCount))
        try check(attempt, survivors: survivors)
    }

    @Test(arguments: 1...4)
    func unmaskedSumOfASparseGraphIsThePlainSum(seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed), stream: "rings")
        let count = 24
        let order = (1...count).shuffled(using: &generator)
        let lost = Set(order.shuffled(using: &generator).prefix(3))
        let attempt = Attempt(
            graph: .ring(order: order, neighbours: 8), count: count, threshold: 5, dealers: .full(count),
            layout: try layout(), seed: UInt64(seed))
        try check(attempt, survivors: PositionSet(rosterCount: count, order.filter { !lost.contains($0) }))
    }

    private func check(_ attempt: Attempt, survivors: PositionSet) throws {
        let sites = survivors.positions
        var sum = try attempt.sum(of: sites) { try attempt.masked(of: $0) }
        let plain = attempt.sum(of: sites) { attempt.plain(of: $0) }
        let unmasking = try attempt.unmasking(survivors: survivors)
        #expect(sum.packed() != plain.packed())
        #expect(!unmasking.checkLanesHold(in: sum))
        try unmasking.remove(from: &sum)
        #expect(sum.packed() == plain.packed())
        #expect(unmasking.checkLanesHold(in: sum))
    }

    @Test func aVectorOfSomebodyElseBreaksTheCheckLanes() throws {
        let attempt = Attempt(
            graph: .complete(5), count: 5, threshold: 4, dealers: .full(5), layout: try layout(), seed: 7)
        let unmasking = try attempt.unmasking(survivors: PositionSet(rosterCount: 5, [1, 2, 3, 4]))
        for sites in [[1, 2, 3, 5], [1, 2, 3], [1, 2, 3, 4, 5], [1, 2, 3, 4, 4]] {
            var sum = try attempt.sum(of: sites) { try attempt.masked(of: $0) }
            try unmasking.remove(from: &sum)
            #expect(!unmasking.checkLanesHold(in: sum))
        }
    }

    @Test func aSeedThatIsNotTheOneMaskedWithBreaksTheCheckLanes() throws {
        let attempt = Attempt(
            graph: .complete(4), count: 4, threshold: 3, dealers: .full(4), layout: try layout(), seed: 8)
        let survivors = PositionSet(rosterCount: 4, [1, 2, 4])
        let plan = UnmaskingPlan(graph: attempt.graph, dealers: attempt.dealers, survivors: survivors)
        for wrong in plan.secrets {
            var sum = try attempt.sum(of: survivors.positions) { try attempt.masked(of: $0) }
            var unmasking = Unmasking(layout: attempt.layout, plan: plan, context: attempt.context)
            for secret in plan.secrets {
                let seed = attempt.secrets(of: secret.dealer).secret(at: Int(secret.index))
                unmasking.add(
                    secret, seed: secret == wrong ? SecretBytes(copying: [UInt8](repeating: 0, count: 32)) : seed)
            }
            try unmasking.remove(from: &sum)
            #expect(!unmasking.checkLanesHold(in: sum))
        }
    }

    /// Several chunks, in both widths, by several threads at once.
    @Test func threadsRemoveTheSameMasks() throws {
        let elements = 3 * MaskLayout.chunkElements + 11
        let layout = try MaskLayout(
            summing: [
                RingSection(name: "a", count: elements, elementBits: .bits32(ringBits: 20)),
                RingSection(name: "b", count: MaskLayout.chunkElements + 1, elementBits: .bits64),
            ])
        let attempt = Attempt(
            graph: .complete(3), count: 3, threshold: 3, dealers: .full(3), layout: layout, seed: 9)
        let unmasking = try attempt.unmasking(survivors: .full(3))
        var serial = RingVector(layout: layout.ring)
        var parallel = serial
        try unmasking.remove(from: &serial)
        try unmasking.remove(from: &parallel) { count, body in
            DispatchQueue.concurrentPerform(iterations: count, execute: body)
        }
        #expect(serial.packed() == parallel.packed())
    }
}
