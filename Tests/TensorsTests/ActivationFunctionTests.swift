// SPDX-License-Identifier: Apache-2.0
// The layers' activations against the C library in double precision and its central differences.

import Glibc
import Tensors
import Testing

@Suite struct ActivationFunctionTests {
    private static let functions: [ActivationFunction] = [
        .linear, .relu, .leakyReLU(slope: 0.2), .elu(alpha: 1), .elu(alpha: 0.7), .gelu, .geluTanh, .silu, .tanh,
        .sigmoid,
    ]
    /// Whole vectors, rests, and both.
    private static let counts = [1, 2, 15, 16, 17, 31, 33, 1000]

    @Test(arguments: functions) func forwardIsTheFormula(_ function: ActivationFunction) {
        for count in Self.counts {
            let x = seededFloats(count, "x", scale: 8)
            let expected = x.map { Self.exact(function, Double($0)) }
            #expect(firstDifference(Self.forward(function, x), expected) == nil, "\(count) values")
        }
    }

    @Test(arguments: functions) func backwardIsTheDerivative(_ function: ActivationFunction) {
        for count in Self.counts {
            // Away from the kink at 0, which a central difference would straddle.
            let x = seededFloats(count, "x", scale: 8).map { abs($0) < 1e-3 ? 0.5 : $0 }
            let dy = seededFloats(count, "dy")
            let slopes = x.map { value in
                centralDifferences(at: [Double(value)]) { Self.exact(function, $0[0]) }[0]
            }
            let expected = zip(slopes, dy).map { $0 * Double($1) }
            // Where tanh is 1 − 1e-4, 1 − y² has few digits left: 2e-7 is allowed, whatever the slope.
            #expect(firstDifference(Self.backward(function, x, dy), expected, floor: 0.01) == nil, "\(count) values")
        }
    }

    @Test(arguments: functions) func resultsMayOverwriteTheirOperand(_ function: ActivationFunction) {
        let (x, dy) = (seededFloats(37, "x", scale: 4), seededFloats(37, "dy"))
        let v = function.backwardReadsInput ? x : Self.forward(function, x)
        let results = onFloats([x, v, dy]) {
            function.forward($0[0], into: $0[0])
            function.backward($0[1], gradient: $0[2], into: $0[2])
        }
        #expect(results[0] == Self.forward(function, x))
        #expect(results[2] == Self.backward(function, x, dy))
    }

    @Test(arguments: functions) func nanStaysVisible(_ function: ActivationFunction) {
        for place in 0..<17 {
            var (x, dy) = ([Float](repeating: 1, count: 17), [Float](repeating: 1, count: 17))
            (x[place], dy[place]) = (.nan, .nan)
            let y = Self.forward(function, x)
            let dx = Self.backward(function, [Float](repeating: 1, count: 17), dy)
            for (index, pair) in zip(y, dx).enumerated() {
                #expect(pair.0.isNaN == (index == place) && pair.1.isNaN == (index == place))
            }
        }
    }

    @Test(arguments: functions) func largeArgumentsGiveTheLimit(_ function: ActivationFunction) {
        let x: [Float] = [-1e4, -200, -100, -30, 30, 100, 200, 1e4]
        for (value, y) in zip(x, Self.forward(function, x)) {
            let exact = Self.exact(function, Double(value))
            #expect(abs(Double(y) - exact) <= 2e-5 * abs(exact) + 1e-6, "\(value)")
        }
    }

    @Test func aSumOfSmallValuesKeepsItsDigits() {
        // eˣ − 1 and x·Φ(x) near 0, where a difference of rounded numbers would have none left.
        let x: [Float] = [-1e-6, -1e-5, -1e-3, 1e-6, 1e-3]
        for function in [ActivationFunction.elu(alpha: 1), .gelu, .geluTanh, .silu, .tanh] {
            for (value, y) in zip(x, Self.forward(function, x)) {
                let exact = Self.exact(function, Double(value))
                #expect(abs(Double(y) - exact) <= 2e-5 * abs(exact), "\(function) \(value)")
            }
        }
    }

    private static func forward(_ function: ActivationFunction, _ x: [Float]) -> [Float] {
        onFloats([x, unwritten(x.count)]) { function.forward($0[0], into: $0[1]) }[1]
    }

    private static func backward(_ function: ActivationFunction, _ x: [Float], _ dy: [Float]) -> [Float] {
        let v = function.backwardReadsInput ? x : forward(function, x)
        return onFloats([v, dy, unwritten(x.count)]) { function.backward($0[0], gradient: $0[1], into: $0[2]) }[2]
    }

    private static func exact(_ function: ActivationFunction, _ x: Double) -> Double {
        switch function {
        case .linear: x
        case .relu: max(x, 0)
        case .leakyReLU(let slope): x > 0 ? x : Double(slope) * x
        case .elu(let alpha): x > 0 ? x : Double(alpha) * expm1(x)
        case .gelu: x * erfc(-x / 2.0.squareRoot()) / 2
        case .geluTanh: x * (1 + Glibc.tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x))) / 2
        case .silu: x / (1 + exp(-x))
        case .tanh: Glibc.tanh(x)
        case .sigmoid: 1 / (1 + exp(-x))
        }
    }
}
