// SPDX-License-Identifier: Apache-2.0
// The rules that watch a validation metric.

import NeuralNetworks
import Testing

@Suite struct ValidationRulesTests {
    private static func factors(_ rule: ReduceOnPlateau, _ metrics: [Double]) -> [Double] {
        var rule = rule
        return metrics.map {
            rule.record($0)
            return rule.factor
        }
    }

    @Test func aPlateauLowersTheRateAfterThePatience() {
        let rule = ReduceOnPlateau(step: 0.5, patience: 1)
        // The change in the fourth epoch is below the threshold of 0.01 %.
        #expect(Self.factors(rule, [3, 2, 2, 1.9999, 1, 1, 1, 1]) == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25])
    }

    @Test func aCooldownForgivesBadEpochs() {
        let rule = ReduceOnPlateau(step: 0.5, patience: 0, cooldown: 2)
        #expect(Self.factors(rule, [1, 1, 1, 1, 1, 1]) == [1, 0.5, 0.5, 0.5, 0.25, 0.25])
    }

    @Test func higherMayBeBetterAndTheFactorHasAFloor() {
        let rule = ReduceOnPlateau(goal: .higher, step: 0.5, patience: 0, minimumFactor: 0.3)
        #expect(Self.factors(rule, [0.5, 0.6, 0.6, .nan, 0.7]) == [1, 1, 0.5, 0.3, 0.3])
    }

    @Test func stoppingRemembersTheBestEpoch() {
        var rule = EarlyStopping(patience: 2, minimumChange: 0.1)
        var isBest: [Bool] = []
        var stops: [Bool] = []
        for metric in [.nan, 3, 2.95, 2.5, 2.45, 2.6] {
            isBest.append(rule.record(metric))
            stops.append(rule.shouldStop)
        }
        #expect(isBest == [false, true, false, true, false, false])
        #expect(stops == [false, false, false, false, false, true])
        #expect(rule.best == 2.5 && rule.bestEpoch == 3)
    }

    @Test func stoppingMayWatchForHigherValues() {
        var rule = EarlyStopping(goal: .higher, patience: 1)
        #expect(rule.record(0.7) && rule.record(0.8) && !rule.shouldStop)
        #expect(!rule.record(0.8) && rule.shouldStop)
    }
}
