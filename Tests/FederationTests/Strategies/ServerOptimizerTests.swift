// SPDX-License-Identifier: Apache-2.0
// Steps of the server optimisers by hand, and the promise that a model may pass through in blocks.

import Federation
import Randomness
import Testing

@Suite struct ServerOptimizerTests {
    private static let adaptive = Strategy.AdaptiveTerms(learningRate: 0.1, beta1: 0.9, beta2: 0.99, tau: 0.001)
    private static let all: [Strategy] = [
        .fedAvg, .fedProx(mu: 0.1), .fedNova, .scaffold(learningRate: 0.5), .fedAvgM(learningRate: 0.5, momentum: 0.9),
        .fedAdagrad(learningRate: 0.1, tau: 0.001), .fedAdam(adaptive), .fedYogi(adaptive),
    ]

    private func step(_ strategy: Strategy, rounds: Int = 1, update: [Float]) -> [Float] {
        let optimizer = ServerOptimizer(strategy)
        var parameters = [Float](repeating: 1, count: update.count)
        var moments = [[Float]](repeating: [Float](repeating: 0, count: update.count), count: optimizer.momentCount)
        for round in 1...rounds {
            optimizer.step(round: round, parameters: &parameters, update: update, moments: &moments)
        }
        return parameters
    }

    @Test func plainStrategiesAddTheUpdate() {
        for strategy: Strategy in [.fedAvg, .fedProx(mu: 3), .fedNova] {
            #expect(step(strategy, update: [0.5, -0.25]) == [1.5, 0.75])
        }
        #expect(step(.scaffold(learningRate: 0.5), update: [0.5, -0.25]) == [1.25, 0.875])
    }

    @Test func momentumGathers() {
        // v: 1, 1.5, 1.75; w: 1 + 0.5 · (1 + 1.5 + 1.75)
        #expect(step(.fedAvgM(learningRate: 0.5, momentum: 0.5), rounds: 3, update: [1]) == [3.125])
    }

    @Test func adagradDividesByTheRootOfTheSumOfSquares() {
        // w: 1 + 3 / (3 + 1) + 3 / (√18 + 1)
        let expected = 1 + 0.75 + 3 / (Float(18).squareRoot() + 1)
        #expect(abs(step(.fedAdagrad(learningRate: 1, tau: 1), rounds: 2, update: [3])[0] - expected) < 1e-6)
    }

    @Test func nothingMovesWithoutAnUpdate() {
        for strategy in Self.all { #expect(step(strategy, rounds: 5, update: [0, 0]) == [1, 1]) }
    }

    @Test(arguments: all)
    func blocksGiveTheSameBitsAsTheWhole(strategy: Strategy) {
        var generator = SeededGenerator(seed: 5, stream: "blocks")
        let count = 103
        let optimizer = ServerOptimizer(strategy)
        var whole = (0..<count).map { _ in generator.uniformFloat() - 0.5 }
        var blocks = whole
        let zeros = [[Float]](repeating: [Float](repeating: 0, count: count), count: optimizer.momentCount)
        var wholeMoments = zeros
        var blockMoments = zeros
        for round in 1...6 {
            let update = (0..<count).map { _ in generator.uniformFloat() - 0.5 }
            optimizer.step(round: round, parameters: &whole, update: update, moments: &wholeMoments)
            for start in stride(from: 0, to: count, by: 10) {
                let range = start..<min(start + 10, count)
                var parameters = Array(blocks[range])
                var moments = blockMoments.map { Array($0[range]) }
                optimizer.step(
                    round: round, parameters: &parameters, update: Array(update[range]), moments: &moments)
                blocks.replaceSubrange(range, with: parameters)
                for index in moments.indices { blockMoments[index].replaceSubrange(range, with: moments[index]) }
            }
            #expect(blocks == whole && blockMoments == wholeMoments)
        }
    }

    @Test func theLastRoundOfTheLongestStudyIsFinite() {
        for strategy in Self.all {
            let optimizer = ServerOptimizer(strategy)
            var parameters: [Float] = [1]
            var moments = [[Float]](repeating: [0.01], count: optimizer.momentCount)
            optimizer.step(round: 100_000, parameters: &parameters, update: [0.1], moments: &moments)
            #expect(parameters[0].isFinite && parameters[0] != 1)
        }
    }
}
