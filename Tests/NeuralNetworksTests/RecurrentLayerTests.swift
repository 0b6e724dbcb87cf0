// SPDX-License-Identifier: Apache-2.0
// Recurrent layers: lengths, batches, gradients by patient, names, and what a steady step allocates.

import NeuralNetworks
import Randomness
import Tensors
import Testing

@Suite struct RecurrentLayerTests {
    /// A layer, made for a hidden width.
    struct Kind: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let layer: @Sendable (_ hidden: Int) -> any Layer
    }

    static let kinds = [
        Kind(testDescription: "lstm") { LSTM($0) },
        Kind(testDescription: "lstm of two levels and directions") { LSTM($0, layers: 2, bidirectional: true) },
        Kind(testDescription: "gru of three levels") { GRU($0, layers: 3) },
        Kind(testDescription: "gru of two levels and directions") { GRU($0, layers: 2, bidirectional: true) },
        Kind(testDescription: "rnn of two levels and directions") { RNN($0, layers: 2, bidirectional: true) },
        Kind(testDescription: "rnn with relu") { RNN($0, activation: .relu) },
    ]
    static let features = 4

    static func values(_ count: Int, _ stream: String) -> [Float] {
        var generator = SeededGenerator(seed: 11, stream: stream)
        return (0..<count).map { _ in 2 * generator.uniformFloat() - 1 }
    }

    static func graph(_ layer: any Layer, steps: Int) throws -> Graph {
        try Graph(inputs: [Shape([steps, features])], nodes: [Node("r", layer, inputs: [0])], outputs: [1])
    }

    static func parameters(_ graph: Graph) -> [String: [Float]] {
        let flat = graph.initialParameters(seed: 3)
        return .init(
            uniqueKeysWithValues: graph.slices.map { ($0.name, Array(flat[$0.offset..<$0.offset + $0.count])) })
    }

    static func doubles(_ values: [Float]) -> [Double] { values.map { Double($0) } }

    // A sequence in a batch of padded ones gives what it gives alone, and the batch's gradient is the sum. What lies
    // behind the end, NaN here, is never read; y and dx are zero there.
    @Test(arguments: KernelSet.all, kinds) func aPaddedSequenceGivesWhatItGivesAlone(kernels: KernelSet, kind: Kind)
        throws
    {
        let (steps, lengths) = (7, [7, 3, 0, 1, 5])
        let layer = kind.layer(5)
        let graph = try Self.graph(layer, steps: steps)
        let parameters = Self.parameters(graph)
        let width = graph.shapes[1].sizes[1]
        let x = Self.values(lengths.count * steps * Self.features, "x")
        let cotangent = Self.values(lengths.count * steps * width, "dy")
        var padded = x
        for (example, length) in lengths.enumerated() {
            for place in (example * steps + length) * Self.features..<(example + 1) * steps * Self.features {
                padded[place] = .nan
            }
        }
        let batch = PlanRun(
            graph, parameters: parameters, inputs: [padded], lengths: lengths, cotangent: cotangent,
            examples: lengths.count, capacity: 9, kernels: kernels)
        var sums: [String: [Double]] = [:]
        for (example, length) in lengths.enumerated() {
            func rows(_ values: [Float], _ width: Int) -> (own: [Float], behind: [Float]) {
                let own = Array(values[example * steps * width..<(example + 1) * steps * width])
                return (Array(own.prefix(length * width)), Array(own.dropFirst(length * width)))
            }
            let (y, dx) = (rows(batch.outputs, width), rows(batch.inputGradient, Self.features))
            #expect(y.behind.allSatisfy { $0 == 0 } && dx.behind.allSatisfy { $0 == 0 })
            guard length > 0 else { continue }
            let alone = PlanRun(
                try Self.graph(layer, steps: length), parameters: parameters, inputs: [rows(x, Self.features).own],
                cotangent: rows(cotangent, width).own, examples: 1, kernels: kernels)
            #expect(GoldenVectors.agree(y.own, Self.doubles(alone.outputs)), "y of \(length) steps")
            #expect(GoldenVectors.agree(dx.own, Self.doubles(alone.inputGradient)), "dx of \(length) steps")
            for (name, values) in alone.gradients {
                let sum = sums[name] ?? .init(repeating: 0, count: values.count)
                sums[name] = zip(sum, values).map { $0 + Double($1) }
            }
        }
        for (name, sum) in sums {
            #expect(GoldenVectors.agree(batch.gradients[name] ?? [], sum), "gradient of \(name)")
        }
    }

    @Test(arguments: KernelSet.all, kinds) func patientsAreClippedAsWholes(kernels: KernelSet, kind: Kind) throws {
        // The wide layer takes norms by Gram matrices, the narrow one by the gradient.
        for (hidden, lengths) in [(5, nil), (5, [7, 3, 0, 1, 5, 6]), (24, [7, 3, 0, 1, 5, 6])] {
            let steps = 7
            let graph = try Graph(
                inputs: [Shape([steps, Self.features])],
                nodes: [
                    Node("r", kind.layer(hidden), inputs: [0]), Node("mean", MeanOverTime(), inputs: [1]),
                    Node("o", Dense(3), inputs: [2]),
                ], outputs: [3])
            LayerChecks.patientsAreClippedAsWholes(graph, lengths: lengths, kernels: kernels)
        }
    }

    @Test(arguments: kinds) func aSteadyStepAllocatesNothing(kind: Kind) throws {
        let graph = try Self.graph(kind.layer(5), steps: 6)
        LayerChecks.steadyStepAllocatesNothing(graph)
    }

    @Test func parametersHavePyTorchsNamesAndStart() throws {
        let graph = try Self.graph(GRU(16, layers: 2, bidirectional: true), steps: 3)
        let kinds = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
        let places = ["l0", "l0_reverse", "l1", "l1_reverse"]
        #expect(graph.slices.map(\.name) == places.flatMap { place in kinds.map { "r.\($0)_\(place)" } })
        #expect(graph.slices.map(\.shape).prefix(4) == [[48, 4], [48, 16], [48], [48]])
        #expect(graph.slices[8].shape == [48, 32])
        let start = graph.initialParameters(seed: 1)
        #expect(start.allSatisfy { abs($0) <= 0.25 } && start.contains { $0 > 0.24 } && start.contains { $0 < -0.24 })
    }

    @Test func whatDoesNotFitIsRefused() {
        #expect(throws: ShapeError.self) { try LSTM(3).outputShape([Shape([4])]) }
        #expect(throws: ShapeError.self) { try LSTM(3).outputShape([.tokens(4)]) }
        #expect(throws: ShapeError.self) { try GRU(0).outputShape([Shape([4, 2])]) }
        #expect(throws: ShapeError.self) { try GRU(3, layers: 0).outputShape([Shape([4, 2])]) }
        #expect(throws: ShapeError.self) { try RNN(3, activation: .gelu).outputShape([Shape([4, 2])]) }
        #expect(throws: ShapeError.self) { try LSTM(3, layers: 2, dropout: 1).outputShape([Shape([4, 2])]) }
        #expect(throws: ShapeError.self) { try LSTM(3, layers: 1, dropout: 0.1).outputShape([Shape([4, 2])]) }
    }

    @Test func theLibrarysProductsAreNotItsReferenceOnes() throws {
        guard DeepNeuralNetworkLibrary.isBuilt else { return }
        for layer in [LSTM(128), GRU(128), RNN(128)] as [any Layer] {
            let graph = try Self.graph(layer, steps: 20)
            let run = PlanRun(
                graph, parameters: Self.parameters(graph), inputs: [Self.values(16 * 20 * Self.features, "x")],
                cotangent: Self.values(16 * 20 * 128, "dy"), examples: 16)
            #expect(
                run.implementations.count >= 3 && !run.implementations.contains { $0.contains("ref") },
                "\(run.implementations)")
        }
    }
}
