// SPDX-License-Identifier: Apache-2.0
// The training step: workers, shares, private sums, against one worker and against plain descent.

import NeuralNetworks
import Tensors
import Testing

@Suite struct EngineTests {
    /// Half the squared distance to the target, for tests.
    struct Distance: Loss {
        static let kind = "distance"
        func targetCount(for output: Shape) -> Int { output.count }
        func firstUnfit(targets: Floats, output: Shape) -> Int? { nil }
        func evaluate(_ z: Floats, targets: Floats, output: Shape, scale: Float, into dz: Floats) -> Double {
            var sum = 0.0
            for place in 0..<z.count {
                let difference = z[place] - targets[place]
                sum += Double(difference * difference) / 2
                dz[place] = difference * scale
            }
            return sum
        }
    }

    static func graph() throws -> Graph {
        try Graph(
            input: Shape([2, 8, 8]),
            layers: [
                Convolve.twoD(4, kernel: 3, padding: .same, bias: false), BatchNorm(relu: true), Pool.max2D(2),
                Dropout(0.2),
                Reshape.flatten, Dense(8, activation: .tanh), Dense(3),
            ])
    }

    static func examples(_ count: Int, graph: Graph) -> Examples {
        func values(_ count: Int, _ seed: Int) -> [Float] {
            (0..<count).map { Float((($0 + seed) * 2_654_435_761) % 10_007) / 5_003 - 1 }
        }
        return Examples(
            count: count, inputs: [.floats(values(count * graph.inputShapes[0].count, 1))],
            targets: [values(count * 3, 5)])
    }

    static func train(threads: Int, steps: Int, batch: Int = 7, clip: Double? = nil) throws -> (
        losses: [Double], [Float]
    ) {
        let graph = try graph()
        let examples = examples(20, graph: graph)
        var options = Engine.Options(batchSize: batch, threads: threads)
        options.usesAllThreads = true
        let engine = try Engine(graph, objective: Objective(Distance()), options)
        engine.parameters.copy(from: graph.initialParameters(seed: 3), at: 0)
        let optimizer = OptimizerSpecification.adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0)
        try engine.prepare(optimizer)
        let rows = (0..<Int32(20)).map { $0 }
        var losses: [Double] = []
        for step in 0..<steps {
            var update = StepUpdate(rate: 0.01, step: step)
            update.largestNorm = clip
            let start = (step * 5) % 14
            losses.append(
                engine.step(rows[start..<min(start + batch, 20)], of: examples, dropoutKey: UInt64(step), update))
        }
        return (losses, engine.parameters.array)
    }

    @Test func numberOfWorkersChangesRoundingOnly() throws {
        let (one, first) = try Self.train(threads: 1, steps: 12)
        for threads in [2, 3, 9] {
            let (several, second) = try Self.train(threads: threads, steps: 12)
            #expect(zip(one, several).allSatisfy { abs($0 - $1) < 1e-3 * abs($0) }, "\(threads) workers")
            #expect(zip(first, second).allSatisfy { abs($0 - $1) < 2e-3 }, "\(threads) workers")
        }
    }

    @Test(arguments: [1, 2]) func sameWorkersGiveTheSameBits(threads: Int) throws {
        let (one, first) = try Self.train(threads: threads, steps: 6)
        let (again, second) = try Self.train(threads: threads, steps: 6)
        #expect(one == again && first == second)
        #expect(one[5] != one[0])
    }

    @Test func lossFallsAndClippingSlowsIt() throws {
        let (losses, _) = try Self.train(threads: 2, steps: 60)
        #expect(losses[55...].reduce(0, +) < 0.6 * losses[..<5].reduce(0, +))
        let (clipped, _) = try Self.train(threads: 2, steps: 1, clip: 1e-6)
        #expect(clipped[0] == losses[0])
    }

    @Test func privateStepWithoutLimitIsThePlainStep() throws {
        let graph = try Graph(input: Shape([6]), layers: [Dense(5, activation: .gelu), LayerNorm(), Dense(3)])
        let examples = Self.examples(12, graph: graph)
        let optimizer = OptimizerSpecification.sgd(momentum: 0, nesterov: false, weightDecay: 0)
        var results: [[Float]] = []
        for isPrivate in [false, true] {
            for threads in [1, 3] {
                var options = Engine.Options(batchSize: 12, threads: threads)
                (options.usesAllThreads, options.isPrivate, options.largestPatient) = (true, isPrivate, 4)
                let engine = try Engine(graph, objective: Objective(Distance()), options)
                engine.parameters.copy(from: graph.initialParameters(seed: 3), at: 0)
                try engine.prepare(optimizer)
                var update = StepUpdate(rate: 0.1, step: 0)
                if isPrivate { update.privacy = (bound: .infinity, noise: 0, expectedPatients: 12) }
                let patients = isPrivate ? [0..<3, 3..<4, 4..<8, 8..<12] : nil
                _ = engine.step(
                    (0..<Int32(12)).map { $0 }[...], of: examples, dropoutKey: 0, patients: patients, update)
                results.append(engine.parameters.array)
            }
        }
        for other in results.dropFirst() {
            #expect(zip(results[0], other).allSatisfy { abs($0 - $1) <= 1e-5 })
        }
    }

    /// Averages over sites are rounded: a running variance may arrive a little below zero.
    @Test func aRunningVarianceBelowZeroGivesNoNaN() throws {
        let graph = try Graph(input: Shape([2, 3]), layers: [BatchNorm()])
        let examples = Examples(count: 1, inputs: [.floats([1, 2, 3, -1, 0, 1])])
        let predictor = try Predictor(graph, objective: Objective([]), examples: 1, threads: 1)
        let outputs = predictor.predictions([1, 1, 0, 0, 0, 0, -1e-3, 0.5], examples)[0]
        #expect(outputs.allSatisfy { $0.isFinite })
    }
}
