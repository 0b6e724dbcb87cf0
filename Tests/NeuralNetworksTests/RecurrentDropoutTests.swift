// SPDX-License-Identifier: Apache-2.0
// Dropout between the levels of recurrent layers: where it lies, what it leaves alone, its gradients, and workers.

import NeuralNetworks
import Tensors
import Testing

@Suite struct RecurrentDropoutTests {
    typealias Kind = RecurrentLayerTests.Kind

    static let rate = 0.4
    static let kinds = [
        Kind(testDescription: "lstm") { LSTM($0, layers: 2, dropout: rate) },
        Kind(testDescription: "gru of two directions") { GRU($0, layers: 3, bidirectional: true, dropout: rate) },
        Kind(testDescription: "rnn") { RNN($0, layers: 2, dropout: rate) },
    ]
    private static let steps = 6
    private static let step = Step(dropoutKey: 77, firstExample: 0, batchExamples: 5)

    // The mask of the first level numbers the values as they lie in [examples, steps, width]; x and y are whole.
    @Test(arguments: KernelSet.all) func theMaskLiesBetweenTheLevels(kernels: KernelSet) throws {
        let (hidden, examples) = (5, 5)
        let whole = try RecurrentLayerTests.graph(LSTM(hidden, layers: 2, dropout: Self.rate), steps: Self.steps)
        let parameters = RecurrentLayerTests.parameters(whole)
        let x = RecurrentLayerTests.values(examples * Self.steps * RecurrentLayerTests.features, "x")
        let cotangent = RecurrentLayerTests.values(examples * Self.steps * hidden, "dy")
        let run = PlanRun(
            whole, parameters: parameters, inputs: [x], cotangent: cotangent, examples: examples, kernels: kernels,
            step: Self.step)

        func level(_ number: Int, _ x: [Float], width: Int) throws -> PlanRun {
            let graph = try Graph(
                inputs: [Shape([Self.steps, width])], nodes: [Node("r", LSTM(hidden), inputs: [0])], outputs: [1])
            let own = parameters.filter { $0.key.hasSuffix("_l\(number)") }
            let renamed = own.map { ($0.key.replacing("_l\(number)", with: "_l0"), $0.value) }
            return PlanRun(
                graph, parameters: .init(uniqueKeysWithValues: renamed), inputs: [x], cotangent: cotangent,
                examples: examples, kernels: kernels)
        }
        let first = try level(0, x, width: RecurrentLayerTests.features).outputs
        let hiddens = FloatBuffer(count: first.count)
        hiddens.floats.copy(from: first, at: 0)
        // The key of the first layer of a model.
        DropoutMask(rate: Self.rate, key: 77 &+ 0x9E37_79B9_7F4A_7C15)
            .apply(hiddens.floats, firstElement: 0, into: hiddens.floats)
        let dropped = hiddens.floats.array
        #expect(dropped.count { $0 == 0 } > dropped.count / 4 && dropped.count { $0 == 0 } < dropped.count * 3 / 5)
        let second = try level(1, dropped, width: hidden)
        #expect(GoldenVectors.agree(run.outputs, RecurrentLayerTests.doubles(second.outputs)))
        let gradient = second.gradients["r.weight_ih_l0"] ?? []
        #expect(GoldenVectors.agree(run.gradients["r.weight_ih_l1"] ?? [], RecurrentLayerTests.doubles(gradient)))
    }

    @Test(arguments: kinds) func inferenceIsThatWithoutDropout(kind: Kind) throws {
        func predictions(_ layer: any Layer) throws -> [Float] {
            let graph = try RecurrentLayerTests.graph(layer, steps: Self.steps)
            let x = RecurrentLayerTests.values(3 * Self.steps * RecurrentLayerTests.features, "x")
            let predictor = try Predictor(graph, objective: Objective([]), examples: 3, threads: 1)
            return predictor.predictions(
                graph.initialParameters(seed: 3), Examples(count: 3, inputs: [.floats(x)]))[0]
        }
        let whole: any Layer =
            switch kind.layer(5) {
            case is LSTM: LSTM(5, layers: 2)
            case is GRU: GRU(5, layers: 3, bidirectional: true)
            default: RNN(5, layers: 2)
            }
        #expect(try predictions(kind.layer(5)) == predictions(whole))
    }

    @Test(arguments: KernelSet.all, kinds) func slopesAreTheGradients(kernels: KernelSet, kind: Kind) throws {
        let graph = try RecurrentLayerTests.graph(kind.layer(5), steps: Self.steps)
        LayerChecks.slopesAgree(graph, examples: 4, lengths: [6, 0, 3, 5], kernels: kernels, step: Self.step)
    }

    // Whoever takes an example draws the same mask for it.
    @Test(arguments: kinds) func anExampleAloneGivesWhatItGivesInItsBatch(kind: Kind) throws {
        let graph = try RecurrentLayerTests.graph(kind.layer(5), steps: Self.steps)
        let (parameters, width) = (RecurrentLayerTests.parameters(graph), graph.shapes[1].count)
        let count = Self.steps * RecurrentLayerTests.features
        let (x, dy) = (
            RecurrentLayerTests.values(5 * count, "x"), RecurrentLayerTests.values(5 * width, "dy")
        )
        func run(_ rows: Range<Int>) -> PlanRun {
            PlanRun(
                graph, parameters: parameters, inputs: [Array(x[rows.lowerBound * count..<rows.upperBound * count])],
                cotangent: Array(dy[rows.lowerBound * width..<rows.upperBound * width]), examples: rows.count,
                step: Step(dropoutKey: 77, firstExample: rows.lowerBound, batchExamples: 5))
        }
        let batch = run(0..<5)
        for example in 0..<5 {
            let (alone, rows) = (run(example..<example + 1), example * width..<(example + 1) * width)
            #expect(GoldenVectors.agree(Array(batch.outputs[rows]), RecurrentLayerTests.doubles(alone.outputs)))
        }
        #expect(!GoldenVectors.agree(Array(run(0..<1).outputs), RecurrentLayerTests.doubles(run(1..<2).outputs)))
    }

    @Test(arguments: KernelSet.all, kinds) func patientsAreClippedAsWholes(kernels: KernelSet, kind: Kind) throws {
        let graph = try Graph(
            inputs: [Shape([7, RecurrentLayerTests.features])],
            nodes: [
                Node("r", kind.layer(5), inputs: [0]), Node("mean", MeanOverTime(), inputs: [1]),
                Node("o", Dense(3), inputs: [2]),
            ], outputs: [3])
        LayerChecks.patientsAreClippedAsWholes(graph, lengths: [7, 3, 0, 1, 5, 6], kernels: kernels)
    }

    @Test(arguments: kinds) func aSteadyStepAllocatesNothing(kind: Kind) throws {
        LayerChecks.steadyStepAllocatesNothing(try RecurrentLayerTests.graph(kind.layer(5), steps: 6))
    }
}
