// SPDX-License-Identifier: Apache-2.0
// Random graphs against plain loops in double precision, and against themselves in other parts, orders and numbers.

import NeuralNetworks
import Randomness
import Tensors
import Testing

@Suite struct RandomGraphTests {
    /// The seeds of each test run, in groups that run side by side.
    static let seedsPerGroup = 40
    static let groups = Array(0..<6)

    static func seeds(_ group: Int) -> Range<Int> { group * seedsPerGroup..<(group + 1) * seedsPerGroup }

    /// A problem whose values keep away from kinks, and what the reference makes of it; nil where chance finds none.
    struct Case {
        let seed: Int
        let problem: GraphProblem
        let mixesExamples: Bool
        let outputs: [ReferenceBatch]
        var random: SeededGenerator

        init?(seed: Int, mixing: Bool, dropout: Double) throws {
            let graph = try RandomGraph.graph(seed: UInt64(seed), mixes: mixing, dropout: dropout)
            var generator = SeededGenerator(seed: UInt64(seed), stream: "values")
            var reference = ReferenceGraph(graph)
            for _ in 0..<20 {
                let problem = Self.problem(graph, &generator)
                let edges = reference.edges(
                    parameters: problem.parameters.map { Double($0) }, inputs: problem.referenceInputs)
                guard reference.margin > 1e-4 else { continue }
                (self.seed, self.problem) = (seed, problem)
                mixesExamples = graph.nodes.contains { $0.layer is BatchNorm }
                (outputs, self.random) = (graph.outputs.map { edges[$0] }, generator)
                return
            }
            return nil
        }

        private static func problem(_ graph: Graph, _ random: inout SeededGenerator) -> GraphProblem {
            func values(_ count: Int) -> [Float] { (0..<count).map { _ in 2 * random.uniformFloat() - 1 } }
            var parameters = graph.initialParameters(seed: random.next())
            for range in graph.trainedRanges { for place in range { parameters[place] += 0.2 * values(1)[0] } }
            for slice in graph.slices where slice.isFrozen {
                for place in slice.offset..<slice.offset + slice.count { parameters[place] += 0.2 * values(1)[0] }
            }
            let examples = 1 + random.index(below: 5)
            let inputs = graph.inputShapes.map { shape in
                (0..<examples).map { _ in
                    shape.holdsTokens
                        ? values(shape.count).map { _ in Float(random.index(below: RandomGraph.vocabulary)) }
                        : values(shape.count)
                }
            }
            let lengths = graph.inputShapes.map { shape -> [Int]? in
                guard shape.sizes.count <= 2, random.index(below: 2) == 0 else { return nil }
                return (0..<examples).map { _ in random.index(below: shape.sizes[0] + 1) }
            }
            let cotangents = graph.outputs.map { output in
                (0..<examples).map { _ in values(graph.shapes[output].count) }
            }
            return GraphProblem(
                graph: graph, parameters: parameters, inputs: inputs, lengths: lengths, cotangents: cotangents)
        }
    }

    /// Calls `body` with every case of a group and every set of kernels.
    private static func forEachCase(
        _ group: Int, mixing: Bool, dropout: Double = 0, _ body: (inout Case, KernelSet) throws -> Void
    ) throws {
        var skipped = 0
        for seed in seeds(group) {
            guard var one = try Case(seed: seed, mixing: mixing, dropout: dropout) else {
                skipped += 1
                continue
            }
            for kernels in KernelSet.all { try body(&one, kernels) }
        }
        #expect(skipped <= seedsPerGroup / 10, "\(skipped) graphs were never smooth")
    }

    @Test func everyKindOfLayerOccursOften() throws {
        var counts: [String: Int] = [:]
        for group in Self.groups {
            for seed in Self.seeds(group) {
                let graph = try RandomGraph.graph(seed: UInt64(seed), mixes: group % 2 == 0, dropout: 0)
                for node in graph.nodes { counts[type(of: node.layer).kind, default: 0] += 1 }
                for node in graph.nodes {
                    let adapters = (node.layer as? any AdaptedLayer)?.adapters(node.inputs.map { graph.shapes[$0] })
                    if let adapters, !adapters.isEmpty {
                        counts["\(type(of: node.layer).kind) adapters", default: 0] += 1
                    }
                }
                counts["several inputs", default: 0] += graph.inputShapes.count > 1 ? 1 : 0
                counts["several outputs", default: 0] += graph.outputs.count > 1 ? 1 : 0
            }
        }
        let kinds: [any Layer.Type] = [
            Dense.self, Convolve.self, Pool.self, ActivationLayer.self, SoftmaxLayer.self, Dropout.self, BatchNorm.self,
            LayerNorm.self, GroupNorm.self, Embedding.self, LearnedPositions.self, SinusoidalPositions.self, LSTM.self,
            GRU.self, RNN.self, LastStep.self, MeanOverTime.self, MaxOverTime.self, Reshape.self, Add.self,
            Subtract.self, Multiply.self, Concatenate.self, Slice.self, ChannelsLast.self, Upsample.self,
            MultiHeadAttention.self,
        ]
        let others = ["several inputs", "several outputs", "dense adapters", "multiHeadAttention adapters"]
        for kind in kinds.map({ $0.kind }) + others {
            #expect(counts[kind, default: 0] >= 5, "\(kind)")
        }
    }

    // MARK: Values

    @Test(arguments: groups) func valuesAndGradientsAreTheReferences(group: Int) throws {
        try Self.forEachCase(group, mixing: group % 2 == 0) { one, kernels in
            let run = GraphRun(one.problem, kernels, capacity: one.problem.examples + one.random.index(below: 3))
            for (index, output) in one.outputs.enumerated() {
                let expected = Array(output.rows.joined())
                let difference = Closeness.distance(Array(run.outputs[index].joined()), expected)
                #expect(
                    difference <= 2e-5, "seed \(one.seed): output \(index), \(kernels) \(one.problem.graph.listing)")
            }
            if !one.mixesExamples {
                let predictor = try Predictor(
                    one.problem.graph, objective: Objective([]), examples: 2, threads: 1, kernels: kernels)
                let predictions = predictor.predictions(one.problem.parameters, one.problem.trainingExamples)
                #expect(
                    Closeness.agree(predictions.map { [$0] }, run.outputs.map { [Array($0.joined())] }),
                    "seed \(one.seed): inference, \(kernels)")
            }
            let slopes = SlopeCheck(one.problem, run)
            for _ in 0..<3 {
                let (expected, actual) = slopes.slopes(&one.random)
                #expect(
                    abs(expected - actual) <= 2e-4,
                    "seed \(one.seed): \(slopes.culprits(&one.random)), \(kernels) \(one.problem.graph.listing)")
            }
        }
    }

    // MARK: The same in other ways

    @Test(arguments: groups) func partsOfTheShareChangeRoundingOnly(group: Int) throws {
        try Self.forEachCase(group, mixing: group % 2 == 0, dropout: group % 3 == 0 ? 0.3 : 0) { one, kernels in
            let run = GraphRun(one.problem, kernels)
            // A plan with more room, used twice: nothing is left from the first pass.
            let again = GraphRun(one.problem, kernels, capacity: one.problem.examples + 2, repeats: 2)
            #expect(again == run, "seed \(one.seed): a second pass with more room, \(kernels)")
            // One, or two, examples of the largest stage at a time.
            let largest = one.problem.graph.shapes.map(\.count).max() ?? 1
            let chunked = GraphRun(one.problem, kernels, chunkFloats: (1 + one.random.index(below: 3)) * largest)
            #expect(
                kernels == .portable ? chunked.outputs == run.outputs : Closeness.agree(chunked.outputs, run.outputs),
                "seed \(one.seed): outputs by chunks, \(kernels)")
            #expect(
                Closeness.agree(chunked.gradient, run.gradient, one.problem.graph),
                "seed \(one.seed): gradients by chunks, \(kernels)")
            for (part, whole) in zip(chunked.inputGradients, run.inputGradients) {
                guard let part, let whole else { continue }
                #expect(
                    Closeness.distance(part, whole.map { Double($0) }) <= 2e-5,
                    "seed \(one.seed): input gradients by chunks, \(kernels)")
            }
            guard !one.mixesExamples else { return }
            for example in 0..<one.problem.examples {
                let alone = GraphRun(one.problem.rows(example..<example + 1), kernels).outputs
                let row = run.outputs.map { [$0[example]] }
                // oneDNN chooses its blocking by the size of the batch.
                #expect(
                    kernels == .portable ? alone == row : Closeness.agree(alone, row),
                    "seed \(one.seed): example \(example) alone, \(kernels)")
            }
        }
    }

    // MARK: Patients

    @Test(arguments: groups) func patientsAreClippedByTheirOwnGradients(group: Int) throws {
        try Self.forEachCase(group, mixing: false, dropout: group % 3 == 0 ? 0.3 : 0) { one, kernels in
            let problem = one.problem
            var (patients, left) = ([Int](), problem.examples)
            while left > 0 {
                patients.append(min(left, 1 + one.random.index(below: 3)))
                left -= patients[patients.count - 1]
            }
            let largest = problem.graph.shapes.map(\.count).max() ?? 1
            func run(bound: Double) -> GraphRun {
                GraphRun(
                    problem, kernels, capacity: problem.examples + 1, chunkFloats: 2 * largest, patients: patients,
                    bound: bound, repeats: 2)
            }
            let free = run(bound: .infinity)
            #expect(
                Closeness.agree(free.gradient, GraphRun(problem, kernels).gradient, problem.graph),
                "seed \(one.seed): unclipped sums, \(kernels)")
            let bound = free.norms.sorted()[free.norms.count / 2] * 0.7
            var (sum, start) = ([Double](repeating: 0, count: problem.parameters.count), 0)
            for (patient, count) in patients.enumerated() {
                let own = GraphRun(problem.rows(start..<start + count), kernels).gradient
                start += count
                let norm = own.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
                #expect(
                    abs(free.norms[patient] - norm) <= 1e-4 * norm + 1e-6,
                    "seed \(one.seed): patient \(patient) of \(patients), \(kernels)")
                for (place, value) in own.enumerated() { sum[place] += min(1, bound / norm) * Double(value) }
            }
            #expect(
                Closeness.agree(run(bound: bound).gradient, sum.map { Float($0) }, problem.graph),
                "seed \(one.seed): clipped sums, \(kernels)")
        }
    }

    // MARK: Workers

    @Test(arguments: groups) func workersChangeRoundingOnly(group: Int) throws {
        try Self.forEachCase(group, mixing: group % 2 == 0, dropout: group % 3 == 0 ? 0.3 : 0) { one, kernels in
            for isPrivate in one.mixesExamples ? [false] : [false, true] {
                let threads = 2 + one.random.index(below: 5)
                let (alone, first) = try Self.step(one.problem, kernels, threads: 1, isPrivate: isPrivate)
                let (loss, parameters) = try Self.step(one.problem, kernels, threads: threads, isPrivate: isPrivate)
                let place = "seed \(one.seed): \(threads) workers, private \(isPrivate), \(kernels)"
                #expect(abs(loss - alone) <= 1e-5 * abs(alone), "\(place)")
                let (old, graph) = (one.problem.parameters, one.problem.graph)
                #expect(
                    Closeness.agree(
                        zip(parameters, old).map { $0 - $1 }, zip(first, old).map { $0 - $1 }, graph, tolerance: 2e-4),
                    "\(place)")
                let (_, again) = try Self.step(one.problem, kernels, threads: threads, isPrivate: isPrivate)
                #expect(again == parameters, "again, \(place)")
            }
        }
    }

    /// One step of descent with the rate 1 and the squared distance to the cotangents at every output.
    private static func step(
        _ problem: GraphProblem, _ kernels: KernelSet, threads: Int, isPrivate: Bool
    ) throws -> (loss: Double, parameters: [Float]) {
        let objective = Objective(
            problem.graph.outputs.indices.map { Objective.Term(output: $0, EngineTests.Distance()) })
        var options = Engine.Options(batchSize: problem.examples, threads: threads)
        (options.kernels, options.usesAllThreads, options.isPrivate) = (kernels, true, isPrivate)
        options.chunkFloats = 2 * (problem.graph.shapes.map(\.count).max() ?? 1)
        let engine = try Engine(problem.graph, objective: objective, options)
        engine.parameters.copy(from: problem.parameters, at: 0)
        try engine.prepare(.sgd(momentum: 0, nesterov: false, weightDecay: 0))
        let rows = (0..<Int32(problem.examples)).map { $0 }
        var update = StepUpdate(rate: 1, step: 0)
        if isPrivate { update.privacy = (bound: 1, noise: 0, expectedPatients: 1) }
        let loss = engine.step(rows[...], of: problem.trainingExamples, dropoutKey: 1, update)
        return (loss, engine.parameters.array)
    }
}
