// SPDX-License-Identifier: Apache-2.0
// Layers forward and backward, and per-example gradients, against PyTorch in double precision.

import ModelFiles
import NeuralNetworks
import Tensors
import Testing

@Suite struct LayersGoldenTests {
    @Test func denseLayerMatchesPyTorch() throws {
        try GoldenVectors.forEach(["dense"]) { name, golden in
            let file = golden.file
            let shape = try file.tensor("param.weight").shape
            let rows = try file.tensor("input.0").shape[0]
            let layer = DenseLayer(inputs: shape[1], units: shape[0], activation: .linear, offset: 0)
            let parameters = try file.floats("param.weight") + file.floats("param.bias")
            let pass = Pass(layer, parameters, try file.floats("input.0"), try file.floats("cotangent"), rows: rows)
            #expect(GoldenVectors.agree(pass.output, try file.values("output")), "\(name)")
            #expect(GoldenVectors.agree(pass.inputGradient, try file.values("grad.input.0")), "\(name)")
            let expected = try file.values("grad.param.weight") + file.values("grad.param.bias")
            #expect(GoldenVectors.agree(pass.gradients, expected), "\(name)")
        }
    }

    /// An activation is run as a dense layer with the identity as weight, which also fixes where it is applied.
    @Test func activationsMatchPyTorch() throws {
        let activations: [String: Activation] = ["act_relu": .relu, "act_tanh": .tanh, "act_sigmoid": .sigmoid]
        try GoldenVectors.forEach(activations.keys.sorted()) { name, golden in
            let file = golden.file
            let shape = try file.tensor("input.0").shape
            let (rows, width) = (shape[0], shape[1])
            let activation = try #require(activations[name])
            let layer = DenseLayer(inputs: width, units: width, activation: activation, offset: 0)
            let identity = (0..<width * width).map { Float($0 % (width + 1) == 0 ? 1 : 0) }
            let parameters = identity + [Float](repeating: 0, count: width)
            let pass = Pass(layer, parameters, try file.floats("input.0"), try file.floats("cotangent"), rows: rows)
            #expect(GoldenVectors.agree(pass.output, try file.values("output")), "\(name)")
            #expect(GoldenVectors.agree(pass.inputGradient, try file.values("grad.input.0")), "\(name)")
        }
    }

    @Test func softmaxMatchesPyTorch() throws {
        try GoldenVectors.forEach(["act_softmax"]) { name, golden in
            let shape = try golden.file.tensor("input.0").shape
            let width = shape[1]
            let network = try Network(
                ModelSpecification(layers: [.dense(units: width, activation: .linear)]), inputs: width,
                head: .softmax(classes: width))
            let identity = (0..<width * width).map { Float($0 % (width + 1) == 0 ? 1 : 0) }
            let outputs = network.outputs(
                parameters: identity + [Float](repeating: 0, count: width),
                features: try golden.file.floats("input.0"), rows: shape[0])
            #expect(GoldenVectors.agree(outputs, try golden.file.values("output")), "\(name)")
        }
    }

    /// The gradient of a batch of one is the example's own; clipped by its norm and summed it must be Opacus' sum.
    @Test func gradientsOfSingleExamplesMatchPyTorch() throws {
        try GoldenVectors.forEach(["perex_mlp"]) { name, golden in
            let file = golden.file
            let (first, second) = (try file.tensor("param.0.weight").shape, try file.tensor("param.2.weight").shape)
            let network = try Network(
                ModelSpecification(layers: [
                    .dense(units: first[0], activation: .relu), .dense(units: second[0], activation: .linear),
                ]), inputs: first[1], head: .softmax(classes: second[0]))
            let names = ["0.weight", "0.bias", "2.weight", "2.bias"]
            let parameters = try names.flatMap { try file.floats("param.\($0)") }
            let (features, targets) = (try file.floats("input.0"), try file.floats("target"))
            let clippingNorm = try #require(golden.number("clip"))
            var (norms, sum): ([Float], [Float]) = ([], .init(repeating: 0, count: parameters.count))
            for row in targets.indices {
                let example = Array(features[row * first[1]..<(row + 1) * first[1]])
                let gradient = try network.gradient(
                    parameters: parameters, features: example, targets: [targets[row]], rows: 1)
                let norm = gradient.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
                norms.append(Float(norm))
                for i in sum.indices { sum[i] += gradient[i] * Float(min(1, clippingNorm / norm)) }
            }
            #expect(GoldenVectors.agree(norms, try file.values("norms")), "\(name)")
            let expected = try names.flatMap { try file.values("clipped_sum.\($0)") }
            #expect(GoldenVectors.agree(sum, expected), "\(name)")
        }
    }

    /// One layer forward and backward.
    private struct Pass {
        var output: [Float]
        var inputGradient: [Float]
        var gradients: [Float]

        init(_ layer: DenseLayer, _ parameters: [Float], _ input: [Float], _ cotangent: [Float], rows: Int) {
            output = .init(repeating: .nan, count: rows * layer.units)
            inputGradient = .init(repeating: .nan, count: rows * layer.inputs)
            gradients = .init(repeating: .nan, count: layer.parameterCount)
            var dy = cotangent
            parameters.withUnsafeBufferPointer { parameters in
                input.withUnsafeBufferPointer { input in
                    let x = UnsafeMatrix(input, rows: rows, columns: layer.inputs)
                    output.withUnsafeMutableBufferPointer { output in
                        let y = UnsafeMutableMatrix(output, rows: rows, columns: layer.units)
                        layer.forward(parameters, input: x, output: y)
                        dy.withUnsafeMutableBufferPointer { dy in
                            inputGradient.withUnsafeMutableBufferPointer { dx in
                                gradients.withUnsafeMutableBufferPointer { gradients in
                                    layer.backward(
                                        parameters, input: x, output: y.readOnly,
                                        outputGradient: UnsafeMutableMatrix(dy, rows: rows, columns: layer.units),
                                        inputGradient: UnsafeMutableMatrix(dx, rows: rows, columns: layer.inputs),
                                        gradients: gradients)
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
