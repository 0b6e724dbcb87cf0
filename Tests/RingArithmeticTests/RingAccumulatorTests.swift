// SPDX-License-Identifier: Apache-2.0
// Checks that chunks may be cut anywhere and that a broken contribution never becomes a total.

import Randomness
import RingArithmetic
import Testing

@Suite struct RingAccumulatorTests {
    private func contributions(_ count: Int) throws -> [RingVector] {
        var generator = SeededGenerator(seed: 7, stream: "contributions")
        let layout = try RingLayout.mixed
        return (0..<count).map { _ in RingVector.random(layout, using: &generator) }
    }

    @Test func totalIsTheSumModuloEachRing() throws {
        let vectors = try contributions(12)
        var accumulator = RingAccumulator(layout: vectors[0].layout)
        for vector in vectors { try accumulator.addWhole(vector.packed(), cutAt: []) }
        #expect(accumulator.contributionCount == 12)
        let total = try accumulator.total()
        for (section, description) in total.layout.sections.enumerated() {
            for index in 0..<description.count {
                let sum = vectors.reduce(Int64(0)) { $0 &+ $1[section: section, index: index] }
                #expect(
                    total[section: section, index: index]
                        == PlainRing.signed(sum, bits: description.elementBits.ringBits))
            }
        }
    }

    @Test func theMemoryOfAnEarlierSumLeavesNothingInTheNext() throws {
        let vectors = try contributions(3)
        var accumulator = RingAccumulator(reusing: vectors[0])
        for vector in vectors[1...] { try accumulator.addWhole(vector.packed(), cutAt: []) }
        #expect(try accumulator.total().numbers == sum(Array(vectors[1...])).numbers)
    }

    @Test func oneCutAtEveryByteChangesNothing() throws {
        let vectors = try contributions(2)
        let bytes = vectors.map { $0.packed() }
        for cut in 0...bytes[0].count {
            var accumulator = RingAccumulator(layout: vectors[0].layout)
            for contribution in bytes { try accumulator.addWhole(contribution, cutAt: [cut]) }
            #expect(try accumulator.total().numbers == sum(vectors).numbers, "cut at \(cut)")
        }
    }

    @Test func everyChunkSizeGivesTheSameTotal() throws {
        let vectors = try contributions(2)
        let bytes = vectors.map { $0.packed() }
        for size in 1...bytes[0].count {
            var accumulator = RingAccumulator(layout: vectors[0].layout)
            let cuts = Array(stride(from: size, to: bytes[0].count, by: size))
            for contribution in bytes { try accumulator.addWhole(contribution, cutAt: cuts) }
            #expect(try accumulator.total().numbers == sum(vectors).numbers, "chunks of \(size)")
        }
    }

    /// Every ring width with a section that ends in each place of a group, cut at random places.
    @Test(arguments: 2...32)
    func everyWidthSurvivesRandomCuts(bits: Int) throws {
        var generator = SeededGenerator(seed: UInt64(bits), stream: "cuts")
        for count in 1...25 {
            let layout = try RingLayout([
                RingSection(name: "a", count: count, elementBits: .bits32(ringBits: bits)),
                RingSection(name: "b", count: 2, elementBits: .bits64),
            ])
            let vector = RingVector.random(layout, using: &generator)
            let bytes = vector.packed()
            var cuts: [Int] = []
            while (cuts.last ?? 0) < bytes.count { cuts.append((cuts.last ?? 0) + 1 + generator.index(below: 40)) }
            var accumulator = RingAccumulator(layout: layout)
            try accumulator.addWhole(bytes, cutAt: cuts.filter { $0 < bytes.count })
            #expect(try accumulator.total().numbers == vector.numbers)
        }
    }

    @Test func contributionsMayTakeTurns() throws {
        let vectors = try contributions(2)
        let bytes = vectors.map { $0.packed() }
        var accumulator = RingAccumulator(layout: vectors[0].layout)
        var first = try accumulator.begin(byteCount: bytes[0].count)
        var second = try accumulator.begin(byteCount: bytes[1].count)
        for start in stride(from: 0, to: bytes[0].count, by: 13) {
            let range = start..<min(start + 13, bytes[0].count)
            try bytes[0][range].withUnsafeBytes { try accumulator.add(packed: $0, to: &first) }
            try bytes[1][range].withUnsafeBytes { try accumulator.add(packed: $0, to: &second) }
        }
        try accumulator.finish(first)
        try accumulator.finish(second)
        #expect(try accumulator.total().numbers == sum(vectors).numbers)
    }

    @Test func wrongLengthAtTheBeginningLeavesTheSumUsable() throws {
        let vector = try contributions(1)[0]
        var accumulator = RingAccumulator(layout: vector.layout)
        let expected = vector.layout.packedByteCount
        var refused: RingError?
        do { _ = try accumulator.begin(byteCount: expected + 1) } catch { refused = error }
        #expect(refused == .wrongLength(expected: expected, actual: expected + 1))
        try accumulator.addWhole(vector.packed(), cutAt: [])
        #expect(try accumulator.total().numbers == vector.numbers)
    }

    @Test func surplusBytesSpoilTheSum() throws {
        let vector = try contributions(1)[0]
        var accumulator = RingAccumulator(layout: vector.layout)
        let expected = vector.layout.packedByteCount
        var refused: RingError?
        do { try accumulator.addWhole(vector.packed() + [1], cutAt: [], announcing: expected) } catch {
            refused = error
        }
        #expect(refused == .wrongLength(expected: expected, actual: expected + 1))
        #expect(outcome(of: accumulator) == .spoiled)
    }

    @Test func missingBytesSpoilTheSum() throws {
        let vector = try contributions(1)[0]
        var accumulator = RingAccumulator(layout: vector.layout)
        let expected = vector.layout.packedByteCount
        var refused: RingError?
        do { try accumulator.addWhole(vector.packed().dropLast(), cutAt: [], announcing: expected) } catch {
            refused = error
        }
        #expect(refused == .wrongLength(expected: expected, actual: expected - 1))
        refused = nil
        do { _ = try accumulator.begin(byteCount: expected) } catch { refused = error }
        #expect(refused == .spoiled)
        #expect(outcome(of: accumulator) == .spoiled)
    }

    @Test func garbageInPaddingSpoilsTheSumWhereverItIsCut() throws {
        let vector = try contributions(1)[0]
        for padded in vector.layout.paddedBytes {
            var bytes = vector.packed()
            bytes[padded.byteOffset] |= 0x80
            for cut in [0, padded.byteOffset - 1, padded.byteOffset, padded.byteOffset + 1] {
                var accumulator = RingAccumulator(layout: vector.layout)
                var refused: RingError?
                do { try accumulator.addWhole(bytes, cutAt: [cut]) } catch { refused = error }
                #expect(refused == .nonzeroPadding(section: padded.section))
                #expect(outcome(of: accumulator) == .spoiled)
            }
        }
    }

    @Test func openContributionGivesNoTotal() throws {
        let vector = try contributions(1)[0]
        var accumulator = RingAccumulator(layout: vector.layout)
        _ = try accumulator.begin(byteCount: vector.layout.packedByteCount)
        #expect(outcome(of: accumulator) == .unfinishedContribution)
    }

    private func sum(_ vectors: [RingVector]) -> RingVector {
        vectors.dropFirst().reduce(into: vectors[0]) { $0.add($1) }
    }

    private func outcome(of accumulator: consuming RingAccumulator) -> RingError? {
        do {
            _ = try accumulator.total()
            return nil
        } catch { return error }
    }
}

@Suite struct RingAccumulatorGoldenTests {
    private struct File: Decodable {
        struct Round: Decodable {
            let ringBits: Int
            let dimension: Int
            let inputs: [String: [Int64]]
            let droppedAfterSharing: [Int]
            let sumOfSurvivors: [Int64]
        }

        let round: Round
    }

    @Test func survivorsOfThePublishedRoundAddUpToItsSum() throws {
        let round = try GoldenVectors.decode(File.self, from: "secagg/secagg.json").round
        let layout = try RingLayout([
            RingSection(name: "x", count: round.dimension, elementBits: .bits32(ringBits: round.ringBits))
        ])
        var accumulator = RingAccumulator(layout: layout)
        for (site, input) in round.inputs where !round.droppedAfterSharing.contains(Int(site)!) {
            var vector = RingVector(layout: layout)
            for (index, number) in input.enumerated() { vector[section: 0, index: index] = number }
            try accumulator.addWhole(vector.packed(), cutAt: [])
        }
        #expect(accumulator.contributionCount == round.inputs.count - round.droppedAfterSharing.count)
        #expect(try accumulator.total().numbers == round.sumOfSurvivors)
    }
}

extension RingAccumulator {
    /// Adds a contribution in the chunks between the cuts.
    mutating func addWhole(
        _ bytes: some Sequence<UInt8>, cutAt cuts: [Int], announcing announced: Int? = nil
    ) throws(RingError) {
        let bytes = Array(bytes)
        var contribution = try begin(byteCount: announced ?? bytes.count)
        var start = 0
        for end in cuts + [bytes.count] {
            let chunk = Array(bytes[start..<end])
            try chunk.withUnsafeBufferPointer { (chunk) throws(RingError) in
                try add(packed: UnsafeRawBufferPointer(chunk), to: &contribution)
            }
            start = end
        }
        try finish(contribution)
    }
}
