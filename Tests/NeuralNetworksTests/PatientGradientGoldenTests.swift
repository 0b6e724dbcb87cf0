// SPDX-License-Identifier: Apache-2.0
// Per-patient norms and clipped sums against PyTorch in double precision, and against one-patient passes.

import ModelFiles
import NeuralNetworks
import Tensors
import Testing

@Suite struct PatientGradientGoldenTests {
    /// The models of the golden files, under their names.
    static func nodes(_ name: String) -> [Node] {
        switch name {
        case "perex_mlp":
            return [Node("0", Dense(8, activation: .relu), inputs: [0]), Node("2", Dense(3), inputs: [1])]
        default:
            return [
                Node("0", Convolve.twoD(4, kernel: 3, padding: .same, activation: .relu), inputs: [0]),
                Node("2", Pool.max2D(2), inputs: [1]), Node("3", GroupNorm(2), inputs: [2]),
                Node("4", Convolve.twoD(6, kernel: 3, activation: .relu), inputs: [3]),
                Node("6", Reshape.flatten, inputs: [4]), Node("7", Dense(3), inputs: [5]),
            ]
        }
    }

    @Test(arguments: KernelSet.all, ["perex_mlp", "perex_cnn"])
    func clippedSumsMatchPyTorch(kernels: KernelSet, name: String) throws {
        try GoldenVectors.forEach([name]) { name, golden in
            let shape = Shape(Array(try golden.file.tensor("input.0").shape.dropFirst()))
            let nodes = Self.nodes(name)
            let graph = try Graph(inputs: [shape], nodes: nodes, outputs: [nodes.count])
            try Self.check(name, golden, graph, kernels: kernels)
        }
    }

    /// Compares the norm of each example and the clipped sum of every tensor with one golden file.
    static func check(_ name: String, _ golden: GoldenVectors.Case, _ graph: Graph, kernels: KernelSet) throws {
        let file = golden.file
        var parameters: [String: [Float]] = [:]
        for slice in graph.slices { parameters[slice.name] = try file.floats("param." + slice.name) }
        let targets = try file.values("target").map { Int($0) }
        let run = PatientRun(
            graph, parameters: parameters, inputs: try file.floats("input.0"), targets: targets,
            rowsOfPatients: targets.map { _ in 1 }, bound: try #require(golden.number("clip")), kernels: kernels)
        #expect(GoldenVectors.agree(run.norms.map { Float($0) }, try file.values("norms")), "\(name) norms")
        for slice in graph.slices {
            #expect(
                GoldenVectors.agree(run.clippedSum[slice.name] ?? [], try file.values("clipped_sum." + slice.name)),
                "\(name) \(slice.name), \(kernels)")
        }
    }

    /// A patient with several rows: one norm of the sum, and the sum clipped as a whole.
    @Test(arguments: KernelSet.all) func rowsOfAPatientAreClippedTogether(kernels: KernelSet) throws {
        let nodes = Self.nodes("perex_cnn")
        let graph = try Graph(inputs: [Shape([2, 8, 8])], nodes: nodes, outputs: [nodes.count])
        let flat = graph.initialParameters(seed: 4)
        var parameters: [String: [Float]] = [:]
        for slice in graph.slices {
            parameters[slice.name] = Array(flat[slice.offset..<slice.offset + slice.count])
        }
        let width = 2 * 8 * 8
        let inputs = (0..<6 * width).map { Float(($0 * 2_654_435_761) % 1_000) / 500 - 1 }
        let targets = [0, 1, 2, 2, 1, 0]
        let rows = [1, 3, 2]
        let bound = 1.5
        let together = PatientRun(
            graph, parameters: parameters, inputs: inputs, targets: targets, rowsOfPatients: rows, bound: bound,
            capacity: 9, kernels: kernels)
        var expected: [String: [Double]] = [:]
        var start = 0
        for (patient, count) in rows.enumerated() {
            // An unclipped pass gives the plain sum of the patient's rows.
            let alone = PatientRun(
                graph, parameters: parameters, inputs: Array(inputs[start * width..<(start + count) * width]),
                targets: Array(targets[start..<start + count]), rowsOfPatients: .init(repeating: 1, count: count),
                bound: .infinity, kernels: kernels)
            let square = alone.clippedSum.values.joined().reduce(0) { $0 + Double($1) * Double($1) }
            #expect(abs(together.norms[patient] - square.squareRoot()) <= 1e-4 * square.squareRoot())
            let factor = min(1, bound / square.squareRoot())
            for (name, values) in alone.clippedSum {
                let sum = expected[name] ?? .init(repeating: 0, count: values.count)
                expected[name] = zip(sum, values).map { $0 + factor * Double($1) }
            }
            start += count
        }
        for (name, values) in expected {
            #expect(GoldenVectors.agree(together.clippedSum[name] ?? [], values), "\(name)")
        }
    }
}
