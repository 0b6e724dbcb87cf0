// SPDX-License-Identifier: Apache-2.0
// A perceptron in plain loops and double precision, the oracle of the float32 network.

import Glibc
import NeuralNetworks
import Randomness
import Tensors

/// The same model as a ``Network``, evaluated one example at a time in double precision, dropout off.
struct ReferenceNetwork {
    let network: Network

    /// The logits of one example.
    func logits(_ parameters: [Double], _ example: [Double]) -> [Double] {
        var (values, offset) = (example, 0)
        for element in network.specification.elements {
            guard let layer = element.content as? Dense else { continue }
            let (units, width) = (layer.units, values.count)
            let bias = offset + units * width
            values = (0..<units).map { unit in
                let weights = parameters[offset + unit * width..<offset + (unit + 1) * width]
                let sum = zip(weights, values).reduce(parameters[bias + unit]) { $0 + $1.0 * $1.1 }
                return switch layer.activation {
                case .linear: sum
                case .relu: max(0, sum)
                case .tanh: tanh(sum)
                case .sigmoid: 1 / (1 + exp(-sum))
                default: fatalError("no oracle for \(layer.activation)")
                }
            }
            offset = bias + units
        }
        return values
    }

    /// The mean loss of examples `[rows, inputs]`.
    func loss(_ parameters: [Double], _ features: [Double], _ targets: [Double]) -> Double {
        let losses = targets.enumerated().map { row, target in
            let example = Array(features[row * network.inputs..<(row + 1) * network.inputs])
            let z = logits(parameters, example)
            switch network.head {
            case .logistic: return log(1 + exp(z[0])) - target * z[0]
            case .softmax: return log(z.reduce(0) { $0 + exp($1) }) - z[Int(target)]
            case .linear: return (z[0] - target) * (z[0] - target)
            }
        }
        return losses.reduce(0, +) / Double(losses.count)
    }

    /// Central differences of the loss, accurate to about 1e-8.
    func gradient(_ parameters: [Double], _ features: [Double], _ targets: [Double]) -> [Double] {
        let width = 1e-5
        return parameters.indices.map { index in
            var (up, down) = (parameters, parameters)
            up[index] += width
            down[index] -= width
            return (loss(up, features, targets) - loss(down, features, targets)) / (2 * width)
        }
    }
}

/// A random model with random parameters and examples, fixed by its seed.
struct RandomProblem {
    let network: Network
    let parameters: [Float]
    let features: [Float]
    let targets: [Float]

    init(seed: UInt64, rows: Int) throws {
        var generator = SeededGenerator(seed: seed, stream: "problem")
        let head: Head = [.logistic, .softmax(classes: 2 + generator.index(below: 4)), .linear][
            generator.index(below: 3)]
        let activations: [Activation] = [.linear, .relu, .tanh, .sigmoid]
        var layers = (0..<generator.index(below: 4)).map { _ in
            let activation = activations[generator.index(below: activations.count)]
            return Dense(1 + generator.index(below: 20), activation: activation)
        }
        layers.append(Dense(head.outputs))
        let inputs = 1 + generator.index(below: 20)
        network = try Network(ModelSpecification(layers: layers), inputs: inputs, head: head)
        parameters = (0..<network.parameterCount).map { _ in 2 * generator.uniformFloat() - 1 }
        features = (0..<rows * inputs).map { _ in 2 * generator.uniformFloat() - 1 }
        targets = (0..<rows).map { _ in
            switch head {
            case .logistic: Float(generator.index(below: 2))
            case .softmax(let classes): Float(generator.index(below: classes))
            case .linear: generator.uniformFloat()
            }
        }
    }
}
