// SPDX-License-Identifier: Apache-2.0
// Optimisers cut into ranges, LAMB against its formula, clipping, averages and the rules that watch a metric.

import AllocationCounter
import Glibc
import NeuralNetworks
import Randomness
import Tensors
import Testing

@Suite struct OptimizerTests {
    static let optimizers: [OptimizerSpecification] = [
        .sgd(momentum: 0, nesterov: false, weightDecay: 0.01), .sgd(momentum: 0.9, nesterov: true, weightDecay: 0.01),
        .adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01),
        .adam(beta1: 0.9, beta2: 0.5, epsilon: 1e-8, weightDecay: 0, amsgrad: true),
        .adamW(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01),
        .rmsprop(alpha: 0.99, epsilon: 1e-8, momentum: 0, centered: false, weightDecay: 0.01),
        .rmsprop(alpha: 0.99, epsilon: 1e-8, momentum: 0.9, centered: true, weightDecay: 0),
        .adagrad(epsilon: 1e-10, learningRateDecay: 0.1, weightDecay: 0.01),
        .lamb(beta1: 0.9, beta2: 0.999, epsilon: 1e-6, weightDecay: 0.01),
    ]

    /// Three tensors: the first over several blocks of norms, the last all zero at first, as biases are.
    private static let slices: [ParameterSlice] = {
        let first = ParameterSlice(name: "a", shape: [200, 180], offset: 0)
        let second = ParameterSlice(name: "b", shape: [13], offset: first.count)
        return [first, second, ParameterSlice(name: "c", shape: [7], offset: first.count + 13)]
    }()
    private static let count = 200 * 180 + 20

    private static func random(_ stream: String) -> [Float] {
        var generator = SeededGenerator(seed: 5, stream: stream)
        return (0..<count).map { _ in 2 * generator.uniformFloat() - 1 }
    }

    private static let start: [Float] = random("w").dropLast(7) + [Float](repeating: 0, count: 7)

    /// Three steps, each cut into so many parts.
    private static func train(_ specification: OptimizerSpecification, parts: Int, scale: Float = 1) -> [Float] {
        let optimizer = Optimizer(specification, slices: slices)
        let w = FloatBuffer(start)
        func part(_ index: Int, of count: Int) -> Range<Int> { index * count / parts..<(index + 1) * count / parts }
        for step in 0..<3 {
            let g = FloatBuffer(random("g\(step)"))
            for index in 0..<parts {
                optimizer.prepare(
                    w.floats, gradient: g.floats, blocks: part(index, of: optimizer.preparationBlocks), step: step,
                    scale: scale)
            }
            for index in (0..<parts).reversed() {
                optimizer.update(
                    w.floats, gradient: g.floats, range: part(index, of: count), step: step, rate: 0.01, scale: scale)
            }
        }
        return w.floats.array
    }

    @Test(arguments: optimizers) func everySplitGivesTheSameBits(_ specification: OptimizerSpecification) {
        let whole = Self.train(specification, parts: 1)
        #expect(whole != Self.start && whole.allSatisfy { $0.isFinite })
        for parts in [2, 3, 7, 1_000] { #expect(Self.train(specification, parts: parts) == whole, "\(parts) parts") }
    }

    @Test(arguments: optimizers) func aResetForgetsEverything(_ specification: OptimizerSpecification) {
        let optimizer = Optimizer(specification, slices: Self.slices)
        let g = FloatBuffer(Self.random("g"))
        let results = (0..<2).map { _ in
            let w = FloatBuffer(Self.start)
            for step in 0..<2 { optimizer.update(w.floats, gradient: g.floats, step: step, rate: 0.01) }
            optimizer.reset()
            return w.floats.array
        }
        #expect(results[0] == results[1])
        #expect(optimizer.state.count == specification.stateVectors * Self.count)
    }

    @Test(arguments: optimizers) func aScaledGradientIsTheGradientTimesTheScale(_ specification: OptimizerSpecification)
    {
        let g = FloatBuffer(Self.random("g"))
        let half = FloatBuffer(Self.random("g").map { $0 / 2 })
        let results = [(g.floats, Float(0.5)), (half.floats, 1)].map { gradient, scale in
            let w = FloatBuffer(Self.start)
            Optimizer(specification, slices: Self.slices).update(
                w.floats, gradient: gradient, step: 0, rate: 0.01, scale: scale)
            return w.floats.array
        }
        #expect(results[0] == results[1])
    }

    @Test func lambFollowsItsFormula() {
        let (rate, decay, beta1, beta2, epsilon) = (0.01, 0.01, 0.9, 0.999, 1e-6)
        let scale: Float = 0.5
        let w = Self.train(Self.optimizers[8], parts: 2, scale: scale)
        var exact = Self.start.map { Double($0) }
        var (m, v) = ([Double](repeating: 0, count: Self.count), [Double](repeating: 0, count: Self.count))
        for step in 0..<3 {
            let g = Self.random("g\(step)").map { Double($0 * scale) }
            let t = Double(step + 1)
            for slice in Self.slices {
                let range = slice.offset..<slice.offset + slice.count
                var move: [Double] = []
                for i in range {
                    m[i] = beta1 * m[i] + (1 - beta1) * g[i]
                    v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i]
                    let root = (v[i] / (1 - pow(beta2, t))).squareRoot() + epsilon
                    move.append(m[i] / (1 - pow(beta1, t)) / root + decay * exact[i])
                }
                let weightNorm = exact[range].reduce(0) { $0 + $1 * $1 }.squareRoot()
                let moveNorm = move.reduce(0) { $0 + $1 * $1 }.squareRoot()
                let ratio = weightNorm == 0 ? 1 : weightNorm / moveNorm
                for (place, i) in range.enumerated() { exact[i] -= rate * ratio * move[place] }
            }
        }
        #expect(GoldenVectors.agree(w, exact))
    }

    @Test func numbersWithoutSenseAreRefused() {
        let plans: [OptimizerSpecification] = [
            .rmsprop(alpha: 1, epsilon: 1e-8, momentum: 0, centered: false, weightDecay: 0),
            .rmsprop(alpha: 0.9, epsilon: 0, momentum: 0, centered: false, weightDecay: 0),
            .adagrad(epsilon: 1e-10, learningRateDecay: -1, weightDecay: 0),
            .lamb(beta1: 0.9, beta2: 0.999, epsilon: .nan, weightDecay: 0),
            .sgd(momentum: 0, nesterov: true, weightDecay: 0),
        ]
        for optimizer in plans {
            let plan = LocalTraining(optimizer: optimizer, learningRate: 0.1, batchSize: 1, steps: 1)
            #expect(throws: TrainingError.invalidPlan(.optimizer)) { try plan.check() }
        }
    }

    @Test func theNormIsTheSameForEverySplitAndClips() {
        let g = FloatBuffer(Self.random("g"))
        let norms = [1, 2, 3].map { parts in
            let norm = GradientNorm(count: Self.count)
            for part in 0..<parts {
                norm.measure(
                    g.floats, blocks: part * norm.blockCount / parts..<(part + 1) * norm.blockCount / parts)
            }
            return norm.norm
        }
        let exact = Self.random("g").reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        #expect(abs(norms[0] - exact) < 1e-6 * exact)
        #expect(norms == [norms[0], norms[0], norms[0]])
        #expect(GradientNorm.clippingFactor(norm: 3, limit: 1) == Float(1 / (3 + 1e-6)))
        #expect(GradientNorm.clippingFactor(norm: 0.5, limit: 1) == 1)
        #expect(GradientNorm.clippingFactor(norm: 0, limit: 1) == 1)
        #expect(GradientNorm.clippingFactor(norm: .nan, limit: 1).isNaN)
    }

    @Test func averagesStartWithTheFirstParameters() {
        let average = WeightAverage(decay: 0.75, count: 3)
        for (step, values) in [[1, 2, 3], [5, 2, -1], [5, 2, -1]].enumerated() {
            let w = FloatBuffer(values.map { Float($0) })
            average.update(w.floats, range: 0..<1, steps: step)
            average.update(w.floats, range: 1..<3, steps: step)
        }
        #expect(average.values.array == [2.75, 2, 1.25])
    }

    @Test(.enabled(if: isOptimized), arguments: optimizers)
    func aStepAllocatesNothing(_ specification: OptimizerSpecification) {
        let optimizer = Optimizer(specification, slices: Self.slices)
        let w = FloatBuffer(Self.start)
        let g = FloatBuffer(Self.random("g"))
        let norm = GradientNorm(count: Self.count)
        let before = consilium_allocations_of_this_thread()
        for step in 0..<3 {
            norm.measure(g.floats, blocks: 0..<norm.blockCount)
            optimizer.update(
                w.floats, gradient: g.floats, step: step, rate: 0.01,
                scale: GradientNorm.clippingFactor(norm: norm.norm, limit: 1))
        }
        #expect(consilium_allocations_of_this_thread() - before == 0)
    }

    /// Unoptimised code allocates for its closures; the claim is about the code that ships.
    static var isOptimized: Bool {
        #if DEBUG
        false
        #else
        true
        #endif
    }
}
