// SPDX-License-Identifier: Apache-2.0
// Weights of other programs: PyTorch's by name, Keras's with their layouts, and clear refusals.

import Foundation
import ModelFiles
import ModelTraining
import NeuralNetworks
import Testing

@Suite struct WeightImportTests {
    private func graph(_ inputs: String, _ layers: String) throws -> Graph {
        try SampleData.parse(
            """
            model: {inputs: {x: {\(inputs)}}, layers: [\(layers)]}
            loss: meanSquaredError
            training: {optimizer: sgd, learningRate: 0.1, batchSize: 4, epochs: 1, seed: 1}
            data: {arrays: {file: a.npz, inputs: {x: x}, target: y}}
            """
        ).graph
    }

    private func withFile<Value>(
        _ tensors: [(name: String, shape: [Int], values: [Float])], _ body: (String) throws -> Value
    ) throws -> Value {
        try SampleData.withFolder { folder in
            let path = folder.appending(path: "weights.safetensors").path
            try ModelFile.write(
                to: path, metadata: [:], tensors: tensors.map { ($0.name, $0.shape) },
                parameters: tensors.flatMap(\.values))
            return try body(path)
        }
    }

    private func values(_ shape: [Int], _ seed: Int) -> [Float] {
        (0..<shape.reduce(1, *)).map { Float(($0 * 37 + seed * 11) % 23 - 11) / 16 }
    }

    @Test func tensorsAreFoundByPyTorchsNames() throws {
        let graph = try graph("features: 3", "{dense: {units: 2}, name: fc}, batchNorm")
        // In another order than the model's, with the counter that PyTorch keeps.
        let tensors: [(name: String, shape: [Int], values: [Float])] = [
            ("1.running_var", [2], [1, 2]), ("1.running_mean", [2], [3, 4]), ("fc.bias", [2], [5, 6]),
            ("fc.weight", [2, 3], [1, 2, 3, 4, 5, 6]), ("1.weight", [2], [7, 8]), ("1.bias", [2], [9, 10]),
            ("1.num_batches_tracked", [], [4]),
        ]
        let parameters = try withFile(tensors) { try WeightImport.parameters(from: $0, for: graph) }
        #expect(parameters == [1, 2, 3, 4, 5, 6, 5, 6, 7, 8, 9, 10, 3, 4, 1, 2])
    }

    @Test func aFileOfThePlainModelFitsOneWithAdapters() throws {
        let graph = try graph("features: 3", "{dense: {units: 2, adapter: {rank: 1, alpha: 2}}, name: fc}")
        let own: [(name: String, shape: [Int], values: [Float])] = [
            ("fc.bias", [2], [5, 6]), ("fc.weight", [2, 3], [1, 2, 3, 4, 5, 6]),
        ]
        let start = graph.initialParameters(seed: 9)
        let parameters = try withFile(own) { try WeightImport.parameters(from: $0, for: graph, seed: 9) }
        #expect(parameters == [1, 2, 3, 4, 5, 6, 5, 6] + start[8...])
        let keras: [(name: String, shape: [Int], values: [Float])] = [
            ("fc/bias", [2], [5, 6]), ("fc/kernel", [3, 2], [1, 4, 2, 5, 3, 6]),
        ]
        #expect(try withFile(keras) { try KerasImport.parameters(from: $0, for: graph, seed: 9) } == parameters)
        // A file with half of an adapter is no file of the plain model.
        let half = own + [("fc.adapter.up", [2, 1], [1, 1])]
        _ = try withFile(half) { path in
            #expect(throws: LocalModelError.self) { try WeightImport.parameters(from: path, for: graph) }
        }
    }

    @Test func everythingThatDoesNotFitIsListed() throws {
        let graph = try graph("features: 3", "{dense: {units: 2}, name: fc}, dense: {units: 1}")
        let tensors: [(name: String, shape: [Int], values: [Float])] = [
            ("fc.weight", [3, 2], values([3, 2], 1)), ("fc.bias", [2], [0, .nan]), ("1.bias", [1], [0]),
            ("head.weight", [1], [1]), ("Müller, Erika", [1], [1]),
        ]
        let error = try withFile(tensors) { path in
            #expect(throws: LocalModelError.self) { try WeightImport.parameters(from: path, for: graph) }
        }
        #expect(
            error?.message == """
                the weights do not fit the model
                  missing: 1.weight
                  unknown: head.weight, (a name that is not shown)
                  wrong: fc.weight is [3, 2], the model needs [2, 3], fc.bias has values that are not finite
                """)
        #expect(throws: ModelFileError.self) { try WeightImport.parameters(from: "/absent", for: graph) }
    }

    @Test func kerasConvolutionsAndFlattenedImagesGiveKerassResults() throws {
        let graph = try graph(
            "shape: [2, 3, 3]",
            "conv2D: {filters: 2, kernel: 2, activation: relu}, batchNorm, flatten, dense: {units: 2}")
        let (kernel, bias) = (values([2, 2, 2, 2], 1), values([2], 2))
        let (gamma, beta, mean, variance): ([Float], [Float], [Float], [Float]) = (
            [1.5, 0.5], [0.1, -0.2], [0.3, 0.1], [1, 2]
        )
        let (dense, denseBias) = (values([8, 2], 3), values([2], 4))
        let parameters = try withFile([
            ("0/kernel", [2, 2, 2, 2], kernel), ("0/bias", [2], bias), ("1.gamma", [2], gamma),
            ("1.beta", [2], beta), ("1.moving_mean", [2], mean), ("1.moving_variance", [2], variance),
            ("3.kernel", [8, 2], dense), ("3.bias", [2], denseBias),
        ]) { try KerasImport.parameters(from: $0, for: graph) }
        // Keras: rows, columns, channels.
        let image = values([3, 3, 2], 5)
        var flat: [Float] = []
        for row in 0..<2 {
            for column in 0..<2 {
                for filter in 0..<2 {
                    var sum = bias[filter]
                    for y in 0..<2 {
                        for x in 0..<2 {
                            for channel in 0..<2 {
                                sum +=
                                    image[((row + y) * 3 + column + x) * 2 + channel]
                                    * kernel[((y * 2 + x) * 2 + channel) * 2 + filter]
                            }
                        }
                    }
                    let scale = gamma[filter] / (variance[filter] + 1e-5).squareRoot()
                    flat.append((max(sum, 0) - mean[filter]) * scale + beta[filter])
                }
            }
        }
        let expected = (0..<2).map { unit in
            flat.indices.reduce(denseBias[unit]) { $0 + flat[$1] * dense[$1 * 2 + unit] }
        }
        let channelsFirst = KerasLayout.images(image, count: 1, channels: 2)
        let outputs = try predict(graph, parameters, channelsFirst)
        #expect(zip(outputs, expected).allSatisfy { abs($0 - $1) < 1e-5 }, "\(outputs) \(expected)")
    }

    @Test(arguments: ["gru", "lstm"]) func kerasRecurrentLayersGiveKerassResults(_ kind: String) throws {
        let graph = try graph("shape: [3, 2]", "\(kind): {hidden: 2}")
        let gates = kind == "gru" ? 3 : 4
        let (kernel, recurrent) = (values([2, gates * 2], 1), values([2, gates * 2], 2))
        let biasShape = kind == "gru" ? [2, 6] : [8]
        let bias = values(biasShape, 3)
        let parameters = try withFile([
            ("0/kernel", [2, gates * 2], kernel), ("0/recurrent_kernel", [2, gates * 2], recurrent),
            ("0/bias", biasShape, bias),
        ]) { try KerasImport.parameters(from: $0, for: graph) }
        let sequence = values([3, 2], 4)
        var (h, c): ([Float], [Float]) = ([0, 0], [0, 0])
        var expected: [Float] = []
        for step in 0..<3 {
            let x = Array(sequence[2 * step..<2 * step + 2])
            /// The inputs' and the state's part of gate `gate` of unit `unit`, biases apart.
            func parts(_ gate: Int, _ unit: Int) -> (input: Float, state: Float) {
                let column = gate * 2 + unit
                return (
                    x[0] * kernel[column] + x[1] * kernel[gates * 2 + column],
                    h[0] * recurrent[column] + h[1] * recurrent[gates * 2 + column]
                )
            }
            func sigmoid(_ value: Float) -> Float { 1 / (1 + exp(-value)) }
            let next = (0..<2).map { unit -> Float in
                if kind == "gru" {
                    let (z, r, n) = (parts(0, unit), parts(1, unit), parts(2, unit))
                    let update = sigmoid(z.input + z.state + bias[unit] + bias[6 + unit])
                    let reset = sigmoid(r.input + r.state + bias[2 + unit] + bias[8 + unit])
                    let candidate = tanh(n.input + bias[4 + unit] + reset * (n.state + bias[10 + unit]))
                    return update * h[unit] + (1 - update) * candidate
                }
                let sums = (0..<4).map { gate in
                    let part = parts(gate, unit)
                    return part.input + part.state + bias[gate * 2 + unit]
                }
                c[unit] = sigmoid(sums[1]) * c[unit] + sigmoid(sums[0]) * tanh(sums[2])
                return sigmoid(sums[3]) * tanh(c[unit])
            }
            h = next
            expected += h
        }
        let outputs = try predict(graph, parameters, sequence)
        #expect(zip(outputs, expected).allSatisfy { abs($0 - $1) < 1e-5 }, "\(outputs) \(expected)")
    }

    @Test func layersThatKerasImportDoesNotKnowAreListed() throws {
        let graph = try graph("shape: [3, 4]", "multiHeadAttention: {heads: 2}")
        let error = try withFile([("x", [1], [1])]) { path in
            #expect(throws: LocalModelError.self) { try KerasImport.parameters(from: path, for: graph) }
        }
        #expect(error?.message.contains("0.in_proj_weight has no counterpart that is read from Keras") == true)
        #expect(error?.message.contains("unknown: x") == true)
    }

    private func predict(_ graph: Graph, _ parameters: [Float], _ values: [Float]) throws -> [Float] {
        try Predictor(graph, objective: Objective(MeanSquaredError()), examples: 1, threads: 1)
            .predictions(parameters, Examples(count: 1, inputs: [.floats(values)]))[0]
    }
}
