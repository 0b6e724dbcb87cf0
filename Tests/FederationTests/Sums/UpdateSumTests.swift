// SPDX-License-Identifier: Apache-2.0
// The training round's sum: within one ring step of the plain weighted mean, and never wrapping.

import Federation
import Randomness
import RingArithmetic
import Testing

@Suite struct UpdateSumTests {
    /// What one site has to say in a training round.
    private struct Site {
        var weight: UInt32
        var steps: Double
        var loss: Double
        var change: [Float]
        var controlChange: [Float]
    }

    private static let parameterCount = 37

    private func terms(_ strategy: Strategy, _ numbers: NumberTerms = .standard) throws -> FederationTerms {
        try Study.sample {
            $0.strategy = strategy
            $0.numbers = numbers
        }.federation
    }

    private func draw(_ count: Int, clip: Float, using generator: inout SeededGenerator) -> [Site] {
        (0..<count).map { _ in
            func vector() -> [Float] {
                (0..<Self.parameterCount).map { _ in clip * (2 * generator.uniformFloat() - 1) }
            }
            return Site(
                weight: UInt32(1 + generator.index(below: 64)), steps: Double(1 + generator.index(below: 40)),
                loss: generator.uniformDouble() * 3, change: vector(), controlChange: vector())
        }
    }

    /// Sums the sites' vectors through their packed form, as a server does.
    private func summed(_ sum: UpdateSum, _ sites: [Site], seed: UInt64) throws -> RingVector {
        var stream = try RandomSource.seeded(forTestingAndSimulation: seed).keyedStream()
        var accumulator = RingAccumulator(layout: sum.layout)
        for (index, site) in sites.enumerated() {
            var vector = RingVector(layout: sum.layout)
            let scale = Float(sum.changeScale(normalizingWeight: site.steps))
            let block = UInt64(1_000 * index)
            var report = vector.quantize(
                site.change.map { $0 * scale }, section: 0, as: sum.fixedPoint, weight: site.weight, using: &stream,
                firstBlock: block)
            if sum.terms.strategy.usesControls {
                let controls = vector.quantize(
                    site.controlChange, section: 2, as: sum.fixedPoint, weight: 1, using: &stream,
                    firstBlock: block + 500)
                report.clipped += controls.clipped
            }
            #expect(report == QuantizationReport())
            vector[section: 1, index: 0] = Int64(site.weight)
            vector[section: 1, index: 1] = UpdateSum.fixed(Double(site.weight) * site.loss)
            vector[section: 1, index: 2] = UpdateSum.fixed(Double(site.weight) * site.steps)
            vector[section: 1, index: 3] = 100
            let packed = vector.packed()
            var contribution = try accumulator.begin(byteCount: packed.count)
            try packed.withUnsafeBytes { bytes in try accumulator.add(packed: bytes, to: &contribution) }
            try accumulator.finish(contribution)
        }
        return try accumulator.total()
    }

    private func totals(_ vector: RingVector) -> [Int64] {
        (0..<UpdateSum.Total.allCases.count).map { vector[section: 1, index: $0] }
    }

    private func largestError(_ found: [Float], _ expected: [Double]) -> Double {
        zip(found, expected).map { abs(Double($0) - $1) }.max() ?? .infinity
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func fedAvgIsTheWeightedMeanWithinOneRingStep(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed, stream: "updates")
        let sites = draw(2 + generator.index(below: 20), clip: 1, using: &generator)
        let sum = try UpdateSum(terms: terms(.fedAvg), parameterCount: Self.parameterCount, sites: sites.count)
        let vector = try summed(sum, sites, seed: seed)
        let summary = try sum.summary(totals: totals(vector), survivors: sites.count)
        let weight = sites.reduce(0) { $0 + Double($1.weight) }
        let expected = (0..<Self.parameterCount).map { index in
            sites.reduce(0) { $0 + Double($1.weight) * Double($1.change[index]) } / weight
        }
        #expect(
            largestError(vector.dequantized(section: 0, factor: summary.updateFactor), expected)
                <= 1 / sum.fixedPoint.scale + 1e-7, "seed \(seed)")
        #expect(Double(summary.weight) == weight && summary.examples == 100 * sites.count && summary.clipRate == 0)
        #expect(abs(summary.loss - sites.reduce(0) { $0 + Double($1.weight) * $1.loss } / weight) < 1e-5)
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func fedNovaAveragesPerStep(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed, stream: "updates")
        // A change grows with the steps: Δ ÷ ‖a‖₁ stays below clip ÷ 64.
        var sites = draw(2 + generator.index(below: 20), clip: 1.0 / 64, using: &generator)
        for index in sites.indices {
            sites[index].change = sites[index].change.map { $0 * Float(sites[index].steps) * 0.99 }
        }
        let sum = try UpdateSum(terms: terms(.fedNova), parameterCount: Self.parameterCount, sites: sites.count)
        let vector = try summed(sum, sites, seed: seed)
        let summary = try sum.summary(totals: totals(vector), survivors: sites.count)
        let weight = sites.reduce(0) { $0 + Double($1.weight) }
        let effectiveSteps = sites.reduce(0) { $0 + Double($1.weight) * $1.steps } / weight
        let expected = (0..<Self.parameterCount).map { index in
            effectiveSteps * sites.reduce(0) { $0 + Double($1.weight) * Double($1.change[index]) / $1.steps } / weight
        }
        let step = effectiveSteps / UpdateSum.stepScale / sum.fixedPoint.scale
        #expect(
            largestError(vector.dequantized(section: 0, factor: summary.updateFactor), expected) <= step + 1e-6,
            "seed \(seed)")
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func scaffoldAlsoGivesThePlainMeanOfTheControls(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed, stream: "updates")
        let sites = draw(2 + generator.index(below: 20), clip: 1, using: &generator)
        let sum = try UpdateSum(
            terms: terms(.scaffold(learningRate: 1)), parameterCount: Self.parameterCount, sites: sites.count)
        #expect(sum.layout.sections.map(\.name) == ["update", "totals", "controls"])
        let vector = try summed(sum, sites, seed: seed)
        let summary = try sum.summary(totals: totals(vector), survivors: sites.count)
        let weight = sites.reduce(0) { $0 + Double($1.weight) }
        let means = (0..<Self.parameterCount).map { index in
            sites.reduce(0) { $0 + Double($1.weight) * Double($1.change[index]) } / weight
        }
        let controlMeans = (0..<Self.parameterCount).map { index in
            sites.reduce(0) { $0 + Double($1.controlChange[index]) } / Double(sites.count)
        }
        let step = 1 / sum.fixedPoint.scale + 1e-7
        #expect(largestError(vector.dequantized(section: 0, factor: summary.updateFactor), means) <= step)
        #expect(largestError(vector.dequantized(section: 2, factor: summary.controlFactor), controlMeans) <= step)
    }

    // MARK: The ring

    private static let extremes: [(numbers: NumberTerms, capacity: Int)] = [
        (NumberTerms(valueBits: 16, clip: 1, weightUnit: 32, maximumWeight: 64), 1_024),
        (NumberTerms(valueBits: 24, clip: 0.5, weightUnit: 1, maximumWeight: 64), 4),
        (NumberTerms(valueBits: 20, clip: 3, weightUnit: 1, maximumWeight: 16), 256),
        (NumberTerms(valueBits: 8, clip: 1e-6, weightUnit: 1, maximumWeight: 65_536), 258),
        (NumberTerms(valueBits: 16, clip: 1e6, weightUnit: 1, maximumWeight: 65_536), 1),
    ]

    @Test(arguments: extremes)
    func theSiteLimitIsExact(numbers: NumberTerms, capacity: Int) throws {
        #expect(numbers.siteCapacity == capacity)
        let terms = try terms(.fedAvg, numbers)
        let fullest = try UpdateSum(terms: terms, parameterCount: 1, sites: capacity)
        #expect(fullest.layout.sections[0].elementBits.ringBits <= 32)
        #expect(throws: SumError.tooManySites(limit: capacity)) {
            try UpdateSum(terms: terms, parameterCount: 1, sites: capacity + 1)
        }
    }

    @Test func theSiteLimitAgreesWithTheRingWidthEverywhere() {
        var generator = SeededGenerator(seed: 1, stream: "limits")
        for _ in 0..<2_000 {
            let numbers = NumberTerms(
                valueBits: 8 + generator.index(below: 17), clip: 1, weightUnit: 1,
                maximumWeight: 1 + generator.index(below: 65_536))
            func bits(_ sites: Int) -> Int {
                RingWidth.bits(sites: sites, maximumWeight: numbers.maximumWeight, valueBits: numbers.valueBits)
            }
            let capacity = numbers.siteCapacity
            #expect(capacity == 0 || bits(capacity) <= 32)
            #expect(bits(capacity + 1) > 32)
        }
    }

    /// Every site at the largest weight and the clip, both signs, at full capacity and in the narrowest ring of fewer sites.
    @Test(arguments: extremes)
    func theRingNeverWraps(numbers: NumberTerms, capacity: Int) throws {
        for count in Set([1, min(3, capacity), capacity]).sorted() {
            let sum = try UpdateSum(terms: terms(.fedAvg, numbers), parameterCount: 2, sites: count)
            var stream = try RandomSource.seeded(forTestingAndSimulation: 1).keyedStream()
            var one = RingVector(layout: sum.layout)
            let clip = Float(numbers.clip)
            let weight = numbers.weight(rows: 1 << 40)
            _ = one.quantize([clip * 2, -clip * 2], section: 0, as: sum.fixedPoint, weight: weight, using: &stream)
            #expect(Int(weight) == numbers.maximumWeight)
            var total = RingVector(layout: sum.layout)
            for _ in 0..<count { total.add(one) }
            let largest = Int64(count) * Int64(weight) * Int64(sum.fixedPoint.largestInteger)
            #expect(total[section: 0, index: 0] == largest)
            #expect(total[section: 0, index: 1] == -largest)
            let summary = try sum.summary(totals: [Int64(count) * Int64(weight), 0, 0, 0, 0], survivors: count)
            let mean = total.dequantized(section: 0, factor: summary.updateFactor)
            #expect(abs(Double(mean[0]) - numbers.clip) <= 1e-6 * numbers.clip && mean[1] == -mean[0])
        }
    }

    // MARK: The packed form

    /// The example at the head of `protocol/round.md`.
    @Test func theBytesAreThoseOfTheSpecification() throws {
        let numbers = NumberTerms(valueBits: 8, clip: 1, weightUnit: 1_000, maximumWeight: 1)
        let sum = try UpdateSum(terms: terms(.fedAvg, numbers), parameterCount: 3, sites: 2)
        var vector = RingVector(layout: sum.layout)
        for (index, value) in [Int64(1), -2, 127].enumerated() { vector[section: 0, index: index] = value }
        let totals = [1, UpdateSum.fixed(0.5), UpdateSum.fixed(10), 320, 1]
        for (index, total) in totals.enumerated() { vector[section: 1, index: index] = total }
        let bytes: [UInt8] = [
            0x01, 0xFC, 0xFF, 0x01, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x08, 0, 0, 0, 0, 0, 0, 0, 0xA0, 0, 0, 0, 0, 0, 0x40,
            0x01,
            0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
        ]
        #expect(vector.packed() == bytes)
        #expect(try RingVector.decode(bytes, layout: sum.layout).packed() == bytes)
    }

    // MARK: Weights and totals

    @Test func weightsAreRoundedUpAndCapped() {
        let numbers = NumberTerms(valueBits: 16, clip: 1, weightUnit: 32, maximumWeight: 64)
        let expected: [(rows: Int, weight: UInt32)] = [
            (0, 1), (1, 1), (32, 1), (33, 2), (64, 2), (2_017, 64), (2_048, 64), (1_000_000, 64),
        ]
        for (rows, weight) in expected { #expect(numbers.weight(rows: rows) == weight, "\(rows) rows") }
    }

    @Test func fixedPointSaturatesAndTakesEverything() {
        #expect(UpdateSum.fixed(1) == 1 << 20)
        #expect(UpdateSum.fixed(-0.5) == -(1 << 19))
        #expect(UpdateSum.fixed(.infinity) == 1_000_000_000 << 20)
        #expect(UpdateSum.fixed(-.infinity) == -(1_000_000_000 << 20))
        #expect(UpdateSum.fixed(.nan) == 0)
        #expect(UpdateSum.fixed(.greatestFiniteMagnitude).multipliedReportingOverflow(by: 8_000).overflow == false)
    }

    @Test func totalsThatNoSitesCanGiveAreRefused() throws {
        let sum = try UpdateSum(terms: terms(.fedAvg), parameterCount: 10, sites: 4)
        let good: [Int64] = [100, 5 << 20, 100 << 20, 400, 3]
        #expect(try sum.summary(totals: good, survivors: 4).clipRate == 0.075)
        let changes: [(SumError, (inout [Int64]) -> Void)] = [
            (.weightless, { $0[0] = 0 }), (.weightless, { $0[0] = .min }), (.implausible, { $0[0] = 3 }),
            (.implausible, { $0[0] = 4 * 64 + 1 }), (.implausible, { $0[0] = .max }), (.implausible, { $0[2] = -1 }),
            (.implausible, { $0[3] = -1 }), (.implausible, { $0[4] = -1 }), (.implausible, { $0[4] = 41 }),
            (.implausible, { $0[4] = .max }), (.implausible, { $0.removeLast() }), (.implausible, { $0 = [] }),
        ]
        for (index, (error, change)) in changes.enumerated() {
            var bad = good
            change(&bad)
            #expect(throws: error, "change \(index)") { try sum.summary(totals: bad, survivors: 4) }
        }
        #expect(throws: SumError.implausible) { try sum.summary(totals: good, survivors: 0) }
        #expect(try sum.summary(totals: [100, .max, .max, .max, 40], survivors: 4).loss.isFinite)
    }
}
