// SPDX-License-Identifier: Apache-2.0
// LSTM, GRU and plain recurrent networks in plain loops and double precision.

import Foundation
import NeuralNetworks
import Tensors

extension ReferenceGraph {
    /// All levels and directions of a recurrent layer, example by example.
    mutating func recurrent(
        _ layer: any Layer, _ x: ReferenceBatch, _ sizes: [Int], _ p: [[Double]]
    ) -> ReferenceBatch {
        guard let kind = layer as? any RecurrentLayer else { fatalError("\(layer) is not recurrent") }
        let directions = kind.isBidirectional ? 2 : 1
        var rows: [[Double]] = []
        for (example, values) in x.rows.enumerated() {
            let length = x.length(example, of: sizes[0])
            var sequence = (0..<length).map { Array(values[$0 * sizes[1]..<($0 + 1) * sizes[1]]) }
            for level in 0..<kind.layers {
                var outputs = [[Double]](repeating: [], count: length)
                for direction in 0..<directions {
                    let first = 4 * (level * directions + direction)
                    let states = run(
                        layer, direction == 0 ? sequence : sequence.reversed(), Array(p[first..<first + 4]),
                        hidden: kind.hidden)
                    for step in 0..<length { outputs[step] += states[direction == 0 ? step : length - 1 - step] }
                }
                sequence = outputs
            }
            // Zero behind the end.
            let behind = [Double](repeating: 0, count: (sizes[0] - length) * directions * kind.hidden)
            rows.append(Array(sequence.joined()) + behind)
        }
        return ReferenceBatch(rows: rows, lengths: x.lengths)
    }

    /// h of every step, from h = c = 0.
    private mutating func run(
        _ layer: any Layer, _ x: [[Double]], _ p: [[Double]], hidden: Int
    ) -> [[Double]] {
        var h = [Double](repeating: 0, count: hidden)
        var c = h
        var states: [[Double]] = []
        for input in x {
            let a = Self.affine(p[0], input, p[2])
            let b = Self.affine(p[1], h, p[3])
            func gate(_ number: Int, _ unit: Int) -> Double { a[number * hidden + unit] + b[number * hidden + unit] }
            func sigmoid(_ value: Double) -> Double { 1 / (1 + exp(-value)) }
            switch layer {
            case is LSTM:
                for unit in 0..<hidden {
                    let (i, f) = (sigmoid(gate(0, unit)), sigmoid(gate(1, unit)))
                    c[unit] = f * c[unit] + i * tanh(gate(2, unit))
                    h[unit] = sigmoid(gate(3, unit)) * tanh(c[unit])
                }
            case is GRU:
                for unit in 0..<hidden {
                    let (r, z) = (sigmoid(gate(0, unit)), sigmoid(gate(1, unit)))
                    let n = tanh(a[2 * hidden + unit] + r * b[2 * hidden + unit])
                    h[unit] = (1 - z) * n + z * h[unit]
                }
            case let layer as RNN: h = apply(layer.activation, zip(a, b).map { $0 + $1 })
            default: fatalError("no reference for \(layer)")
            }
            states.append(h)
        }
        return states
    }

    /// w·x + bias.
    private static func affine(_ w: [Double], _ x: [Double], _ bias: [Double]) -> [Double] {
        bias.indices.map { row in
            x.indices.reduce(bias[row]) { $0 + w[row * x.count + $1] * x[$1] }
        }
    }
}
