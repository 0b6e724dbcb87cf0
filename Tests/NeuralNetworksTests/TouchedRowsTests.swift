// SPDX-License-Identifier: Apache-2.0
// Embedding gradients of which only touched rows are added up and zeroed: the bits of doing so with all.

import AllocationCounter
import NeuralNetworks
import Tensors
import Testing

@Suite struct TouchedRowsTests {
    // Two tables, one of them wider than a block of the update, and tokens that leave rows out.
    private static let vocabulary = 300

    private static func graph() throws -> Graph {
        try Graph(
            inputs: [.tokens(5), .tokens(3)],
            nodes: [
                Node("words", Embedding(vocabulary, width: 70, padding: 0), inputs: [0]),
                Node("codes", Embedding(11, width: 3), inputs: [1]),
                Node("meanWords", MeanOverTime(), inputs: [2]), Node("meanCodes", MeanOverTime(), inputs: [3]),
                Node("join", Concatenate(), inputs: [4, 5]), Node("head", Dense(3), inputs: [6]),
            ], outputs: [7])
    }

    private static let count = 24
    private static let examples = Examples(
        count: count,
        inputs: [
            .tokens((0..<count * 5).map { Int32($0 * 7919 % 97 % 5 == 0 ? 0 : $0 * 7919 % vocabulary) }),
            .tokens((0..<count * 3).map { Int32($0 * 31 % 7) }),
        ],
        targets: [(0..<count * 3).map { Float($0 % 5) / 2 - 1 }])

    enum Extra: CaseIterable { case nothing, limit, proximal, correction }

    static let optimizers: [OptimizerSpecification] = [
        .sgd(momentum: 0, nesterov: false, weightDecay: 0), .sgd(momentum: 0.9, nesterov: true, weightDecay: 0.01),
        .adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01),
        .adamW(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01, amsgrad: true),
        .rmsprop(alpha: 0.9, epsilon: 1e-8, momentum: 0.5, centered: true, weightDecay: 0),
        .adagrad(epsilon: 1e-8, learningRateDecay: 0.1, weightDecay: 0),
        .lamb(beta1: 0.9, beta2: 0.999, epsilon: 1e-6, weightDecay: 0.01),
    ]

    /// The batch of a step: six to eight examples, others each time.
    private static func rows(_ step: Int) -> [Int32] {
        (0..<8 - step % 3).map { Int32(($0 * 5 + step * 7) % count) }
    }

    private static func update(_ step: Int, _ extra: Extra, _ vector: Floats, isPrivate: Bool) -> StepUpdate {
        var update = StepUpdate(rate: 0.05, step: step)
        if isPrivate { update.privacy = (bound: 0.5, noise: 0, expectedPatients: 8) }
        switch extra {
        case .nothing: break
        case .limit: update.largestNorm = 0.1
        // Some steps have a dense sum and others not: none may leave anything behind.
        case .proximal: if step % 2 == 0 { update.proximal = (0.3, vector) }
        case .correction: if step % 2 == 0 { update.correction = vector }
        }
        return update
    }

    private static func engine(_ graph: Graph, threads: Int, isPrivate: Bool) throws -> Engine {
        var options = Engine.Options(batchSize: 8, threads: threads)
        (options.usesAllThreads, options.isPrivate, options.kernels) = (true, isPrivate, .portable)
        let engine = try Engine(graph, objective: Objective(EngineTests.Distance()), options)
        engine.parameters.copy(from: graph.initialParameters(seed: 3), at: 0)
        return engine
    }

    /// The same training with vectors that are zeroed and added up whole.
    private static func trainDensely(
        _ graph: Graph, _ optimizer: OptimizerSpecification, _ extra: Extra, _ vector: Floats, threads: Int,
        isPrivate: Bool, steps: Int
    ) -> [Float] {
        let parameters = FloatBuffer(count: graph.parameterCount)
        parameters.floats.copy(from: graph.initialParameters(seed: 3), at: 0)
        let rule = Optimizer(optimizer, slices: graph.slices)
        let norm = GradientNorm(count: graph.parameterCount)
        for step in 0..<steps {
            let (rows, update) = (rows(step), update(step, extra, vector, isPrivate: isPrivate))
            let total = FloatBuffer(count: graph.parameterCount)
            let share = (rows.count + threads - 1) / threads
            for start in stride(from: 0, to: rows.count, by: share) {
                let own = Array(rows[start..<min(start + share, rows.count)])
                addDensely(own, of: rows.count, graph, parameters.floats, update, to: total.floats)
            }
            if let proximal = update.proximal {
                add(
                    proximal.mu, timesDifferenceOf: parameters.floats, and: proximal.reference, to: total.floats)
            }
            if let correction = update.correction { add(correction, to: total.floats) }
            var scale = 1 / (update.privacy?.expectedPatients ?? 1)
            if let limit = update.largestNorm {
                norm.measure(total.floats, blocks: 0..<norm.blockCount)
                scale *= Double(GradientNorm.clippingFactor(norm: scale * norm.norm, limit: limit))
            }
            rule.update(parameters.floats, gradient: total.floats, step: step, rate: update.rate, scale: Float(scale))
        }
        return parameters.floats.array
    }

    private static func addDensely(
        _ rows: [Int32], of batch: Int, _ graph: Graph, _ parameters: Floats, _ update: StepUpdate, to total: Floats
    ) {
        let gradient = FloatBuffer(count: graph.parameterCount)
        var options = Plan.Options(capacity: rows.count, isTraining: true)
        (options.kernels, options.isPrivate) = (.portable, update.privacy != nil)
        let plan = Plan(graph, options, parameters: parameters, gradients: gradient.floats)
        let own = examples.selecting(rows)
        for (slot, values) in zip(plan.inputs, own.inputs) {
            guard case .tokens(let tokens) = values else { continue }
            slot.integers(0..<rows.count).copy(from: tokens, at: 0)
            for example in 0..<rows.count { slot.lengths?[example] = slot.shape.sizes[0] }
        }
        plan.forward(examples: rows.count, step: Step(dropoutKey: 0, firstExample: 0, batchExamples: batch))
        let targets = FloatBuffer(count: own.targets[0].count)
        targets.floats.copy(from: own.targets[0], at: 0)
        let range = 0..<rows.count
        _ = EngineTests.Distance().evaluate(
            plan.outputs[0].floats(range), targets: targets.floats, output: plan.outputs[0].shape,
            scale: update.privacy == nil ? Float(1 / Double(batch)) : 1, into: plan.outputGradients[0].floats(range))
        if let privacy = update.privacy {
            let patients = Patients()
            patients.begin(range.map { $0..<$0 + 1 })
            plan.backwardPrivately(examples: rows.count, patients: patients)
            patients.clip(to: privacy.bound)
            plan.addClipped(examples: rows.count, patients: patients)
        } else {
            plan.backward(examples: rows.count)
        }
        add(gradient.floats, to: total)
    }

    @Test(arguments: optimizers, Extra.allCases) func touchedRowsGiveTheBitsOfAllRows(
        optimizer: OptimizerSpecification, extra: Extra
    ) throws {
        let graph = try Self.graph()
        let vector = FloatBuffer(count: graph.parameterCount)
        for place in 0..<vector.count { vector.floats[place] = Float(place % 17) / 100 - 0.08 }
        for threads in [1, 2, 3] {
            for isPrivate in [false, true] {
                let engine = try Self.engine(graph, threads: threads, isPrivate: isPrivate)
                try engine.prepare(optimizer)
                for step in 0..<6 {
                    _ = engine.step(
                        Self.rows(step)[...], of: Self.examples, dropoutKey: 0,
                        Self.update(step, extra, vector.floats, isPrivate: isPrivate))
                }
                let expected = Self.trainDensely(
                    graph, optimizer, extra, vector.floats, threads: threads, isPrivate: isPrivate, steps: 6)
                #expect(engine.parameters.array == expected, "\(threads) workers, private: \(isPrivate)")
            }
        }
    }

    /// The parameters after some steps of eight examples each, with room for `capacity` of them at a time.
    private static func accumulated(
        _ graph: Graph, _ extra: Extra, _ vector: Floats, capacity: Int, threads: Int, everyRow: Bool = false
    ) throws -> [Float] {
        var options = Engine.Options(batchSize: capacity, threads: threads)
        (options.usesAllThreads, options.kernels) = (true, .portable)
        let engine = try Engine(graph, objective: Objective(EngineTests.Distance()), options)
        engine.parameters.copy(from: graph.initialParameters(seed: 3), at: 0)
        try engine.prepare(optimizers[2])
        let zeros = FloatBuffer(count: graph.parameterCount)
        for step in 0..<6 {
            var update = Self.update(step, extra, vector, isPrivate: false)
            // A correction, of zeros too, makes the whole sum dense.
            if everyRow, update.correction == nil { update.correction = zeros.floats }
            _ = engine.step(rows(step)[...], of: examples, dropoutKey: 0, update)
        }
        return engine.parameters.array
    }

    // A later pass of a step must not forget the rows of an earlier one, and the next step must find none of either.
    @Test(arguments: Extra.allCases) func rowsOfAllPassesAreAddedAndZeroed(extra: Extra) throws {
        let graph = try Self.graph()
        let vector = FloatBuffer(count: graph.parameterCount)
        for place in 0..<vector.count { vector.floats[place] = Float(place % 17) / 100 - 0.08 }
        let whole = try Self.accumulated(graph, extra, vector.floats, capacity: 8, threads: 1)
        for (capacity, threads) in [(3, 1), (2, 2), (5, 3)] {
            func run(everyRow: Bool) throws -> [Float] {
                try Self.accumulated(
                    graph, extra, vector.floats, capacity: capacity, threads: threads, everyRow: everyRow)
            }
            let passes = try run(everyRow: false)
            #expect(try passes == run(everyRow: true))
            #expect(zip(passes, whole).allSatisfy { abs($0 - $1) <= 1e-4 }, "\(capacity) at a time")
        }
    }

    @Test(arguments: [false, true]) func aFrozenTableIsNotTouched(isPrivate: Bool) throws {
        let graph = try Self.graph().applying(LayerRates(["words": 0]))
        let engine = try Self.engine(graph, threads: 2, isPrivate: isPrivate)
        try engine.prepare(Self.optimizers[0])
        let vector = FloatBuffer(count: graph.parameterCount)
        for step in 0..<3 {
            _ = engine.step(
                Self.rows(step)[...], of: Self.examples, dropoutKey: 0,
                Self.update(step, .nothing, vector.floats, isPrivate: isPrivate))
        }
        let (start, end) = (graph.initialParameters(seed: 3), engine.parameters.array)
        let frozen = Self.vocabulary * 70
        #expect(end[..<frozen] == start[..<frozen] && end[frozen...] != start[frozen...])
    }

    // The noise reaches rows that no token touched, and is gone in the next step.
    @Test func noiseLeavesNothingBehind() throws {
        let graph = try Self.graph()
        let key = [UInt8](repeating: 9, count: 32)
        var results: [[Float]] = []
        for isInterrupted in [false, true] {
            let engine = try Self.engine(graph, threads: 2, isPrivate: true)
            try engine.prepare(.sgd(momentum: 0, nesterov: false, weightDecay: 0), noiseKey: key)
            func step(_ noise: Double) {
                var update = StepUpdate(rate: 0.05, step: 0)
                update.privacy = (bound: 0.5, noise: noise, expectedPatients: 8)
                _ = engine.step(Self.rows(0)[...], of: Self.examples, dropoutKey: 0, update)
            }
            if isInterrupted {
                step(0.7)
                engine.parameters.copy(from: graph.initialParameters(seed: 3), at: 0)
            }
            step(0)
            results.append(engine.parameters.array)
        }
        #expect(results[0] == results[1])
    }

    @Test(.enabled(if: isOptimized), arguments: [false, true]) func aSteadyStepAllocatesNothing(
        isPrivate: Bool
    ) throws {
        let graph = try Self.graph()
        let engine = try Self.engine(graph, threads: 1, isPrivate: isPrivate)
        try engine.prepare(Self.optimizers[2])
        let vector = FloatBuffer(count: graph.parameterCount)
        let rows = (0..<6).map(Self.rows)
        func step(_ number: Int) {
            _ = engine.step(
                rows[number % 6][...], of: Self.examples, dropoutKey: 0,
                Self.update(number, .proximal, vector.floats, isPrivate: isPrivate))
        }
        for number in 0..<6 { step(number) }
        let before = consilium_allocations_of_this_thread()
        for number in 6..<12 { step(number) }
        #expect(consilium_allocations_of_this_thread() - before == 0)
    }

    /// Unoptimised code allocates for its closures; the claim is about the code that ships.
    private static var isOptimized: Bool {
        #if DEBUG
        false
        #else
        true
        #endif
    }
}
