// SPDX-License-Identifier: Apache-2.0
// FedNova's normalising weight against the closed forms of its paper.

import Glibc
import NeuralNetworks
import Testing

@Suite struct GradientWeightsTests {
    private static func weight(
        momentum: Double = 0, nesterov: Bool = false, mu: Double = 0, rates: [Double], base: Double = 0.1
    ) -> Double {
        let optimizer = OptimizerSpecification.sgd(momentum: momentum, nesterov: nesterov, weightDecay: 0)
        var weights = GradientWeights(optimizer: optimizer, baseRate: base, proximalWeight: mu)
        for rate in rates { weights.advance(rate: rate) }
        return weights.total
    }

    private static func constant(_ steps: Int) -> [Double] { [Double](repeating: 0.1, count: steps) }

    @Test(arguments: [1, 2, 10, 37]) func plainDescentCountsItsSteps(steps: Int) {
        #expect(abs(Self.weight(rates: Self.constant(steps)) - Double(steps)) < 1e-12)
    }

    @Test(arguments: [1, 2, 10, 37]) func momentumFollowsTheClosedForm(steps: Int) {
        let (momentum, count) = (0.9, Double(steps))
        let expected = (count - momentum * (1 - pow(momentum, count)) / (1 - momentum)) / (1 - momentum)
        #expect(abs(Self.weight(momentum: momentum, rates: Self.constant(steps)) - expected) < 1e-9)
    }

    @Test(arguments: [1, 2, 10, 37]) func theProximalTermFollowsTheClosedForm(steps: Int) {
        let (mu, alpha) = (0.5, 0.05)
        let expected = (1 - pow(1 - alpha, Double(steps))) / alpha
        #expect(abs(Self.weight(mu: mu, rates: Self.constant(steps)) - expected) < 1e-9)
    }

    @Test func nesterovIsOneLookAheadFurther() {
        // Weights of three steps: 1 + m, then m(1 + m) + 1 + … summed by hand for m = 1/2: 1.5, 1.75, 1.875.
        #expect(abs(Self.weight(momentum: 0.5, nesterov: true, rates: Self.constant(3)) - 5.125) < 1e-12)
    }

    @Test func aStepWeighsInProportionToItsRate() {
        #expect(abs(Self.weight(rates: [0.1, 0.05, 0.025]) - 1.75) < 1e-12)
    }

    @Test func adamCountsItsSteps() {
        let optimizer = OptimizerSpecification.adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0)
        var weights = GradientWeights(optimizer: optimizer, baseRate: 0.1, proximalWeight: 0.5)
        for _ in 0..<7 { weights.advance(rate: 0.01) }
        #expect(weights.total == 7)
    }
}
