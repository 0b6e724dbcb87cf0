// SPDX-License-Identifier: Apache-2.0
// The layout of parameters, their first values, and passes forward and backward against the oracle.

import NeuralNetworks
import Tensors
import Testing

@Suite struct NetworkTests {
    @Test func slicesFollowPyTorchWithoutGaps() throws {
        let network = try Network(
            ModelSpecification(layers: [
                Dense(64, activation: .relu), Dropout(0.1), Dense(32, activation: .tanh),
                Dense(2),
            ]), inputs: 13, head: .softmax(classes: 2))
        #expect(
            network.slices == [
                ParameterSlice(name: "0.weight", shape: [64, 13], offset: 0),
                ParameterSlice(name: "0.bias", shape: [64], offset: 832),
                ParameterSlice(name: "2.weight", shape: [32, 64], offset: 896),
                ParameterSlice(name: "2.bias", shape: [32], offset: 2944),
                ParameterSlice(name: "3.weight", shape: [2, 32], offset: 2976),
                ParameterSlice(name: "3.bias", shape: [2], offset: 3040),
            ])
        #expect(network.parameterCount == 3042)
    }

    @Test func initialParametersAreGlorotUniform() throws {
        let network = try Network(
            ModelSpecification(layers: [Dense(200, activation: .relu), Dense(1)]),
            inputs: 100, head: .logistic)
        let parameters = network.initialParameters(seed: 5)
        let (bound, weights) = (Float(0.02).squareRoot(), parameters[..<20_000])
        #expect(weights.allSatisfy { abs($0) <= bound })
        #expect(parameters[20_000..<20_200].allSatisfy { $0 == 0 })
        // Variance bound²/3 with a standard error of 0.6 %: eight of them miss with odds below 1e-14.
        let variance = weights.reduce(0.0) { $0 + Double($1) * Double($1) } / 20_000
        #expect(abs(variance / (0.02 / 3) - 1) < 0.05)
    }

    @Test func initialParametersDependOnTheSeedAlone() throws {
        let specification = ModelSpecification(layers: [
            Dense(8, activation: .relu), Dense(1),
        ])
        let network = try Network(specification, inputs: 4, head: .logistic)
        let again = try Network(specification, inputs: 4, head: .linear)
        #expect(network.initialParameters(seed: 1) == again.initialParameters(seed: 1))
        #expect(network.initialParameters(seed: 1) != network.initialParameters(seed: 2))
    }

    @Test(arguments: 0..<40) func passesAgreeWithTheOracle(seed: Int) throws {
        let problem = try RandomProblem(seed: UInt64(seed), rows: 1 + seed % 9)
        let (network, oracle) = (problem.network, ReferenceNetwork(network: problem.network))
        let (parameters, features) = (problem.parameters.map(Double.init), problem.features.map(Double.init))
        let targets = problem.targets.map(Double.init)

        let loss = try network.loss(
            parameters: problem.parameters, features: problem.features, targets: problem.targets, rows: targets.count)
        #expect(abs(loss - oracle.loss(parameters, features, targets)) < 1e-5, "seed \(seed)")

        let gradient = network.gradient(
            parameters: problem.parameters, features: problem.features, targets: problem.targets, rows: targets.count)
        let exact = oracle.gradient(parameters, features, targets)
        for (index, (value, expected)) in zip(gradient, exact).enumerated() {
            #expect(abs(Double(value) - expected) < 2e-5 + 2e-5 * abs(expected), "seed \(seed), parameter \(index)")
        }
    }

    @Test(arguments: 0..<10) func aRowsOutputsDoNotDependOnItsNeighbours(seed: Int) throws {
        // More rows than one pass takes.
        let problem = try RandomProblem(seed: UInt64(100 + seed), rows: 300)
        let (network, width) = (problem.network, problem.network.head.outputs)
        let whole = network.outputs(parameters: problem.parameters, features: problem.features, rows: 300)
        for row in stride(from: 0, to: 300, by: 23) {
            let example = Array(problem.features[row * network.inputs..<(row + 1) * network.inputs])
            let alone = network.outputs(parameters: problem.parameters, features: example, rows: 1)
            #expect(alone == Array(whole[row * width..<(row + 1) * width]))
        }
    }

    @Test func longTablesAreWeightedByRows() throws {
        let problem = try RandomProblem(seed: 3, rows: 300)
        let (network, oracle) = (problem.network, ReferenceNetwork(network: problem.network))
        let loss = try network.loss(
            parameters: problem.parameters, features: problem.features, targets: problem.targets, rows: 300)
        let exact = oracle.loss(
            problem.parameters.map(Double.init), problem.features.map(Double.init), problem.targets.map(Double.init))
        #expect(abs(loss - exact) < 1e-5)
        let whole = network.gradient(
            parameters: problem.parameters, features: problem.features, targets: problem.targets, rows: 300)
        var sum = [Double](repeating: 0, count: network.parameterCount)
        for row in 0..<300 {
            let example = Array(problem.features[row * network.inputs..<(row + 1) * network.inputs])
            let gradient = network.gradient(
                parameters: problem.parameters, features: example, targets: [problem.targets[row]], rows: 1)
            for i in sum.indices { sum[i] += Double(gradient[i]) / 300 }
        }
        #expect(zip(whole, sum).allSatisfy { abs(Double($0) - $1) < 1e-5 })
    }

    @Test func dropoutIsOffInPredictions() throws {
        let layers: [any StudyElement] = [Dense(5, activation: .tanh), Dense(1)]
        let plain = try Network(ModelSpecification(layers: layers), inputs: 3, head: .linear)
        let dropping = try Network(
            ModelSpecification(layers: [Dropout(0.5), layers[0], Dropout(0.9), layers[1]]), inputs: 3,
            head: .linear)
        let parameters = plain.initialParameters(seed: 1)
        let features: [Float] = [1, 2, 3, -1, 0, 1]
        #expect(
            plain.outputs(parameters: parameters, features: features, rows: 2)
                == dropping.outputs(parameters: parameters, features: features, rows: 2))
    }

    @Test func tablesThatDoNotFitAreRefused() throws {
        let network = try Network(
            ModelSpecification(layers: [Dense(1)]), inputs: 2, head: .linear)
        func loss(_ parameters: Int, _ features: Int, _ targets: Int, _ rows: Int) throws -> Double {
            try network.loss(
                parameters: .init(repeating: 0, count: parameters), features: .init(repeating: 0, count: features),
                targets: .init(repeating: 0, count: targets), rows: rows)
        }
        #expect(throws: TrainingError.noExamples) { try loss(3, 0, 0, 0) }
        #expect(throws: TrainingError.wrongCount(.parameters, expected: 3, actual: 4)) { try loss(4, 2, 1, 1) }
        #expect(throws: TrainingError.wrongCount(.features, expected: 4, actual: 3)) { try loss(3, 3, 2, 2) }
        #expect(throws: TrainingError.wrongCount(.targets, expected: 2, actual: 1)) { try loss(3, 4, 1, 2) }
        #expect(network.outputs(parameters: [1, 1, 1], features: [], rows: 0) == [])
    }
}
