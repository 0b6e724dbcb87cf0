// SPDX-License-Identifier: Apache-2.0
// Learning rates at the first, the last and the odd step.

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
}
