// SPDX-License-Identifier: Apache-2.0
// Sums and optimiser steps against their formulas in double precision.

import Glibc
import Randomness
import Tensors
import Testing

@Suite struct VectorUpdatesTests {
    /// Lengths around the width of a vector register, and none.
    private static let lengths = [0, 1, 7, 16, 17, 100]

    @Test(arguments: lengths) func sumsFollowTheirFormulas(length: Int) {
        let (x, z, y) = (random(length, "x"), random(length, "z"), random(length, "y"))
        let sum = edited(y) { y in x.withUnsafeBufferPointer { add(0.25, times: $0, to: y) } }
        #expect(near(sum, zip(y, x).map { Double($0) + 0.25 * Double($1) }))
        let pull = edited(y) { y in
            x.withUnsafeBufferPointer { x in
                z.withUnsafeBufferPointer { add(0.25, timesDifferenceOf: x, and: $0, to: y) }
            }
        }
        #expect(near(pull, zip(y, zip(x, z)).map { Double($0) + 0.25 * (Double($1.0) - Double($1.1)) }))
    }

    @Test(arguments: [0, 1, 17, 4_095, 4_096, 4_097, 10_000]) func oneValueThatIsNotFiniteIsFoundAnywhere(length: Int) {
        let x = random(length, "x")
        #expect(x.withUnsafeBufferPointer(allFinite))
        for index in Set([0, length / 2, length - 1]) where index >= 0 && index < length {
            for value in [Float.nan, .infinity, -.infinity, .greatestFiniteMagnitude] {
                var changed = x
                changed[index] = value
                #expect(changed.withUnsafeBufferPointer(allFinite) == value.isFinite)
            }
        }
    }

    @Test(arguments: [(0.0, false), (0.9, false), (0.9, true)]) func sgdFollowsItsFormula(
        momentum: Double, nesterov: Bool
    ) {
        let (rate, decay) = (0.1, 0.01)
        var (w, v) = (random(19, "w"), [Float](repeating: 0, count: momentum == 0 ? 0 : 19))
        var (exactW, exactV) = (w.map(Double.init), [Double](repeating: 0, count: 19))
        for step in 0..<5 {
            let g = random(19, "g\(step)")
            w.withUnsafeMutableBufferPointer { w in
                v.withUnsafeMutableBufferPointer { v in
                    g.withUnsafeBufferPointer {
                        stepSGD(
                            w, gradient: $0, velocity: v, rate: Float(rate), momentum: Float(momentum),
                            nesterov: nesterov, decay: Float(decay))
                    }
                }
            }
            for i in 0..<19 {
                let d = Double(g[i]) + decay * exactW[i]
                exactV[i] = momentum * exactV[i] + d
                exactW[i] -= rate * (nesterov ? d + momentum * exactV[i] : exactV[i])
            }
            #expect(near(w, exactW))
        }
    }

    @Test(arguments: [(0.01, 0.0), (0.0, 0.1)]) func adamFollowsItsFormula(l2Decay: Double, decoupledDecay: Double) {
        let (rate, beta1, beta2, epsilon) = (0.01, 0.9, 0.999, 1e-8)
        var (w, m, v) = (random(19, "w"), [Float](repeating: 0, count: 19), [Float](repeating: 0, count: 19))
        var (exactW, exactM, exactV) = (w.map(Double.init), m.map(Double.init), v.map(Double.init))
        for step in 0..<5 {
            let g = random(19, "g\(step)")
            let constants = AdamStep(
                step: step, rate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, l2Decay: l2Decay,
                decoupledDecay: decoupledDecay)
            w.withUnsafeMutableBufferPointer { w in
                m.withUnsafeMutableBufferPointer { m in
                    v.withUnsafeMutableBufferPointer { v in
                        g.withUnsafeBufferPointer {
                            stepAdam(w, gradient: $0, firstMoment: m, secondMoment: v, constants)
                        }
                    }
                }
            }
            let t = Double(step + 1)
            for i in 0..<19 {
                let d = Double(g[i]) + l2Decay * exactW[i]
                exactM[i] = beta1 * exactM[i] + (1 - beta1) * d
                exactV[i] = beta2 * exactV[i] + (1 - beta2) * d * d
                let (meanHat, squareHat) = (exactM[i] / (1 - pow(beta1, t)), exactV[i] / (1 - pow(beta2, t)))
                exactW[i] -= rate * decoupledDecay * exactW[i] + rate * meanHat / (squareHat.squareRoot() + epsilon)
            }
            #expect(near(w, exactW))
        }
    }

    private func near(_ values: [Float], _ exact: [Double]) -> Bool {
        values.count == exact.count && zip(values, exact).allSatisfy { abs(Double($0) - $1) < 1e-6 }
    }

    private func edited(_ values: [Float], _ edit: (UnsafeMutableBufferPointer<Float>) -> Void) -> [Float] {
        var values = values
        values.withUnsafeMutableBufferPointer { edit($0) }
        return values
    }

    private func random(_ count: Int, _ stream: String) -> [Float] {
        var generator = SeededGenerator(seed: 11, stream: stream)
        return (0..<count).map { _ in 2 * generator.uniformFloat() - 1 }
    }
}
