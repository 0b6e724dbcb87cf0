// SPDX-License-Identifier: Apache-2.0
// Blocks that bring two inputs together, and the layers between an image and a sequence.

import Glibc
import NeuralNetworks
import Tensors
import Testing

@Suite struct FusionTests {
    @Test(arguments: KernelSet.all) func gatedFusionIsItsDefinition(kernels: KernelSet) throws {
        let graph = try LayerChecks.graph([Shape([5]), Shape([5])], GatedFusion())
        let (parameters, inputs) = (LayerChecks.parameters(graph), LayerChecks.inputs(graph, examples: 4))
        let run = PlanRun(
            graph, parameters: parameters, inputs: inputs, cotangent: LayerChecks.values(20, "dy"), examples: 4,
            kernels: kernels)
        let weight = LayerChecks.doubles(try #require(parameters["b.gate.weight"]))
        let bias = LayerChecks.doubles(try #require(parameters["b.gate.bias"]))
        let expected = (0..<20).map { place -> Double in
            let (a, b) = (LayerChecks.doubles(inputs[0]), LayerChecks.doubles(inputs[1]))
            let (row, unit) = (place / 5, place % 5)
            let both = Array(a[row * 5..<row * 5 + 5] + b[row * 5..<row * 5 + 5])
            let z = (0..<10).reduce(bias[unit]) { $0 + weight[unit * 10 + $1] * both[$1] }
            let gate = 1 / (1 + exp(-z))
            return gate * a[place] + (1 - gate) * b[place]
        }
        #expect(GoldenVectors.agree(run.outputs, expected))
        LayerChecks.slopesAgree(graph, examples: 4, kernels: kernels)
    }

    /// A text that looks at the positions of what a convolution made of an image.
    @Test(arguments: KernelSet.all, [8, 16])
    func aSequenceAttendsToAnImage(kernels: KernelSet, filters: Int) throws {
        var builder = GraphBuilder()
        let (text, image) = (builder.input(.tokens(5)), builder.input(Shape([2, 6, 6])))
        let sequence = try builder.add("e", Embedding(7, width: 8), text)
        let maps = try builder.add("c", Convolve.twoD(filters, kernel: 3, activation: .tanh), image)
        let fused = try CrossAttentionFusion(heads: 2, dropout: 0.1)
            .build(&builder, name: "f", inputs: [sequence, maps])
        let mean = try builder.add("mean", MeanOverTime(), fused)
        let graph = try builder.graph(outputs: [mean])
        #expect(graph.slices.contains { $0.name == "f.memory_proj.weight" } == (filters != 8))
        LayerChecks.slopesAgree(graph, examples: 6, lengths: [5, 2, 0, 1, 4, 3], kernels: kernels)
    }

    @Test func shapesThatDoNotFitAreRefusedWithTheBlocksName() {
        func refused(_ block: any Block, _ inputs: [Shape]) {
            #expect {
                try LayerChecks.graph(inputs, block)
            } throws: { ($0 as? ShapeError)?.layer.hasPrefix("b") == true }
        }
        refused(GatedFusion(), [Shape([5])])
        refused(GatedFusion(), [Shape([5]), Shape([6])])
        refused(GatedFusion(), [Shape([5, 2]), Shape([5, 2])])
        refused(CrossAttentionFusion(heads: 2), [Shape([5, 8])])
        refused(CrossAttentionFusion(heads: 2), [Shape([5, 8]), Shape([8])])
        refused(CrossAttentionFusion(heads: 3), [Shape([5, 8]), Shape([4, 8])])
    }

    @Test func channelsLastTransposesEveryExample() throws {
        let graph = try Graph(input: Shape([3, 2, 4]), layers: [ChannelsLast()])
        #expect(graph.shapes[1] == Shape([8, 3]))
        let (x, dy) = (LayerChecks.values(2 * 24, "x"), LayerChecks.values(2 * 24, "dy"))
        let run = PlanRun(graph, parameters: [:], inputs: [x], cotangent: dy, examples: 2)
        for example in 0..<2 {
            for position in 0..<8 {
                for channel in 0..<3 {
                    let (first, last) = (example * 24 + channel * 8 + position, example * 24 + position * 3 + channel)
                    #expect(run.outputs[last] == x[first] && run.inputGradient[first] == dy[last])
                }
            }
        }
    }

    @Test func aSliceIsItsPartAndKeepsItsLength() throws {
        let graph = try Graph(input: Shape([5, 2]), layers: [Slice(1..<4)])
        #expect(graph.shapes[1] == Shape([3, 2]))
        let (x, dy) = (LayerChecks.values(3 * 10, "x"), LayerChecks.values(3 * 6, "dy"))
        let run = PlanRun(graph, parameters: [:], inputs: [x], cotangent: dy, examples: 3)
        for example in 0..<3 {
            let own = Array(dy[example * 6..<example * 6 + 6])
            #expect(Array(run.outputs[example * 6..<example * 6 + 6]) == Array(x[example * 10 + 2..<example * 10 + 8]))
            #expect(Array(run.inputGradient[example * 10..<example * 10 + 10]) == [0, 0] + own + [0, 0])
        }
        // The mean over the steps 1 to 3 that lie within the length.
        let mean = try Graph(input: Shape([5, 1]), layers: [Slice(1..<4), MeanOverTime()])
        let pooled = PlanRun(
            mean, parameters: [:], inputs: [[Float](repeating: 0, count: 4 * 5).indices.map { Float($0 % 5) }],
            lengths: [5, 3, 2, 0], cotangent: [1, 1, 1, 1], examples: 4)
        #expect(pooled.outputs == [2, 1.5, 1, 0])
        for range in [0..<6, 5..<6, 2..<2] {
            #expect(throws: ShapeError.self) { try Slice(range).outputShape([Shape([5, 2])]) }
        }
        #expect(try Slice(0..<2).outputShape([.tokens(5)]) == .tokens(2))
    }

    @Test func sinusoidalPositionsAreThePapers() throws {
        let graph = try Graph(input: Shape([40, 7]), layers: [SinusoidalPositions()])
        let (x, dy) = (LayerChecks.values(2 * 280, "x"), LayerChecks.values(2 * 280, "dy"))
        let run = PlanRun(graph, parameters: [:], inputs: [x], cotangent: dy, examples: 2)
        let expected = x.indices.map { place -> Double in
            let (step, feature) = (place % 280 / 7, place % 7)
            let angle = Double(step) / pow(10_000, Double(feature - feature % 2) / 7)
            return Double(x[place]) + (feature % 2 == 0 ? sin(angle) : cos(angle))
        }
        #expect(GoldenVectors.agree(run.outputs, expected))
        #expect(run.inputGradient == dy)
    }
}
