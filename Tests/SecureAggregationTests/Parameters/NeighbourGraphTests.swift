// SPDX-License-Identifier: Apache-2.0
// Checks rings against their definition, and which sets an aggregator may not pick.

import Federation
import SecureAggregation
import Testing

@Suite struct NeighbourGraphTests {
    private func key(_ seed: Int) -> Digest { Digest(of: "\(seed)".utf8, domain: "graph test") }

    @Test func inTheCompleteGraphEverybodyIsANeighbour() {
        let graph = NeighbourGraph.complete(5)
        #expect(graph.isComplete && graph.neighbourCount == 4)
        #expect(graph.neighbours(of: 3) == [1, 2, 4, 5])
        #expect(graph.closedNeighbourhood(of: 3) == [1, 2, 3, 4, 5])
        #expect(graph.areNeighbours(1, 5) && !graph.areNeighbours(2, 2))
        #expect(graph.ringOrder == nil && graph.window(from: 0) == nil)
    }

    @Test(arguments: [(101, 36), (101, 100), (128, 72), (501, 144)])
    func ringsAreRegularAndSymmetric(count: Int, neighbours: Int) throws {
        let graph = try NeighbourGraph.ring(count: count, neighbours: neighbours, key: key(count))
        let order = try #require(graph.ringOrder)
        #expect(order.sorted() == Array(1...count))
        #expect(graph.neighbourCount == neighbours)
        for position in 1...count {
            let near = graph.neighbours(of: position)
            #expect(near.count == neighbours && near == near.sorted() && !near.contains(position))
            #expect(graph.closedNeighbourhood(of: position) == (near + [position]).sorted())
            let wrong = (1...count).count { graph.areNeighbours(position, $0) != near.contains($0) }
            #expect(wrong == 0)
            let asymmetric = near.count { !graph.neighbours(of: $0).contains(position) }
            #expect(asymmetric == 0)
        }
    }

    @Test func windowsGoRoundTheRing() {
        let graph = NeighbourGraph.ring(order: Array((1...10).reversed()), neighbours: 6)
        #expect(graph.window(from: 0) == [10, 9, 8])
        #expect(graph.window(from: 8) == [2, 1, 10])
        #expect(graph.neighbours(of: 10) == [1, 2, 3, 7, 8, 9])
    }

    @Test func anotherKeyIsAnotherRing() throws {
        let one = try NeighbourGraph.ring(count: 101, neighbours: 60, key: key(1))
        #expect(try one == .ring(count: 101, neighbours: 60, key: key(1)))
        #expect(try one != .ring(count: 101, neighbours: 60, key: key(2)))
    }

    @Test func theGraphOfARoundFollowsItsParameters() throws {
        #expect(try NeighbourGraph(.complete(7), key: nil) == .complete(7))
        let parameters = try SumParameters.standard(150)
        #expect(try NeighbourGraph(parameters, key: key(1)).neighbourCount == 86)
        #expect(throws: SecureSumError.wrongReveal) { try NeighbourGraph(parameters, key: nil) }
    }

    /// 200 keys of 101 sites: each place sees each third of the positions about equally often.
    ///
    /// 101 places, deviation of six standard deviations: false alarm below 101 · 3 · 2 · 10⁻⁹.
    @Test func noPlaceFavoursAPosition() throws {
        var counts = [[Int]](repeating: [0, 0, 0], count: 101)
        for seed in 0..<200 {
            let order = try #require(try NeighbourGraph.ring(count: 101, neighbours: 2, key: key(seed)).ringOrder)
            for (place, position) in order.enumerated() { counts[place][min(2, (position - 1) / 34)] += 1 }
        }
        // Binomial(200, about 1/3): mean 67, standard deviation 6.7.
        for place in counts { for count in place { #expect((26...108).contains(count)) } }
    }
}

@Suite struct AdmissibleSetTests {
    private func setting(_ count: Int, seed: UInt64) throws -> (SumParameters, NeighbourGraph) {
        let parameters = try SumParameters.standard(count)
        return (parameters, try NeighbourGraph(parameters, key: Digest(of: "\(seed)".utf8, domain: "admissible")))
    }

    @Test(arguments: 3...12)
    func inTheCompleteGraphTheQuorumDecides(count: Int) throws {
        let parameters = try SumParameters.complete(count)
        for members in 0...count {
            let set = PositionSet(rosterCount: count, 1..<members + 1)
            #expect(
                NeighbourGraph.complete(count).isAdmissible(set, parameters: parameters)
                    == (members >= parameters.quorum))
        }
    }

    /// The sliding counts against the definition, word for word.
    @Test(arguments: [101, 150])
    func slidingWindowsAgreeWithTheDefinition(count: Int) throws {
        let (parameters, graph) = try setting(count, seed: 7)
        var random = SplitMix(seed: UInt64(count))
        var verdicts: Set<Bool> = []
        let order = try #require(graph.ringOrder)
        for _ in 0..<60 {
            // Some late at random, some beside each other on the ring.
            let scattered = (1...count).shuffled(using: &random).prefix(Int.random(in: 0...5, using: &random))
            let start = Int.random(in: 0..<count, using: &random)
            let arc = (0..<Int.random(in: 0...graph.neighbourCount / 4, using: &random)).map {
                order[(start + $0) % count]
            }
            let late = Set(scattered).union(arc)
            let set = PositionSet(rosterCount: count, (1...count).filter { !late.contains($0) })
            let isThick = try (0..<count).allSatisfy { place in
                try #require(graph.window(from: place)).count(where: set.contains) >= parameters.windowMinimum
            }
            let isHeld = set.positions.allSatisfy {
                graph.closedNeighbourhood(of: $0).count(where: set.contains) >= parameters.threshold
            }
            let expected = set.count >= parameters.quorum && isThick && isHeld
            #expect(graph.isAdmissible(set, parameters: parameters) == expected)
            verdicts.insert(expected)
        }
        #expect(verdicts == [true, false])
    }

    /// The victim's honest neighbours are declared late, as many as the quorum allows.
    ///
    /// Source of the attack: privacy design review, A3.
    @Test(arguments: [101, 200, 500])
    func isolatingASiteIsInadmissible(count: Int) throws {
        for seed in 0..<20 {
            let (parameters, graph) = try setting(count, seed: UInt64(seed))
            var random = SplitMix(seed: UInt64(count * 100 + seed))
            let corrupt = Set((1...count).shuffled(using: &random).prefix(parameters.colluders))
            let victim = try #require((1...count).first { !corrupt.contains($0) })
            var set = PositionSet.full(count)
            for late in graph.neighbours(of: victim) where !corrupt.contains(late) && set.count > parameters.quorum {
                set.remove(late)
            }
            #expect(!graph.isAdmissible(set, parameters: parameters))
        }
    }

    /// Two gaps of k/2 late places cut the ring in arcs, and two cuts of corrupt sites would show the sum of each.
    @Test(arguments: [101, 200, 500])
    func cuttingTheRingInArcsIsInadmissible(count: Int) throws {
        for seed in 0..<20 {
            let (parameters, graph) = try setting(count, seed: UInt64(seed))
            var random = SplitMix(seed: UInt64(count * 100 + seed))
            let corrupt = Set((1...count).shuffled(using: &random).prefix(parameters.colluders))
            let order = try #require(graph.ringOrder)
            var set = PositionSet.full(count)
            for start in [0, count / 2] {
                for place in start..<start + graph.neighbourCount / 2 where !corrupt.contains(order[place % count]) {
                    set.remove(order[place % count])
                }
            }
            #expect(!graph.isAdmissible(set, parameters: parameters))
        }
    }

    /// Corrupt sites where the permutation puts them, and sets as hostile as the rule allows: late sites are chosen from
    /// the honest ones, in gaps, around victims or at random, as long as the set stays admissible.
    @Test(arguments: [101, 128, 150, 200, 300, 400, 500])
    func theHonestPartOfEveryAdmissibleSetIsConnected(count: Int) throws {
        for seed in 0..<4 {
            let (parameters, graph) = try setting(count, seed: UInt64(seed))
            var random = SplitMix(seed: UInt64(count * 100 + seed))
            let corrupt = Set((1...count).shuffled(using: &random).prefix(parameters.colluders))
            for order in try orders(of: graph, without: corrupt, random: &random) {
                var set = PositionSet.full(count)
                #expect(graph.isAdmissible(set, parameters: parameters))
                for position in order {
                    set.remove(position)
                    if !graph.isAdmissible(set, parameters: parameters) { set.insert(position) }
                }
                #expect(set.count < count)
                #expect(isConnected(set.positions.filter { !corrupt.contains($0) }, in: graph), "seed \(seed)")
            }
        }
    }

    /// Orders in which honest sites are declared late.
    private func orders(
        of graph: NeighbourGraph, without corrupt: Set<Position>, random: inout SplitMix
    ) throws -> [[Position]] {
        let ring = try #require(graph.ringOrder)
        let honest = ring.filter { !corrupt.contains($0) }
        let victim = honest[0]
        let half = graph.count / 2
        let around = graph.neighbours(of: victim).filter { !corrupt.contains($0) }
        // Alternately from two opposite places: two gaps grow at the same time.
        let gaps = (0..<half).flatMap { [ring[$0], ring[($0 + half) % graph.count]] }.filter { !corrupt.contains($0) }
        return [honest, honest.shuffled(using: &random), around + honest.filter { $0 != victim }, gaps]
    }

    private func isConnected(_ members: [Position], in graph: NeighbourGraph) -> Bool {
        guard let first = members.first else { return true }
        var rest = Set(members)
        rest.remove(first)
        var frontier = [first]
        while let site = frontier.popLast() {
            for neighbour in graph.neighbours(of: site) where rest.remove(neighbour) != nil {
                frontier.append(neighbour)
            }
        }
        return rest.isEmpty
    }

    /// Colluders beyond the assumption do cut the ring: the test above can fail.
    @Test func withAThinnerRuleTheRingIsCut() throws {
        let (_, graph) = try setting(200, seed: 1)
        let thin = try #require(
            TestParameters.sparse(count: 200, threshold: 2, neighbours: graph.neighbourCount, windowMinimum: 1))
        let order = try #require(graph.ringOrder)
        let reach = graph.neighbourCount / 2
        // On either side of the ring a third of a quorum's slack is late, and after that only corrupt sites stand up to
        // the reach of a neighbour.
        let gap = 33
        let corrupt = Set([0, 1].flatMap { side in (gap..<reach).map { order[(100 * side + $0) % 200] } })
        var set = PositionSet.full(200)
        for side in [0, 1] { for place in 0..<gap { set.remove(order[100 * side + place]) } }
        #expect(graph.isAdmissible(set, parameters: thin))
        #expect(!isConnected(set.positions.filter { !corrupt.contains($0) }, in: graph))
    }
}
