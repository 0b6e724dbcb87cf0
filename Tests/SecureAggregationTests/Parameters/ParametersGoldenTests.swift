// SPDX-License-Identifier: Apache-2.0
// Compares tails, sizes of sparse graphs, permutations and verdicts on sets with numbers from exact arithmetic.

import Federation
import Foundation
import SecureAggregation
import Testing

/// `protocol/vectors/secagg/parameters.json`, made by `make-parameter-vectors.py` with whole numbers.
private struct ParameterVectors: Decodable {
    struct Row: Decodable {
        var sites: Int
        var corrupt: Int
        var lost: Int
        var neighbours: Int
        var threshold: Int
        var windowMinimum: Int
        var log2CorruptNearby: Double?
        var log2CorruptInWindow: Double?
    }

    struct Tail: Decodable {
        var population: Int
        var marked: Int
        var draws: Int
        var atLeast: Int
        var log2: Double?
    }

    struct Graph: Decodable {
        struct Judged: Decodable {
            var name: String
            var bitmap: String
            var verdict: String
        }

        var key: String
        var sites: Int
        var neighbours: Int
        var threshold: Int
        var windowMinimum: Int
        var order: [Int]
        var neighboursOf: [String: [Int]]
        var sets: [Judged]
    }

    var table: [Row]
    var tails: [Tail]
    var graphs: [Graph]
}

@Suite struct ParametersGoldenTests {
    private let vectors: ParameterVectors

    init() throws {
        vectors = try GoldenVectors.decode(ParameterVectors.self, from: "secagg/parameters.json")
        try #require(!vectors.table.isEmpty && !vectors.tails.isEmpty && !vectors.graphs.isEmpty)
    }

    @Test func everyCellOfTheTableIsFound() throws {
        for row in vectors.table {
            let found = try SumParameters.sparse(count: row.sites, colluders: row.corrupt, losses: row.lost)
            #expect(found.neighbours == row.neighbours, "\(row)")
            #expect(found.threshold == row.threshold, "\(row)")
            #expect(found.windowMinimum == row.windowMinimum, "\(row)")
        }
    }

    @Test func tailsAreExactToElevenDigits() {
        var all = vectors.tails.map { ($0, $0.log2, 1) }
        for row in vectors.table {
            all.append(
                (
                    ParameterVectors.Tail(
                        population: row.sites - 1, marked: row.corrupt, draws: row.neighbours, atLeast: row.threshold),
                    row.log2CorruptNearby, row.sites
                ))
            all.append(
                (
                    ParameterVectors.Tail(
                        population: row.sites, marked: row.corrupt, draws: row.neighbours / 2,
                        atLeast: row.windowMinimum),
                    row.log2CorruptInWindow, row.sites
                ))
        }
        for (tail, expected, factor) in all {
            let found = HypergeometricTail(population: tail.population, marked: tail.marked, draws: tail.draws)
                .probability(atLeast: tail.atLeast)
            if let expected {
                // The file has nine digits after the point.
                #expect(abs(log2(found * Double(factor)) - expected) < 1e-9, "\(tail)")
            } else {
                #expect(found == 0)
            }
        }
    }

    @Test func graphsOfAKeyAreTheSameEverywhere() throws {
        for vector in vectors.graphs {
            let graph = try graph(vector)
            #expect(graph.ringOrder == vector.order)
            for (position, neighbours) in vector.neighboursOf {
                #expect(graph.neighbours(of: try #require(Int(position))) == neighbours)
            }
        }
    }

    @Test func setsAreJudgedTheSameEverywhere() throws {
        var verdicts: Set<String> = []
        for vector in vectors.graphs {
            let graph = try graph(vector)
            // A graph of other numbers than the standard's is stronger or weaker; the judgement of sets is the same.
            let parameters = TestParameters.sparse(
                count: vector.sites, threshold: vector.threshold, neighbours: vector.neighbours,
                windowMinimum: vector.windowMinimum)
            for judged in vector.sets {
                let bytes = try #require([UInt8](hex: judged.bitmap))
                let set = try #require(PositionSet(rosterCount: vector.sites, bitmap: bytes))
                let found = graph.inadmissibility(of: set, parameters: try #require(parameters))
                #expect(Self.name(found) == judged.verdict, "\(judged.name)")
                verdicts.insert(judged.verdict)
            }
        }
        #expect(verdicts == ["admissible", "tooFew", "thinWindow", "thinNeighbourhood"])
    }

    private func graph(_ vector: ParameterVectors.Graph) throws -> NeighbourGraph {
        let key = try #require(Digest(hex: vector.key))
        return try .ring(count: vector.sites, neighbours: vector.neighbours, key: key)
    }

    private static func name(_ verdict: Inadmissibility?) -> String {
        switch verdict {
        case nil: "admissible"
        case .tooFew: "tooFew"
        case .thinWindow: "thinWindow"
        case .thinNeighbourhood: "thinNeighbourhood"
        case .thinCohort: "thinCohort"
        }
    }
}

/// Parameters that are no standard, through the door that judges the numbers of others.
enum TestParameters {
    /// nil where they would protect against nobody.
    static func sparse(count: Int, threshold: Int, neighbours: Int, windowMinimum: Int) -> SumParameters? {
        // With so many colluders assumed as the numbers bear, which is none for the smallest ones.
        try? SumParameters(
            checking: SecureTask.Numbers(
                sites: count, quorum: SumParameters.quorum(of: count), threshold: threshold, neighbours: neighbours,
                windowMinimum: windowMinimum, minSurvivors: 0, minimumHonest: 2, colluders: 0, maxLoneDifferences: nil))
    }
}
