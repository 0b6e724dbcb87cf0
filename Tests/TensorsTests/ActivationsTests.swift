// SPDX-License-Identifier: Apache-2.0
// Activations and softmax against the C library in double precision.

import Glibc
import Tensors
import Testing

@Suite struct ActivationsTests {
    /// −100 to 100, dense around zero, with both signs of zero.
    private static let arguments: [Float] =
        (-4000...4000).map { Float($0) / 40 } + (-2000...2000).map { Float($0) / 1000 } + [-0.0, 1e-30, -1e-30]

    @Test func tanhIsTheCLibrarys() {
        let values = Self.apply(applyTanh, to: Self.arguments)
        for (value, x) in zip(values, Self.arguments) {
            let exact = Glibc.tanh(Double(x))
            #expect(abs(Double(value) - exact) <= 3e-7 * abs(exact), "tanh \(x)")
        }
    }

    @Test func sigmoidIsTheCLibrarys() {
        let values = Self.apply(applySigmoid, to: Self.arguments)
        for (value, x) in zip(values, Self.arguments) {
            let exact = 1 / (1 + exp(-Double(x)))
            // Below −87 the exact value is at the edge of float32; anything as small will do.
            #expect(abs(Double(value) - exact) <= 5e-7 * exact + 1e-37, "sigmoid \(x)")
        }
    }

    @Test func reluKeepsThePositivePart() {
        #expect(Self.apply(applyReLU, to: [-2, -0.0, 0, 3, .infinity, -.infinity]) == [0, 0, 0, 3, .infinity, 0])
    }

    @Test func extremesSaturate() {
        #expect(Self.apply(applyTanh, to: [.infinity, -.infinity, 1e30, -1e30]) == [1, -1, 1, -1])
        #expect(Self.apply(applySigmoid, to: [.infinity, 1e30]) == [1, 1])
        #expect(Self.apply(applySigmoid, to: [-.infinity, -1e30]).allSatisfy { $0 >= 0 && $0 < 1e-37 })
    }

    @Test func nanStaysNaN() {
        for activation in [applyReLU, applyTanh, applySigmoid] {
            // 17 elements: one full vector and a rest, which run through different instructions.
            let values = Self.apply(activation, to: [Float](repeating: .nan, count: 17))
            #expect(values.allSatisfy { $0.isNaN })
        }
    }

    @Test func backwardIsTheDerivative() {
        for x in stride(from: Float(-4), through: 4, by: 0.37) {
            let (tanh, sigmoid) = (Glibc.tanh(Double(x)), 1 / (1 + exp(-Double(x))))
            #expect(abs(Self.derivative(applyTanh, backpropagateTanh, x) - (1 - tanh * tanh)) < 1e-6)
            #expect(abs(Self.derivative(applySigmoid, backpropagateSigmoid, x) - sigmoid * (1 - sigmoid)) < 1e-6)
            #expect(Self.derivative(applyReLU, backpropagateReLU, x) == (x > 0 ? 1 : 0))
        }
    }

    @Test func softmaxRowsAreProbabilities() {
        for columns in [1, 2, 3, 16, 37] {
            let logits = (0..<4 * columns).map { Float(($0 * 7919) % 101) / 9 - 5 }
            let (probabilities, logSums) = Self.softmax(logits, rows: 4, columns: columns)
            for row in 0..<4 {
                let exact = logits[row * columns..<(row + 1) * columns].map { exp(Double($0)) }
                let sum = exact.reduce(0, +)
                #expect(abs(logSums[row] - log(sum)) < 1e-6)
                for column in 0..<columns {
                    #expect(abs(Double(probabilities[row * columns + column]) - exact[column] / sum) < 1e-6)
                }
            }
        }
    }

    @Test func softmaxDoesNotOverflow() {
        let (probabilities, logSums) = Self.softmax([1000, 0, -1000], rows: 1, columns: 3)
        #expect(probabilities == [1, 0, 0])
        #expect(logSums == [1000])
    }

    private static func apply(_ activation: (UnsafeMutableMatrix) -> Void, to values: [Float]) -> [Float] {
        var values = values
        values.withUnsafeMutableBufferPointer { activation(UnsafeMutableMatrix($0, rows: 1, columns: $0.count)) }
        return values
    }

    private static func derivative(
        _ forward: (UnsafeMutableMatrix) -> Void, _ backward: (UnsafeMatrix, UnsafeMutableMatrix) -> Void, _ x: Float
    ) -> Double {
        var y = apply(forward, to: [x])
        var dy: [Float] = [1]
        y.withUnsafeMutableBufferPointer { y in
            dy.withUnsafeMutableBufferPointer { dy in
                backward(
                    UnsafeMutableMatrix(y, rows: 1, columns: 1).readOnly, UnsafeMutableMatrix(dy, rows: 1, columns: 1))
            }
        }
        return Double(dy[0])
    }

    private static func softmax(_ logits: [Float], rows: Int, columns: Int) -> ([Float], [Double]) {
        var (values, logSums) = (logits, [Double](repeating: .nan, count: rows))
        values.withUnsafeMutableBufferPointer { z in
            logSums.withUnsafeMutableBufferPointer {
                applySoftmax(toRowsOf: UnsafeMutableMatrix(z, rows: rows, columns: columns), logSums: $0)
            }
        }
        return (values, logSums)
    }
}
