// SPDX-License-Identifier: Apache-2.0
// Sums made of arbitrary integers, as one lying site can make them: refused or finite, never a trap.

import Federation
import NeuralNetworks
import Randomness
import RingArithmetic
import Testing

@Suite struct HostileSumTests {
    private static let favourites: [Int64] = [
        0, 1, -1, 2, 100, 1 << 20, 1 << 30, 1 << 31, 1 << 53, 1 << 62, .max, .max - 1, .min, .min + 1,
    ]

    private func draw(_ count: Int, using generator: inout SeededGenerator) -> [Int64] {
        (0..<count).map { _ in
            switch generator.index(below: 4) {
            case 0: Int64(bitPattern: generator.next())
            case 1: Int64(generator.index(below: 1_000))
            default: Self.favourites[generator.index(below: Self.favourites.count)]
            }
        }
    }

    @Test func statisticsAreRefusedOrFinite() throws {
        var generator = SeededGenerator(seed: 1, stream: "hostile statistics")
        for isStandardized in [false, true] {
            let sum = try StatisticsSum(contract: SampleTable.contract(isStandardized: isStandardized))
            for _ in 0..<3_000 {
                guard let result = try? sum.result(of: draw(16, using: &generator)) else { continue }
                // A value that is not finite has no canonical bytes.
                #expect(!result.preprocessing.canonicalValue.bytes.isEmpty)
            }
        }
    }

    /// Plausible everywhere but in one place, so that every check behind the first is reached.
    @Test func oneWrongElementIsRefusedOrFinite() throws {
        var generator = SeededGenerator(seed: 2, stream: "hostile statistics")
        let sum = try StatisticsSum(contract: SampleTable.contract(isStandardized: true))
        let good = SampleTable.random(rows: 50, using: &generator).vector
        var refused = 0
        for index in good.indices {
            for value in Self.favourites {
                var bad = good
                bad[index] = value
                guard let result = try? sum.result(of: bad) else {
                    refused += 1
                    continue
                }
                #expect(!result.preprocessing.canonicalValue.bytes.isEmpty)
            }
        }
        #expect(refused > 150)
    }

    @Test func updatesAreRefusedOrFinite() throws {
        var generator = SeededGenerator(seed: 3, stream: "hostile updates")
        for strategy: Strategy in [.fedAvg, .fedNova, .scaffold(learningRate: 1)] {
            let sum = try UpdateSum(
                terms: Study.sample { $0.strategy = strategy }.federation, parameterCount: 1 << 28, sites: 1_000)
            for _ in 0..<3_000 {
                var totals = draw(5, using: &generator)
                if generator.index(below: 2) == 0 { totals[0] = Int64(1_000 + generator.index(below: 60_000)) }
                guard let summary = try? sum.summary(totals: totals, survivors: 1_000) else { continue }
                #expect(summary.loss.isFinite && summary.updateFactor.isFinite && (0...1).contains(summary.clipRate))
            }
        }
    }

    @Test func evaluationsAreRefusedOrFinite() throws {
        var generator = SeededGenerator(seed: 4, stream: "hostile evaluations")
        let range = (minimum: 0.0, maximum: 1e15)
        for task: LearningTask in [.binary, .multiclass(classes: 3), .regression] {
            let sum = try EvaluationSum(task: task, bins: 2)
            let elements = sum.layout.index(named: "positives").map { sum.layout.sections[$0].count } ?? 0
            for _ in 0..<3_000 {
                let counts = EvaluationSum.Counts(
                    positives: draw(elements, using: &generator), negatives: draw(elements, using: &generator),
                    moments: draw(7, using: &generator))
                guard let metrics = try? sum.metrics(of: counts, labelRange: range) else { continue }
                #expect(metrics.named.allSatisfy { $0.value.isFinite })
            }
        }
    }

    @Test func anyOutputsGiveCounts() throws {
        var generator = SeededGenerator(seed: 5, stream: "hostile outputs")
        let range = (minimum: 0.0, maximum: 3.0)
        for task: LearningTask in [.binary, .multiclass(classes: 3), .regression] {
            let sum = try EvaluationSum(task: task, bins: 16)
            for _ in 0..<2_000 {
                let outputs = (0..<task.head.outputs).map { _ in
                    Float(bitPattern: UInt32(truncatingIfNeeded: generator.next()))
                }
                let label = Float(generator.index(below: task == .binary ? 2 : 3))
                let counts = sum.counts(outputs: outputs, labels: [label], labelRange: range)
                // A site's own counts are always plausible.
                #expect(try sum.metrics(of: counts, labelRange: range).named.allSatisfy { $0.value.isFinite })
            }
        }
    }
}
