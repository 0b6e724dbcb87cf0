// SPDX-License-Identifier: Apache-2.0
// Whatever sites are lost in whatever leg: the exact sum of the survivors, or no sum.

import Federation
import RingArithmetic
import SecureAggregation
import Testing

@Suite struct LocalRoundTests {
    @Test func withoutLossesTheSumIsThatOfAll() throws {
        let round = try round(count: 5, seed: 1)
        let all = Array(1...5)
        #expect(try round.run() == .sum(round.plainSum(of: all), survivors: all))
        for site in round.sites {
            #expect(site.machine.state == .closed(.included))
            #expect(site.updateChanges == [.exposed, .spent])
        }
    }

    /// Every pattern of up to two losses among four and five sites, at every leg.
    @Test(arguments: [4, 5])
    func everyPatternOfLossesGivesTheExactSumOrNone(count: Int) throws {
        for first in Leg.allCases where first != .never {
            for second in Leg.allCases {
                let round = try round(count: count, seed: 2)
                try check(round, losses: [2: first, count: second])
            }
        }
    }

    @Test(arguments: 1...20)
    func randomRoundsGiveTheExactSumOrNone(seed: Int) throws {
        var random = RandomObjects(seed: UInt64(1_000 + seed), count: 12)
        let count = 3 + Int(random.bytes(1)[0]) % 10
        let round = try round(count: count, seed: UInt64(seed))
        var losses: [Position: Leg] = [:]
        for _ in 0..<Int(random.bytes(1)[0]) % (count / 2 + 1) {
            let position = 1 + Int(random.bytes(1)[0]) % count
            losses[position] = Leg.allCases[Int(random.bytes(1)[0]) % (Leg.allCases.count - 1)]
        }
        try check(round, losses: losses)
    }

    /// In a sparse graph a site shares with its neighbours only.
    @Test func aSparseGraphGivesTheExactSum() throws {
        let parameters = try SumParameters.sparse(count: 101, colluders: 10, losses: 5)
        let graph = try NeighbourGraph(parameters, key: Digest(of: [7], domain: "graph of a test"))
        let round = try round(parameters: parameters, graph: graph, seed: 3)
        let lost: [Position: Leg] = [7: .input, 50: .sign, 99: .release]
        let survivors = (1...101).filter { $0 != 7 }
        #expect(try round.run(losses: lost) == .sum(round.plainSum(of: survivors), survivors: survivors))
    }

    // MARK: Crashes

    /// Every party is killed at every boundary at which it is at hand, or at one alone: the same outcome, the same bytes.
    @Test(arguments: [[:], [2: .input], [4: .release], [1: .sign, 3: .input], [2: .deal]] as [[Position: Leg]])
    func aCrashAtAnyBoundaryChangesNothing(losses: [Position: Leg]) throws {
        let plain = CrashSchedule()
        let expected = try round(count: 4, seed: 4).run(losses: losses, crashes: plain)
        #expect(plain.boundaries > 0)
        try check(round(count: 4, seed: 4), losses: losses, crashes: CrashSchedule { _ in true }, expected: expected)
        for boundary in 0..<plain.boundaries {
            let crashes = CrashSchedule { $0 == boundary }
            try check(round(count: 4, seed: 4), losses: losses, crashes: crashes, expected: expected)
        }
    }

    /// Random sizes, losses and crashes.
    @Test(arguments: 1...20)
    func randomCrashesGiveTheExactSumOrNone(seed: Int) throws {
        var random = RandomObjects(seed: UInt64(2_000 + seed), count: 12)
        let count = random.number(3...8)
        var losses: [Position: Leg] = [:]
        for _ in 0..<random.number(0...count / 2) {
            losses[random.number(1...count)] = Leg.allCases[random.number(0...Leg.allCases.count - 2)]
        }
        let logging: RoundTerms.Logging = seed % 2 == 0 ? .beforeRelease : .notAwaited
        func make() throws -> LocalRound { try round(count: count, seed: UInt64(seed), logging: logging) }
        let expected = try make().run(losses: losses)
        let struck = (0..<1_000).map { _ in random.number(0...2) == 0 }
        let crashes = CrashSchedule { struck[$0 % struck.count] }
        try check(make(), losses: losses, crashes: crashes, expected: expected)
    }

    private func check(
        _ round: LocalRound, losses: [Position: Leg], crashes: CrashSchedule = CrashSchedule(),
        expected: LocalOutcome? = nil
    ) throws {
        let outcome = try round.run(losses: losses, crashes: crashes)
        if let expected { #expect(outcome == expected) }
        for site in round.sites {
            #expect(site.maskedVectors.count <= 1, "no mask hides two vectors")
            #expect(site.maskedVectors.isEmpty == site.updateChanges.isEmpty)
            // An update that may be sent again is in no sum.
            if case .sum(_, let survivors) = outcome, survivors.contains(site.position) {
                #expect(!site.update.maySend)
            }
        }
        switch outcome {
        case .sum(let sums, let survivors):
            #expect(sums == round.plainSum(of: survivors))
            let uploaded = round.sites.filter { $0.machine.input != nil }.map(\.position)
            #expect(Set(survivors) == Set(uploaded))
        case .voided:
            for site in round.sites where site.updateChanges.contains(.exposed) && losses[site.position] == nil {
                #expect(
                    site.updateChanges == [.exposed, .free(.voidCertificate)]
                        || site.updateChanges == [.exposed, .free(.ownVoid)])
            }
        case .degraded: #expect(round.sites.allSatisfy { $0.updateChanges.isEmpty })
        case .stuck: break
        }
        let lostBeforeRelease = losses.values.count { $0 < .release }
        if lostBeforeRelease == 0, losses.count <= round.rules.parameters.toleratedLosses {
            guard case .sum = outcome else {
                Issue.record("no sum although few enough sites were lost, and those late")
                return
            }
        }
    }

    private func round(
        count: Int, seed: UInt64, logging: RoundTerms.Logging = .notAwaited
    ) throws -> LocalRound {
        try round(parameters: .complete(count), graph: .complete(count), seed: seed, logging: logging)
    }

    private func round(
        parameters: SumParameters, graph: NeighbourGraph, seed: UInt64, logging: RoundTerms.Logging = .notAwaited
    ) throws -> LocalRound {
        var random = RandomObjects(seed: seed, count: parameters.count)
        let layout = try MaskLayout(summing: [
            RingSection(name: "values", count: 37, elementBits: .bits32(ringBits: 18)),
            RingSection(name: "totals", count: 3, elementBits: .bits64),
        ])
        let vectors = (1...parameters.count).map { _ in
            [
                (0..<37).map { _ in Int64(Int8(bitPattern: random.bytes(1)[0])) },
                (0..<3).map { _ in Int64(random.bytes(1)[0]) << 40 },
            ]
        }
        let terms = RoundTerms(
            minimumSurvivors: parameters.quorum, minimumHonest: 2, colluders: parameters.colluders,
            logging: logging)
        return try LocalRound(
            parameters: parameters, graph: graph, terms: terms, layout: layout, vectors: vectors, random: &random)
    }
}
