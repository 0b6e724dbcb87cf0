// SPDX-License-Identifier: Apache-2.0
// Adapters of dense and attention layers: their gradients, what stays frozen, and what is refused.

import NeuralNetworks
import Randomness
import Tensors
import Testing

@Suite struct AdapterTests {
    static let width = 8
    private static let size = AttentionAdapter(rank: 2, alpha: 3)
    private static let everywhere = AttentionAdapter(
        rank: 3, alpha: 2, projections: Set(AttentionProjection.allCases))

    /// A graph by what it tests.
    struct Sample: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let graph: Graph
    }

    private static func attention(_ layer: MultiHeadAttention, keys: Int? = nil) throws -> Graph {
        let inputs = [Shape([5, width])] + (keys.map { [Shape([$0, width])] } ?? [])
        return try Graph(
            inputs: inputs, nodes: [Node("l", layer, inputs: Array(inputs.indices))], outputs: [inputs.count])
    }

    /// Every layer that takes adapters, in the ways that take another path.
    static let samples: [Sample] = {
        do {
            let adapter = Adapter(rank: 2, alpha: 5)
            func dense(_ activation: ActivationFunction, bias: Bool = true) throws -> Graph {
                try Graph(
                    input: Shape([3, 6]),
                    layers: [
                        Dense(5, activation: .tanh), Dense(4, activation: activation, bias: bias, adapter: adapter),
                    ])
            }
            var (causal, mixed) = (MultiHeadAttention(2, causal: true, rotary: true), MultiHeadAttention(2))
            (causal.adapter, mixed.adapter) = (everywhere, everywhere)
            mixed.adapter?.projections = [.key, .output]
            let encoder = TransformerEncoderLayer(
                heads: 2, feedForward: 6, activation: .gelu, normalizesFirst: true, adapter: size)
            let decoder = TransformerDecoderLayer(heads: 2, feedForward: 6, activation: .silu, adapter: everywhere)
            let memory = [Shape([5, width]), Shape([4, width])]
            return [
                Sample(testDescription: "dense", graph: try dense(.linear)),
                Sample(testDescription: "dense, relu", graph: try dense(.relu)),
                Sample(testDescription: "dense, gelu, no bias", graph: try dense(.gelu, bias: false)),
                Sample(testDescription: "attention", graph: try attention(MultiHeadAttention(2, adapter: size))),
                Sample(testDescription: "causal, all projections", graph: try attention(causal)),
                Sample(testDescription: "memory, all projections", graph: try attention(withAll(2), keys: 7)),
                Sample(testDescription: "memory, key and output", graph: try attention(mixed, keys: 4)),
                Sample(
                    testDescription: "encoder",
                    graph: try LayerChecks.graph(
                        [memory[0]], TransformerEncoder(encoder, layers: 2, finalNorm: true))),
                Sample(testDescription: "decoder", graph: try LayerChecks.graph(memory, decoder)),
            ]
        } catch {
            fatalError("a graph that does not fit: \(error)")
        }
    }()

    private static func withAll(_ heads: Int) -> MultiHeadAttention {
        MultiHeadAttention(heads, adapter: everywhere)
    }

    /// Random values for a graph, none of them zero, in three examples.
    static func problem(_ graph: Graph) -> GraphProblem {
        let parameters = LayerChecks.parameters(graph)
        let inputs = LayerChecks.inputs(graph, examples: 3)
        func rows(_ values: [Float]) -> [[Float]] {
            let count = values.count / 3
            return (0..<3).map { Array(values[$0 * count..<($0 + 1) * count]) }
        }
        let count = graph.shapes[graph.outputs[0]].count
        return GraphProblem(
            graph: graph, parameters: graph.slices.flatMap { parameters[$0.name] ?? [] }, inputs: inputs.map(rows),
            lengths: graph.inputShapes.map { _ in nil }, cotangents: [rows(LayerChecks.values(3 * count, "dy"))])
    }

    // MARK: Gradients

    @Test(arguments: samples, KernelSet.all)
    func valuesAndSlopesAreTheReferences(_ sample: Sample, kernels: KernelSet) throws {
        let problem = Self.problem(sample.graph)
        let run = GraphRun(problem, kernels)
        var reference = ReferenceGraph(sample.graph)
        let edges = reference.edges(
            parameters: problem.parameters.map { Double($0) }, inputs: problem.referenceInputs)
        try #require(reference.margin > 1e-4)
        let expected = Array(edges[sample.graph.outputs[0]].rows.joined())
        #expect(Closeness.distance(Array(run.outputs[0].joined()), expected) <= 2e-5)
        var random = SeededGenerator(seed: 5, stream: "slopes")
        let slopes = SlopeCheck(problem, run)
        for _ in 0..<5 {
            let (expected, actual) = slopes.slopes(&random)
            #expect(abs(expected - actual) <= 1e-4, "\(slopes.culprits(&random))")
        }
        for slice in sample.graph.slices {
            let own = run.gradient[slice.offset..<slice.offset + slice.count]
            let isZero = own.allSatisfy { $0 == 0 }
            #expect(isZero == slice.isFrozen, "\(slice.name)")
        }
    }

    /// y = W·x + bias + up·(down·x), put together from plain layers.
    @Test(arguments: KernelSet.all) func anAdaptedDenseLayerIsASumOfDenseLayers(kernels: KernelSet) throws {
        let (rank, alpha) = (3, 6.0)
        let scale = Float(alpha / 3)
        let adapted = try Graph(
            inputs: [Shape([4, 10])],
            nodes: [Node("l", Dense(7, activation: .gelu, adapter: Adapter(rank: rank, alpha: alpha)), inputs: [0])],
            outputs: [1])
        let composed = try Graph(
            inputs: [Shape([4, 10])],
            nodes: [
                Node("own", Dense(7), inputs: [0]), Node("down", Dense(rank, bias: false), inputs: [0]),
                Node("up", Dense(7, bias: false), inputs: [2]), Node("sum", Add(), inputs: [1, 3]),
                Node("f", ActivationLayer(.gelu), inputs: [4]),
            ], outputs: [5])
        let own = LayerChecks.parameters(adapted)
        func tensor(_ name: String) throws -> [Float] { try #require(own["l." + name]) }
        let others = [
            "own.weight": try tensor("weight"), "own.bias": try tensor("bias"),
            "down.weight": try tensor("adapter.down"), "up.weight": try tensor("adapter.up").map { scale * $0 },
        ]
        let (x, dy) = (LayerChecks.inputs(adapted, examples: 3), LayerChecks.values(3 * 28, "dy"))
        func run(_ graph: Graph, _ parameters: [String: [Float]]) -> PlanRun {
            PlanRun(graph, parameters: parameters, inputs: x, cotangent: dy, examples: 3, kernels: kernels)
        }
        let (one, other) = (run(adapted, own), run(composed, others))
        func agree(_ values: [Float]?, _ expected: [Float]?) -> Bool {
            GoldenVectors.agree(values ?? [], LayerChecks.doubles(expected ?? [.nan]))
        }
        #expect(agree(one.outputs, other.outputs))
        #expect(agree(one.inputGradient, other.inputGradient))
        #expect(agree(one.gradients["l.adapter.down"], other.gradients["down.weight"]))
        #expect(agree(one.gradients["l.adapter.up"], other.gradients["up.weight"]?.map { scale * $0 }))
    }

    // MARK: Patients

    /// A sequence through a frozen layer, attention and two adapted dense layers to three classes.
    static func classifier() throws -> Graph {
        var builder = GraphBuilder()
        var edge = builder.input(Shape([6, 7]))
        edge = try builder.add("front", Dense(width, activation: .tanh), inputs: [edge], isFrozen: true)
        let encoder = TransformerEncoderLayer(heads: 2, feedForward: 6, activation: .gelu, adapter: everywhere)
        edge = try TransformerEncoder(encoder, layers: 2).build(&builder, name: "t", inputs: [edge])
        let adapter = Adapter(rank: 2, alpha: 4)
        edge = try builder.add("steps", Dense(9, activation: .relu, adapter: adapter), edge)
        edge = try builder.add("mean", MeanOverTime(), edge)
        edge = try builder.add("o", Dense(3, adapter: adapter), edge)
        return try builder.graph(outputs: [edge])
    }

    @Test(arguments: KernelSet.all) func patientsAreClippedAsWholes(kernels: KernelSet) throws {
        for lengths in [nil, [6, 3, 1, 1, 5, 6]] {
            LayerChecks.patientsAreClippedAsWholes(try Self.classifier(), lengths: lengths, kernels: kernels)
        }
    }

    @Test func aSteadyStepAllocatesNothing() throws {
        LayerChecks.steadyStepAllocatesNothing(try Self.classifier())
    }

    // MARK: Training

    @Test(arguments: [1, 2], [false, true])
    func stepsLeaveWhatIsFrozenBitForBit(threads: Int, isPrivate: Bool) throws {
        let graph = try Self.classifier()
        let start = graph.initialParameters(seed: 3)
        var options = Engine.Options(batchSize: 6, threads: threads)
        (options.usesAllThreads, options.isPrivate) = (true, isPrivate)
        let engine = try Engine(graph, objective: Objective(SoftmaxCrossEntropy()), options)
        let examples = Examples(
            count: 6, inputs: [.floats(LayerChecks.values(6 * graph.inputShapes[0].count, "x"))],
            targets: [[0, 1, 2, 0, 1, 2]])
        for optimizer: OptimizerSpecification in [
            .sgd(momentum: 0.9, nesterov: true, weightDecay: 0.1),
            .adamW(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1, amsgrad: false),
            .lamb(beta1: 0.9, beta2: 0.999, epsilon: 1e-6, weightDecay: 0.1),
        ] {
            engine.parameters.copy(from: start, at: 0)
            try engine.prepare(optimizer, noiseKey: .init(repeating: 7, count: 32))
            var losses: [Double] = []
            for step in 0..<20 {
                var update = StepUpdate(rate: 0.02, step: step)
                update.largestNorm = 5
                if isPrivate { update.privacy = (bound: 1, noise: 0.01, expectedPatients: 6) }
                losses.append(
                    engine.step((0..<Int32(6)).map { $0 }[...], of: examples, dropoutKey: UInt64(step), update))
            }
            #expect(losses[19] < losses[0], "\(optimizer)")
            let end = engine.parameters.array
            for slice in graph.slices {
                let range = slice.offset..<slice.offset + slice.count
                #expect(
                    (end[range].map(\.bitPattern) == start[range].map(\.bitPattern)) == slice.isFrozen,
                    "\(slice.name), \(optimizer)")
            }
        }
    }

    // MARK: Names, sizes, refusals

    @Test func tensorsAreThoseOfThePlainLayersAndTheAdapters() throws {
        let graph = try Self.attention(MultiHeadAttention(2, adapter: Self.size))
        #expect(
            graph.slices.map(\.name) == [
                "l.in_proj_weight", "l.in_proj_bias", "l.out_proj.weight", "l.out_proj.bias", "l.query.adapter.down",
                "l.query.adapter.up", "l.value.adapter.down", "l.value.adapter.up",
            ])
        #expect(graph.slices.map(\.isFrozen) == (0..<8).map { $0 < 4 })
        #expect(graph.slices.map(\.isAdapter) == (0..<8).map { $0 >= 4 })
        #expect(graph.slices.suffix(2).map(\.shape) == [[2, 8], [8, 2]])
        let dense = try Graph(input: Shape([6]), layers: [Dense(5, bias: false, adapter: Adapter(rank: 3, alpha: 1))])
        #expect(dense.slices.map(\.name) == ["0.weight", "0.adapter.down", "0.adapter.up"])
        #expect(dense.trainedRanges == [30..<63])
        let start = dense.initialParameters(seed: 4)
        #expect(
            start[30..<48].allSatisfy { abs($0) <= 1 / Float(6).squareRoot() } && start[30..<48].contains { $0 != 0 })
        #expect(start[48...].allSatisfy { $0 == 0 })
    }

    /// Neither the loss nor an input asks for gradients before the first adapter.
    @Test func aBlockWithAnAdapterTrainsNothingElse() throws {
        let trained = try Self.classifier().slices.filter { !$0.isFrozen }.map(\.name)
        #expect(trained.count == 2 * 8 + 4 && trained.allSatisfy { $0.contains(".adapter.") }, "\(trained)")
    }

    @Test func theSummaryCountsAdapters() throws {
        let model = ModelSpecification(inputs: [.values("steps", [6, 8])]) {
            TransformerEncoderLayer(heads: 2, feedForward: 16, adapter: AttentionAdapter(rank: 2, alpha: 2))
            MeanOverTime()
            Dense(3)
        }
        let summary = try ModelSummary(model, features: nil)
        let plain = try ModelSummary(model.withoutAdapters, features: nil)
        #expect(summary.adapterParameters == 64 && plain.adapterParameters == 0)
        #expect(summary.parameters == plain.parameters + 64)
        #expect(summary.trainedParameters == 64 + 27 && plain.trainedParameters == plain.parameters)
        #expect(summary.rows.map(\.trainedParameters) == [64, 0, 27])
        #expect(summary.rows.map(\.adapterParameters) == [64, 0, 0])
        #expect(summary.operations == plain.operations + 2 * 2 * 6 * 2 * 16)
        #expect(summary.table.contains("trained") && summary.table.contains("91 of them trained, 64 in adapters"))
        #expect(!plain.table.contains("adapters"))
    }

    @Test func impossibleAdaptersAreRefusedByName() {
        func problem(_ element: any StudyElement) -> String {
            let model = ModelSpecification(
                inputs: [.values("steps", [4, 6])], elements: [ModelElement(element, name: "findings")])
            do {
                _ = try model.graph(features: nil)
                return "accepted"
            } catch {
                return error.description
            }
        }
        #expect(
            problem(Dense(3, adapter: Adapter(rank: 4, alpha: 1)))
                == "layer findings (dense) does not fit: the adapter has the rank 4: 1 to 3 are possible for 6 inputs and "
                + "3 outputs")
        #expect(problem(Dense(3, adapter: Adapter(rank: 3, alpha: 1))) == "accepted")
        #expect(
            problem(Dense(3, adapter: Adapter(rank: 0, alpha: 1)))
                == "layer findings (dense) has a `adapter.rank` out of range: from 1 to 65536")
        for alpha in [0, -1, .nan, .infinity] {
            #expect(problem(Dense(3, adapter: Adapter(rank: 1, alpha: alpha))).contains("`adapter.alpha`"))
        }
        let wide = AttentionAdapter(rank: 7, alpha: 1)
        #expect(problem(MultiHeadAttention(2, adapter: wide)).contains("layer findings (multiHeadAttention)"))
        let nowhere = AttentionAdapter(rank: 2, alpha: 1, projections: [])
        #expect(problem(MultiHeadAttention(2, adapter: nowhere)).contains("on no projection"))
        #expect(
            problem(TransformerEncoderLayer(heads: 2, feedForward: 8, adapter: wide)).contains(
                "findings.self_attn: the adapter has the rank 7: 1 to 6 are possible"))
    }
}
