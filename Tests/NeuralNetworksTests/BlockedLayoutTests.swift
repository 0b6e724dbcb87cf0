// SPDX-License-Identifier: Apache-2.0
// Where blocked and plain memory meet no layer falls back to the library's reference code.

import NeuralNetworks
import Tensors
import Testing

@Suite struct BlockedLayoutTests {
    private static let chains: [[any Layer]] = [
        [Convolve.twoD(16, kernel: 3, padding: .same), Convolve.twoD(2, kernel: 1)],
        [
            Convolve.twoD(32, kernel: 3, padding: .same), Convolve.twoD(32, kernel: 3, padding: .same, groups: 32),
            Convolve.twoD(32, kernel: 1),
        ],
        [Convolve.twoD(16, kernel: 3), GroupNorm(4), Convolve.twoD(24, kernel: 3), Convolve.twoD(16, kernel: 3)],
    ]

    @Test(arguments: chains.indices) func noLayerRunsReferenceCode(chain: Int) throws {
        let graph = try Graph(input: Shape([16, 16, 16]), layers: Self.chains[chain])
        let width = 16 * 16 * 16
        let flat = graph.initialParameters(seed: 1)
        var parameters: [String: [Float]] = [:]
        for slice in graph.slices { parameters[slice.name] = Array(flat[slice.offset..<slice.offset + slice.count]) }
        let runs = KernelSet.all.map { kernels in
            PlanRun(
                graph, parameters: parameters, inputs: [(0..<2 * width).map { Float($0 % 23) / 11 - 1 }],
                cotangent: (0..<2 * (graph.shapes.last?.count ?? 0)).map { Float($0 % 7) / 7 - 0.4 }, examples: 2,
                kernels: kernels)
        }
        #expect(runs.allSatisfy { run in run.implementations.allSatisfy { !$0.hasPrefix("ref") } })
        for run in runs.dropFirst() {
            #expect(GoldenVectors.agree(runs[0].outputs, run.outputs.map(Double.init)))
            for (name, gradient) in run.gradients {
                #expect(GoldenVectors.agree(runs[0].gradients[name] ?? [], gradient.map(Double.init)), "\(name)")
            }
        }
    }
}
