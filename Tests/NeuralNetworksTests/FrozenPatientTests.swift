// SPDX-License-Identifier: Apache-2.0
// Private training with frozen layers: what they would have moved by is no part of a patient's norm.

import NeuralNetworks
import Tensors
import Testing

@Suite struct FrozenPatientTests {
    private static let patients = [2, 1, 3]

    private static let sequences: [any Layer] = [
        Embedding(7, width: 4), LearnedPositions(), GRU(4), LayerNorm(), MeanOverTime(), Dense(3),
    ]
    private static let images: [any Layer] = [
        Convolve.twoD(3, kernel: 3), Convolve.twoD(4, kernel: 3), GroupNorm(2), Reshape.flatten, Dense(3),
    ]

    // Freezing leaves the norm of all other parameters, and adds nothing to the frozen ones.
    @Test(arguments: KernelSet.all, [[1], [2], [1, 2], [0], [0, 1, 2, 3]])
    func sequencesCountOnlyWhatIsTrained(kernels: KernelSet, frozen: [Int]) throws {
        let tokens = (0..<30).map { Float($0 * 5 % 7) }
        try Self.check(.tokens(5), Self.sequences, tokens, frozen, kernels)
    }

    @Test(arguments: KernelSet.all, [[0], [1], [2], [0, 1, 2]])
    func imagesCountOnlyWhatIsTrained(kernels: KernelSet, frozen: [Int]) throws {
        try Self.check(Shape([2, 7, 7]), Self.images, LayerChecks.values(6 * 98, "x"), frozen, kernels)
    }

    private static func check(
        _ input: Shape, _ layers: [any Layer], _ inputs: [Float], _ frozen: [Int], _ kernels: KernelSet
    ) throws {
        let plain = try Graph(input: input, layers: layers)
        let rates = LayerRates(.init(uniqueKeysWithValues: frozen.map { (String($0), 0) }))
        let graph = plain.applying(rates)
        let parameters = LayerChecks.parameters(plain)
        let targets = [0, 2, 1, 1, 0, 2]
        func run(_ graph: Graph, _ examples: Range<Int>, _ patients: [Int], bound: Double) -> PatientRun {
            let width = input.count
            return PatientRun(
                graph, parameters: parameters,
                inputs: Array(inputs[examples.lowerBound * width..<examples.upperBound * width]),
                targets: Array(targets[examples]), rowsOfPatients: patients, bound: bound, kernels: kernels)
        }
        // Each patient alone and unfrozen gives its whole gradient, of which only the trained tensors count.
        let trained = graph.slices.filter { !$0.isFrozen }.map(\.name)
        var (start, norms, sums): (Int, [Double], [[String: [Float]]]) = (0, [], [])
        for rows in patients {
            let alone = run(plain, start..<start + rows, [rows], bound: .infinity)
            start += rows
            let squares = trained.flatMap { alone.clippedSum[$0] ?? [] }.map { Double($0) * Double($0) }
            norms.append(squares.reduce(0, +).squareRoot())
            sums.append(alone.clippedSum)
        }
        let bound = norms.sorted()[1]
        let result = run(graph, 0..<start, patients, bound: bound)
        for (norm, expected) in zip(result.norms, norms) {
            #expect(abs(norm - expected) <= 1e-4 * expected, "\(norm) for \(expected)")
        }
        for slice in graph.slices {
            let sum = try #require(result.clippedSum[slice.name])
            for place in 0..<slice.count {
                let expected = zip(sums, norms).reduce(0) {
                    $0 + min(1, bound / $1.1) * Double($1.0[slice.name]?[place] ?? .nan)
                }
                #expect(abs(Double(sum[place]) - (slice.isFrozen ? 0 : expected)) <= 1e-4)
            }
        }
    }
}
