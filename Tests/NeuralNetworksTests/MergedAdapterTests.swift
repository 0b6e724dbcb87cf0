// SPDX-License-Identifier: Apache-2.0
// Adapters that become part of the weights, and plain weights in a model with adapters.

import NeuralNetworks
import Tensors
import Testing

@Suite struct MergedAdapterTests {
    private static func outputs(_ graph: Graph, _ parameters: [Float], _ problem: GraphProblem) throws -> [Float] {
        let predictor = try Predictor(graph, objective: Objective([]), examples: problem.examples, threads: 1)
        return predictor.predictions(parameters, problem.trainingExamples)[0]
    }

    @Test(arguments: AdapterTests.samples)
    func mergedWeightsGiveTheSameOutputs(_ sample: AdapterTests.Sample) throws {
        let problem = AdapterTests.problem(sample.graph)
        let (graph, parameters) = sample.graph.mergingAdapters(problem.parameters)
        #expect(!graph.slices.contains { $0.isAdapter || $0.isFrozen })
        #expect(parameters.count == graph.parameterCount)
        let own = sample.graph.slices.filter { !$0.isAdapter }
        #expect(graph.slices.map(\.name) == own.map(\.name) && graph.slices.map(\.shape) == own.map(\.shape))
        let before = try Self.outputs(sample.graph, problem.parameters, problem)
        let after = try Self.outputs(graph, parameters, problem)
        #expect(zip(before, after).allSatisfy { abs($0 - $1) <= 1e-5 * max(1, abs($0)) })
        // What has no adapter keeps its bits.
        for (slice, source) in zip(graph.slices, own) where slice.name.hasSuffix("bias") {
            #expect(
                parameters[slice.offset..<slice.offset + slice.count]
                    == problem.parameters[source.offset..<source.offset + source.count], "\(slice.name)")
        }
    }

    /// The adapter's gradient from that of the weight it becomes part of: dup = scale·dW·downᵀ, ddown = scale·upᵀ·dW.
    @Test(arguments: AdapterTests.samples, KernelSet.all)
    func gradientsOfAdaptersAreThoseOfTheMergedWeights(_ sample: AdapterTests.Sample, kernels: KernelSet) {
        let problem = AdapterTests.problem(sample.graph)
        let (graph, parameters) = sample.graph.mergingAdapters(problem.parameters)
        var merged = GraphProblem(
            graph: graph, parameters: parameters, inputs: problem.inputs, lengths: problem.lengths,
            cotangents: problem.cotangents)
        merged.firstExample = problem.firstExample
        let (run, plain) = (GraphRun(problem, kernels), GraphRun(merged, kernels))
        for (index, node) in sample.graph.nodes.enumerated() {
            guard let layer = node.layer as? any AdaptedLayer else { continue }
            let slices = Array(sample.graph.slices[sample.graph.slicesOfNode[index]])
            func values(_ place: Int, _ flat: [Float]) -> [Double] {
                LayerChecks.doubles(Array(flat[slices[place].offset..<slices[place].offset + slices[place].count]))
            }
            for adapter in layer.adapters(node.inputs.map({ sample.graph.shapes[$0] })) {
                let weight = graph.slices[graph.slicesOfNode[index]][
                    graph.slicesOfNode[index].lowerBound + adapter.weight]
                let (rank, inputs, scale) = (
                    slices[adapter.down].shape[0], slices[adapter.down].shape[1], adapter.scale
                )
                let dw = LayerChecks.doubles(
                    Array(plain.gradient[weight.offset..<weight.offset + weight.count]))
                let (down, up) = (values(adapter.down, problem.parameters), values(adapter.up, problem.parameters))
                var (ddown, dup) = (down.map { _ in 0.0 }, up.map { _ in 0.0 })
                for (place, row) in adapter.rows.enumerated() {
                    for k in 0..<rank {
                        for i in 0..<inputs {
                            let d = Double(scale) * dw[row * inputs + i]
                            dup[place * rank + k] += d * down[k * inputs + i]
                            ddown[k * inputs + i] += d * up[place * rank + k]
                        }
                    }
                }
                for (place, expected) in [(adapter.down, ddown), (adapter.up, dup)] {
                    let actual = values(place, run.gradient).map { Float($0) }
                    #expect(Closeness.distance(actual, expected) <= 1e-4, "\(slices[place].name)")
                }
            }
        }
    }

    @Test func aNetworkIsMergedWithItsSpecification() throws {
        let specification = ModelSpecification(layers: [
            Dense(12, activation: .relu, adapter: Adapter(rank: 2, alpha: 8)), Dropout(0.2),
            Dense(3, adapter: Adapter(rank: 1, alpha: 1)),
        ])
        let network = try Network(specification, inputs: 5, head: .softmax(classes: 3))
        let parameters = zip(network.initialParameters(seed: 1), LayerChecks.values(network.parameterCount, "w"))
            .map { $0 + 0.3 * $1 }
        let (plain, merged) = network.mergingAdapters(parameters)
        #expect(plain.specification == specification.withoutAdapters)
        #expect(plain.slices.map(\.name) == ["0.weight", "0.bias", "2.weight", "2.bias"])
        let features = LayerChecks.values(40, "x")
        let before = network.outputs(parameters: parameters, features: features, rows: 8)
        let after = plain.outputs(parameters: merged, features: features, rows: 8)
        #expect(zip(before, after).allSatisfy { abs($0 - $1) <= 1e-5 })
        let (same, kept) = plain.mergingAdapters(merged)
        #expect(same == plain && kept == merged)
    }

    @Test(arguments: AdapterTests.samples)
    func plainWeightsAreFoundByName(_ sample: AdapterTests.Sample) throws {
        let problem = AdapterTests.problem(sample.graph)
        let (plain, weights) = sample.graph.mergingAdapters(problem.parameters)
        let parameters = try #require(sample.graph.parameters(from: weights, of: plain, seed: 2))
        for slice in sample.graph.slices {
            let own = Array(parameters[slice.offset..<slice.offset + slice.count])
            guard let source = plain.slices.first(where: { $0.name == slice.name }) else {
                #expect(slice.isAdapter)
                continue
            }
            #expect(own == Array(weights[source.offset..<source.offset + source.count]), "\(slice.name)")
        }
        // An adapter starts without an effect.
        let (before, after) = (
            try Self.outputs(plain, weights, problem), try Self.outputs(sample.graph, parameters, problem)
        )
        #expect(zip(before, after).allSatisfy { abs($0 - $1) <= 1e-5 * max(1, abs($0)) })
        let other = try Graph(input: Shape([2]), layers: [Dense(3)])
        #expect(sample.graph.parameters(from: other.initialParameters(seed: 1), of: other, seed: 2) == nil)
    }
}
