// SPDX-License-Identifier: Apache-2.0
// Attention of a sequence to itself and to a memory: masks, lengths, dropout, against a loop in double.

import Glibc
import NeuralNetworks
import Tensors
import Testing

@Suite struct AttentionTests {
    static let width = 12

    /// The layer by its definition, one example in double.
    struct Reference {
        let layer: MultiHeadAttention
        let parameters: [String: [Double]]

        /// y `[queries, width]` of x and the memory, of which the first `length` steps exist.
        func output(_ x: [Double], memory: [Double], length: Int) -> [Double] {
            let (width, queries, keys) = (AttentionTests.width, x.count / AttentionTests.width, memory.count / width)
            let size = width / layer.heads
            let (q, k, v) = (project(x, 0), project(memory, 1), project(memory, 2))
            var c = [Double](repeating: 0, count: x.count)
            for head in 0..<layer.heads {
                for i in 0..<queries {
                    let seen = (0..<keys).filter { $0 < length && (!layer.isCausal || $0 <= i) }
                    let weights = seen.map { j -> Double in
                        let (a, b) = (turned(q, i, head), turned(k, j, head))
                        return exp(zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } / Double(size).squareRoot())
                    }
                    let total = weights.reduce(0, +)
                    for (j, weight) in zip(seen, weights) {
                        for d in 0..<size {
                            c[i * width + head * size + d] += weight / total * v[j * width + head * size + d]
                        }
                    }
                }
            }
            return affine(c, parameters["l.out_proj.weight"]!, parameters["l.out_proj.bias"]!)
        }

        /// One head's row at its place in time, turned where positions are rotary.
        private func turned(_ rows: [Double], _ step: Int, _ head: Int) -> [Double] {
            let size = AttentionTests.width / layer.heads
            let start = step * AttentionTests.width + head * size
            var row = Array(rows[start..<start + size])
            guard layer.isRotary else { return row }
            for pair in 0..<size / 2 {
                let angle = Double(step) * pow(10_000, -2 * Double(pair) / Double(size))
                let (a, b) = (row[2 * pair], row[2 * pair + 1])
                row[2 * pair] = a * cos(angle) - b * sin(angle)
                row[2 * pair + 1] = a * sin(angle) + b * cos(angle)
            }
            return row
        }

        private func project(_ x: [Double], _ part: Int) -> [Double] {
            let (width, weight) = (AttentionTests.width, parameters["l.in_proj_weight"]!)
            return affine(
                x, Array(weight[part * width * width..<(part + 1) * width * width]),
                Array(parameters["l.in_proj_bias"]![part * width..<(part + 1) * width]))
        }

        private func affine(_ x: [Double], _ weight: [Double], _ bias: [Double]) -> [Double] {
            let width = AttentionTests.width
            return (0..<x.count).map { place in
                let (row, o) = (place / width, place % width)
                return (0..<width).reduce(bias[o]) { $0 + x[row * width + $1] * weight[o * width + $1] }
            }
        }
    }

    static func graph(_ layer: MultiHeadAttention, queries: Int, keys: Int? = nil) throws -> Graph {
        let inputs = [Shape([queries, width])] + (keys.map { [Shape([$0, width])] } ?? [])
        return try Graph(
            inputs: inputs, nodes: [Node("l", layer, inputs: Array(inputs.indices))], outputs: [inputs.count])
    }

    /// Layers with the number of keys of the memory; nil: none.
    static let cases: [(MultiHeadAttention, Int?)] = [
        (MultiHeadAttention(1), nil), (MultiHeadAttention(3), 7), (MultiHeadAttention(2), 4),
        (MultiHeadAttention(3, rotary: true), nil), (MultiHeadAttention(3, causal: true, rotary: true), nil),
        (MultiHeadAttention(2, rotary: true), 7), (MultiHeadAttention(12, causal: true), nil),
    ]

    @Test(arguments: KernelSet.all, cases.indices)
    func attentionIsItsDefinition(kernels: KernelSet, place: Int) throws {
        let (layer, keys) = Self.cases[place]
        let (queries, lengths) = (5, [4, 2, 1])
        let graph = try Self.graph(layer, queries: queries, keys: keys)
        let (parameters, inputs) = (LayerChecks.parameters(graph), LayerChecks.inputs(graph, examples: 3))
        let run = PlanRun(
            graph, parameters: parameters, inputs: inputs, lengths: lengths,
            cotangent: LayerChecks.values(3 * queries * Self.width, "dy"), examples: 3, kernels: kernels)
        let reference = Reference(layer: layer, parameters: parameters.mapValues { LayerChecks.doubles($0) })
        let rows = (0..<3).flatMap { example -> [Double] in
            func one(_ values: [Float]) -> [Double] {
                let count = values.count / 3
                return LayerChecks.doubles(Array(values[example * count..<(example + 1) * count]))
            }
            return reference.output(one(inputs[0]), memory: one(inputs[inputs.count - 1]), length: lengths[example])
        }
        #expect(GoldenVectors.agree(run.outputs, rows))
    }

    @Test(arguments: KernelSet.all, cases.indices)
    func theGradientIsTheSlope(kernels: KernelSet, place: Int) throws {
        let (layer, keys) = Self.cases[place]
        let graph = try Self.graph(layer, queries: 5, keys: keys)
        LayerChecks.slopesAgree(graph, examples: 3, lengths: [4, 2, 0], kernels: kernels)
        var dropping = layer
        dropping.dropout = 0.3
        LayerChecks.slopesAgree(
            try Self.graph(dropping, queries: 5, keys: keys), examples: 3, lengths: [4, 2, 0], kernels: kernels)
    }

    @Test(arguments: KernelSet.all) func withoutKeysOnlyTheBiasIsLeft(kernels: KernelSet) throws {
        for layer in [MultiHeadAttention(3), MultiHeadAttention(3, causal: true, rotary: true, dropout: 0.2)] {
            let graph = try Self.graph(layer, queries: 4)
            let parameters = LayerChecks.parameters(graph)
            let cotangent = LayerChecks.values(2 * 4 * Self.width, "dy")
            let inputs = LayerChecks.inputs(graph, examples: 2)
            let run = PlanRun(
                graph, parameters: parameters, inputs: inputs, lengths: [0, 0], cotangent: cotangent, examples: 2,
                kernels: kernels)
            let bias = try #require(parameters["l.out_proj.bias"])
            #expect(run.outputs == (0..<8).flatMap { _ in bias })
            #expect(run.inputGradient.allSatisfy { $0 == 0 })
            for name in ["in_proj_weight", "in_proj_bias", "out_proj.weight"] {
                #expect(run.gradients["l." + name]?.allSatisfy { $0 == 0 } == true, "\(name)")
            }
            #expect(run.gradients["l.out_proj.bias"]?.contains { $0 != 0 } == true)
        }
    }

    @Test func causalOutputsDoNotDependOnLaterSteps() throws {
        let graph = try Self.graph(MultiHeadAttention(3, causal: true, rotary: true), queries: 6)
        let parameters = LayerChecks.parameters(graph)
        let x = LayerChecks.values(6 * Self.width, "x")
        func outputs(_ x: [Float]) -> [Float] {
            PlanRun(graph, parameters: parameters, inputs: [x], cotangent: x, examples: 1, kernels: .portable).outputs
        }
        let before = outputs(x)
        for step in 0..<6 {
            var changed = x
            for place in step * Self.width..<changed.count { changed[place] += 1 }
            let after = outputs(changed)
            #expect(after.prefix(step * Self.width) == before.prefix(step * Self.width))
            #expect(after[step * Self.width] != before[step * Self.width])
        }
    }

    // Also with dropout, whose mask belongs to the place in the batch.
    @Test(arguments: [0, 0.4]) func anExampleAloneGivesItsRow(dropout: Double) throws {
        let graph = try Self.graph(MultiHeadAttention(2, dropout: dropout), queries: 5)
        let (parameters, x) = (LayerChecks.parameters(graph), LayerChecks.inputs(graph, examples: 4)[0])
        let (lengths, count) = ([5, 2, 0, 3], 5 * Self.width)
        let cotangent = LayerChecks.values(4 * count, "dy")
        let batch = PlanRun(
            graph, parameters: parameters, inputs: [x], lengths: lengths, cotangent: cotangent, examples: 4,
            capacity: 6, kernels: .portable)
        for example in 0..<4 {
            let own = example * count..<(example + 1) * count
            let alone = PlanRun(
                graph, parameters: parameters, inputs: [Array(x[own])], lengths: [lengths[example]],
                cotangent: Array(cotangent[own]), examples: 1, kernels: .portable,
                step: Step(dropoutKey: 1, firstExample: example, batchExamples: 4))
            #expect(alone.outputs == Array(batch.outputs[own]))
            #expect(alone.inputGradient == Array(batch.inputGradient[own]))
        }
    }

    @Test func dropoutActsInTrainingOnly() throws {
        func outputs(dropout: Double, isTraining: Bool) throws -> [Float] {
            let graph = try Self.graph(MultiHeadAttention(3, dropout: dropout), queries: 6)
            let parameters = FloatBuffer(count: graph.parameterCount)
            let gradients = FloatBuffer(count: graph.parameterCount)
            for (place, value) in graph.initialParameters(seed: 1).enumerated() { parameters.floats[place] = value }
            let plan = Plan(
                graph, Plan.Options(capacity: 1, isTraining: isTraining), parameters: parameters.floats,
                gradients: isTraining ? gradients.floats : nil)
            plan.inputs[0].lengths?[0] = 6
            for (place, value) in LayerChecks.values(6 * Self.width, "x").enumerated() {
                plan.inputs[0].floats(0..<1)[place] = value
            }
            plan.forward(examples: 1, step: Step(dropoutKey: 3, firstExample: 0, batchExamples: 1))
            return plan.outputs[0].floats(0..<1).array
        }
        let plain = try outputs(dropout: 0, isTraining: true)
        #expect(try outputs(dropout: 0.5, isTraining: false) == plain)
        #expect(try outputs(dropout: 0.5, isTraining: true) != plain)
    }

    @Test func whatDoesNotFitIsRefused() {
        let sequence = Shape([4, 12])
        for (layer, inputs) in [
            (MultiHeadAttention(5), [sequence]), (MultiHeadAttention(0), [sequence]),
            (MultiHeadAttention(3), [Shape([12])]), (MultiHeadAttention(3), [.tokens(4)]), (MultiHeadAttention(3), []),
            (MultiHeadAttention(3), [sequence, Shape([4, 24])]),
            (MultiHeadAttention(3), [sequence, sequence, sequence]),
            (MultiHeadAttention(3, causal: true), [sequence, sequence]),
            (MultiHeadAttention(4, rotary: true), [sequence]),
            (MultiHeadAttention(3, dropout: 1), [sequence]), (MultiHeadAttention(3, dropout: .nan), [sequence]),
        ] {
            #expect(throws: ShapeError.self) { try layer.outputShape(inputs) }
        }
    }

    /// Large enough for the library, which must give what the portable loops give.
    @Test func theLibrarysProductsAreRightAndNotItsReferenceOnes() throws {
        guard DeepNeuralNetworkLibrary.isBuilt else { return }
        let (steps, width) = (128, 128)
        let graph = try Graph(
            inputs: [Shape([steps, width])], nodes: [Node("l", MultiHeadAttention(4), inputs: [0])], outputs: [1])
        func run(_ kernels: KernelSet) -> PlanRun {
            PlanRun(
                graph, parameters: LayerChecks.parameters(graph), inputs: LayerChecks.inputs(graph, examples: 2),
                lengths: [128, 77], cotangent: LayerChecks.values(2 * steps * width, "dy"), examples: 2,
                kernels: kernels)
        }
        let (library, portable) = (run(.fastest), run(.portable))
        #expect(
            library.implementations.count >= 12 && !library.implementations.contains { $0.contains("ref") },
            "\(library.implementations)")
        #expect(GoldenVectors.agree(library.outputs, LayerChecks.doubles(portable.outputs)))
        #expect(GoldenVectors.agree(library.inputGradient, LayerChecks.doubles(portable.inputGradient)))
        for (name, values) in portable.gradients {
            // What cancels is not compared to the last digit: the keys' bias has no gradient.
            let largest = values.map { abs($0) }.max() ?? 0
            let difference = zip(values, library.gradients[name] ?? []).map { abs($0 - $1) }.max() ?? .infinity
            #expect(difference <= 2e-5 * largest, "\(name)")
        }
    }
}
