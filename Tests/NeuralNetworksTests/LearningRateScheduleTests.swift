// SPDX-License-Identifier: Apache-2.0
// Learning rates at the first, the last and the odd step.

import Glibc
import NeuralNetworks
import Testing

@Suite struct LearningRateScheduleTests {
    private static func rates(_ schedule: LearningRateSchedule, steps: Range<Int>, of total: Int) -> [Double] {
        steps.map { schedule.rate(base: 0.1, step: $0, totalSteps: total) }
    }

    @Test func constantStays() {
        #expect(Self.rates(.constant, steps: 0..<3, of: 3) == [0.1, 0.1, 0.1])
    }

    @Test func stepsMultiplyByTheFactor() {
        let rates = Self.rates(.step(every: 2, factor: 0.5), steps: 0..<6, of: 6)
        #expect(rates == [0.1, 0.1, 0.05, 0.05, 0.025, 0.025])
    }

    @Test func cosineGoesFromBaseToFinal() {
        let rates = Self.rates(.cosine(final: 0.02), steps: 0..<101, of: 101)
        #expect(rates[0] == 0.1)
        #expect(abs(rates[50] - 0.06) < 1e-15)
        #expect(abs(rates[100] - 0.02) < 1e-15)
        #expect(zip(rates, rates.dropFirst()).allSatisfy { $0 > $1 })
        let schedule = LearningRateSchedule.cosine(final: 0.02)
        #expect(schedule.rate(base: 0.1, step: 1000, totalSteps: 101) == rates[100])
        #expect(schedule.rate(base: 0.1, step: 0, totalSteps: 1) == 0.1)
    }

    @Test func warmupRisesToTheBaseRate() {
        let rates = Self.rates(.warmup(steps: 4), steps: 0..<6, of: 6)
        #expect(zip(rates, [0.025, 0.05, 0.075, 0.1, 0.1, 0.1]).allSatisfy { abs($0 - $1) < 1e-15 })
        #expect(Self.rates(.warmup(steps: 0), steps: 0..<1, of: 1) == [0.1])
    }

    @Test func warmupGoesOnWithAnySchedule() {
        let rates = Self.rates(.warmup(steps: 4, then: .cosine(final: 0.02)), steps: 0..<14, of: 14)
        #expect(zip(rates, [0.025, 0.05, 0.075, 0.1]).allSatisfy { abs($0 - $1) < 1e-15 })
        #expect(Array(rates[4...]) == Self.rates(.cosine(final: 0.02), steps: 0..<10, of: 10))
        let twice = Self.rates(
            .warmup(steps: 2, then: .warmup(steps: 2, then: .step(every: 1, factor: 0.5))), steps: 0..<6, of: 6)
        #expect(twice == [0.05, 0.1, 0.05, 0.1, 0.1, 0.05])
    }

    /// The figures are those of PyTorch's `OneCycleLR(max_lr=0.1, total_steps=10)`, by its formula.
    @Test func oneCycleRisesAndFalls() {
        let rates = Self.rates(.oneCycle(), steps: 0..<10, of: 10)
        // The peak is step 0.3·10 − 1 = 2, the end step 9.
        #expect(abs(rates[0] - 0.1 / 25) < 1e-15)
        #expect(abs(rates[1] - (0.1 + 0.1 / 25) / 2) < 1e-15)
        #expect(abs(rates[2] - 0.1) < 1e-15)
        for step in 3..<10 {
            let end = 0.1 / 25 / 1e4
            let expected = end + (0.1 - end) / 2 * (1 + cos(.pi * Double(step - 2) / 7))
            #expect(abs(rates[step] - expected) < 1e-15)
        }
        // Steps past the end, and studies too short for a rise.
        #expect(Self.rates(.oneCycle(), steps: 20..<21, of: 10)[0] == rates[9])
        for total in 1...4 {
            let short = Self.rates(.oneCycle(), steps: 0..<total, of: total)
            #expect(short.allSatisfy { $0 > 0 && $0 <= 0.1 })
        }
    }
}
