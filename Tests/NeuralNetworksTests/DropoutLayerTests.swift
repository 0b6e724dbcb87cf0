// SPDX-License-Identifier: Apache-2.0
// Dropout keeps the expectation, and passes back exactly what it let through.

import NeuralNetworks
import Randomness
import Tensors
import Testing

@Suite struct DropoutLayerTests {
    /// x = 1 everywhere, forward, then a gradient of ones backward.
    private static func pass(rate: Double, count: Int, generator: SeededGenerator?) -> (output: [Float], back: [Float])
    {
        let x = FloatBuffer(count: count)
        let y = FloatBuffer(count: count)
        let mask = FloatBuffer(count: count)
        let dy = FloatBuffer(count: count)
        func view(_ buffer: borrowing FloatBuffer) -> UnsafeMutableMatrix {
            UnsafeMutableMatrix(buffer.elements, rows: 1, columns: count)
        }
        x.elements.update(repeating: 1)
        dy.elements.update(repeating: 1)
        var generator = generator
        let layer = DropoutLayer(rate: rate)
        layer.forward(input: view(x).readOnly, output: view(y), mask: view(mask), using: &generator)
        layer.backward(mask: view(mask).readOnly, gradient: view(dy))
        return (Array(y.elements), Array(dy.elements))
    }

    @Test(arguments: [0.1, 0.5, 0.9]) func theExpectationIsKept(rate: Double) {
        let count = 100_000
        let generator = SeededGenerator(seed: 3, stream: "dropout")
        let output = Self.pass(rate: rate, count: count, generator: generator).output
        let kept = Float(1 / (1 - rate))
        #expect(output.allSatisfy { $0 == 0 || $0 == kept })
        // The mean's standard error is √(rate/(1−rate)/count); six of them are missed with odds below 1e-8.
        let mean = output.reduce(0.0) { $0 + Double($1) } / Double(count)
        #expect(abs(mean - 1) < 6 * (rate / (1 - rate) / Double(count)).squareRoot())
    }

    @Test func theGradientPassesWhereTheValueDid() {
        let (output, back) = Self.pass(rate: 0.4, count: 1000, generator: SeededGenerator(seed: 1, stream: "dropout"))
        #expect(output == back)
        #expect(output.contains(0))
    }

    @Test func nothingIsDroppedWithoutAGeneratorOrAtRateZero() {
        #expect(Self.pass(rate: 0.7, count: 50, generator: nil).output.allSatisfy { $0 == 1 })
        let generator = SeededGenerator(seed: 1, stream: "dropout")
        #expect(Self.pass(rate: 0, count: 50, generator: generator).output.allSatisfy { $0 == 1 })
    }
}
