// SPDX-License-Identifier: Apache-2.0
// Attention that computes its probabilities again in backward: the results of keeping them, in less memory.

import NeuralNetworks
import Tensors
import Testing

@Suite struct LongAttentionTests {
    // The same products of the same numbers: not only within 1e-6.
    @Test(arguments: KernelSet.all, AttentionTests.cases.indices.map { $0 })
    func probabilitiesComputedAgainGiveTheSameBits(kernels: KernelSet, index: Int) throws {
        var (layer, keys) = AttentionTests.cases[index]
        for rate in [0, 0.3] {
            layer.dropout = rate
            let graph = try AttentionTests.graph(layer, queries: 5, keys: keys)
            let inputs = LayerChecks.inputs(graph, examples: 4)
            func run(_ mostKeptSteps: Int) -> PlanRun {
                PlanRun(
                    graph, parameters: LayerChecks.parameters(graph), inputs: inputs, lengths: [4, 0, 2, 3],
                    cotangent: LayerChecks.values(4 * 5 * AttentionTests.width, "dy"), examples: 4, kernels: kernels,
                    step: Step(dropoutKey: 3, firstExample: 7, batchExamples: 11), mostKeptSteps: mostKeptSteps)
            }
            let (kept, again) = (run(512), run(0))
            #expect(again.outputs == kept.outputs && again.inputGradients == kept.inputGradients)
            #expect(again.gradients == kept.gradients)
            #expect(again.gradients.values.joined().contains { $0 != 0 })
        }
    }

    // With adapters q, k and v come from products of their own, on frozen weights.
    @Test(arguments: KernelSet.all) func adaptersGiveTheSameBits(kernels: KernelSet) throws {
        let adapter = AttentionAdapter(rank: 2, alpha: 4, projections: [.query, .key, .value, .output])
        let graph = try AttentionTests.graph(MultiHeadAttention(2, adapter: adapter), queries: 5)
        func run(_ mostKeptSteps: Int) -> PlanRun {
            PlanRun(
                graph, parameters: LayerChecks.parameters(graph), inputs: LayerChecks.inputs(graph, examples: 4),
                lengths: [4, 0, 2, 3], cotangent: LayerChecks.values(4 * 5 * AttentionTests.width, "dy"),
                examples: 4, kernels: kernels, mostKeptSteps: mostKeptSteps)
        }
        let (kept, again) = (run(512), run(0))
        #expect(again.outputs == kept.outputs && again.inputGradients == kept.inputGradients)
        #expect(again.gradients == kept.gradients)
    }

    // Random graphs, plain and by patient.
    @Test(arguments: RandomGraphTests.groups) func graphsGiveTheSameBits(group: Int) throws {
        var count = 0
        for seed in RandomGraphTests.seeds(group) {
            guard let one = try RandomGraphTests.Case(seed: seed, mixing: false, dropout: 0.2),
                one.problem.graph.nodes.contains(where: { $0.layer is MultiHeadAttention })
            else { continue }
            count += 1
            let patients = [1] + (one.problem.examples > 1 ? [one.problem.examples - 1] : [])
            for patients in [nil, patients] {
                let bound = patients == nil ? .infinity : 0.5
                let kept = GraphRun(one.problem, .portable, patients: patients, bound: bound)
                let again = GraphRun(one.problem, .portable, patients: patients, bound: bound, mostKeptSteps: 0)
                #expect(again == kept, "seed \(seed)")
            }
        }
        #expect(count > 0)
    }

    // What an example takes grows with its steps: twice as many take twice as much, where keeping would take four times.
    @Test func memoryGrowsWithTheSteps() throws {
        func bytesOfAnExample(_ steps: Int) throws -> Int {
            let graph = try AttentionTests.graph(MultiHeadAttention(2), queries: steps)
            func bytes(_ capacity: Int) -> Int {
                let parameters = FloatBuffer(count: graph.parameterCount)
                let gradients = FloatBuffer(count: graph.parameterCount)
                return Plan(
                    graph, Plan.Options(capacity: capacity, isTraining: true), parameters: parameters.floats,
                    gradients: gradients.floats
                ).byteCount
            }
            return bytes(9) - bytes(8)
        }
        let steps = MultiHeadAttention.mostKeptSteps
        let (kept, short, long) = (
            try bytesOfAnExample(steps), try bytesOfAnExample(steps + 8), try bytesOfAnExample(2 * steps + 16)
        )
        #expect(kept > 2 * steps * steps * 4)
        #expect(short < kept / 4 && long <= 2 * short + 4096, "\(kept), \(short), \(long) bytes")
    }

    // The slopes of the loss where the threshold itself chooses.
    @Test func slopesOfALongSequenceAgree() throws {
        let graph = try AttentionTests.graph(MultiHeadAttention(2, causal: true), queries: 520)
        LayerChecks.slopesAgree(graph, examples: 2, lengths: [520, 301], kernels: .portable)
    }

    @Test func aSteadyStepAllocatesNothing() throws {
        let graph = try AttentionTests.graph(MultiHeadAttention(2, dropout: 0.1), queries: 516)
        LayerChecks.steadyStepAllocatesNothing(graph)
    }
}
