// SPDX-License-Identifier: Apache-2.0
// The optimisers' steps against their formulas in double precision.

import Glibc
import Tensors
import Testing

@Suite struct OptimizerStepsTests {
    /// Lengths around the width of a vector register.
    private static let lengths = [1, 16, 19, 100]
    private let scale: Float = 0.5

    /// Five steps of `step` on `1 + vectors` float vectors, the first of them the parameters; `exact` moves one element
    /// in double.
    private func compare(
        _ count: Int, vectors: Int, _ step: (_ memory: [Floats], _ gradient: Floats, _ number: Int) -> Void,
        exact: (_ memory: inout [Double], _ gradient: Double, _ number: Int) -> Void
    ) {
        var memory = [seededFloats(count, "w")]
        memory += (0..<vectors).map { _ in [Float](repeating: 0, count: count) }
        var oracle = (0..<count).map { place in memory.map { Double($0[place]) } }
        for number in 0..<5 {
            let gradient = seededFloats(count, "g\(number)")
            memory = onFloats(memory + [gradient]) { step(Array($0.dropLast()), $0[vectors + 1], number) }.dropLast()
            for place in 0..<count { exact(&oracle[place], Double(gradient[place]) * Double(scale), number) }
        }
        for vector in memory.indices {
            #expect(firstDifference(memory[vector], oracle.map { $0[vector] }) == nil, "vector \(vector)")
        }
    }

    @Test(arguments: lengths, [(0.0, false), (0.9, false), (0.9, true)])
    func sgdFollowsItsFormula(count: Int, momentum: (Double, Bool)) {
        let ((momentum, nesterov), rate, decay) = (momentum, 0.1, 0.01)
        compare(count, vectors: momentum == 0 ? 0 : 1) { memory, g, _ in
            stepSGD(
                memory[0], gradient: g, velocity: momentum == 0 ? nil : memory[1], scale: scale, rate: Float(rate),
                momentum: Float(momentum), nesterov: nesterov, decay: Float(decay))
        } exact: { memory, g, _ in
            let d = g + decay * memory[0]
            guard momentum > 0 else {
                memory[0] -= rate * d
                return
            }
            memory[1] = momentum * memory[1] + d
            memory[0] -= rate * (nesterov ? d + momentum * memory[1] : memory[1])
        }
    }

    @Test(arguments: lengths, [(0.01, 0.0, false), (0.0, 0.1, false), (0.01, 0.0, true)])
    func adamFollowsItsFormula(count: Int, variant: (Double, Double, Bool)) {
        let ((l2Decay, decoupledDecay, amsgrad), rate) = (variant, 0.01)
        // A short memory, so that the second moment falls again and the largest one counts.
        let (beta1, beta2, epsilon) = (0.9, amsgrad ? 0.5 : 0.999, 1e-8)
        compare(count, vectors: amsgrad ? 3 : 2) { memory, g, step in
            stepAdam(
                memory[0], gradient: g, firstMoment: memory[1], secondMoment: memory[2],
                largest: amsgrad ? memory[3] : nil,
                AdamStep(
                    step: step, rate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, scale: scale,
                    l2Decay: l2Decay, decoupledDecay: decoupledDecay))
        } exact: { memory, g, step in
            let (d, t) = (g + l2Decay * memory[0], Double(step + 1))
            memory[1] = beta1 * memory[1] + (1 - beta1) * d
            memory[2] = beta2 * memory[2] + (1 - beta2) * d * d
            if amsgrad { memory[3] = max(memory[3], memory[2]) }
            let mean = memory[1] / (1 - pow(beta1, t))
            let square = memory[amsgrad ? 3 : 2] / (1 - pow(beta2, t))
            memory[0] -= rate * decoupledDecay * memory[0] + rate * mean / (square.squareRoot() + epsilon)
        }
    }

    @Test(arguments: lengths, [(0.0, false), (0.9, false), (0.0, true), (0.9, true)])
    func rmspropFollowsItsFormula(count: Int, variant: (Double, Bool)) {
        let ((momentum, centered), rate, decay) = (variant, 0.01, 0.01)
        let (alpha, epsilon) = (0.9, 1e-8)
        let velocity = centered ? 3 : 2
        compare(count, vectors: 1 + (centered ? 1 : 0) + (momentum > 0 ? 1 : 0)) { memory, g, _ in
            stepRMSprop(
                memory[0], gradient: g, square: memory[1], mean: centered ? memory[2] : nil,
                velocity: momentum > 0 ? memory[velocity] : nil,
                RMSpropStep(
                    rate: rate, alpha: alpha, epsilon: epsilon, momentum: momentum, scale: scale, l2Decay: decay))
        } exact: { memory, g, _ in
            let d = g + decay * memory[0]
            memory[1] = alpha * memory[1] + (1 - alpha) * d * d
            var square = memory[1]
            if centered {
                memory[2] = alpha * memory[2] + (1 - alpha) * d
                square -= memory[2] * memory[2]
            }
            let ratio = d / (square.squareRoot() + epsilon)
            guard momentum > 0 else {
                memory[0] -= rate * ratio
                return
            }
            memory[velocity] = momentum * memory[velocity] + ratio
            memory[0] -= rate * memory[velocity]
        }
    }

    @Test(arguments: lengths) func adagradFollowsItsFormula(count: Int) {
        let (rate, decay, epsilon) = (0.1, 0.01, 1e-10)
        compare(count, vectors: 1) { memory, g, _ in
            stepAdagrad(
                memory[0], gradient: g, sum: memory[1], scale: scale, decay: Float(decay), rate: Float(rate),
                epsilon: Float(epsilon))
        } exact: { memory, g, _ in
            let d = g + decay * memory[0]
            memory[1] += d * d
            memory[0] -= rate * d / (memory[1].squareRoot() + epsilon)
        }
    }

    @Test(arguments: lengths) func averagesMoveTheirShare(count: Int) {
        let (y, x) = (seededFloats(count, "y"), seededFloats(count, "x"))
        let moved = onFloats([y, x]) { move($0[0], towards: $0[1], share: 0.1) }
        #expect(firstDifference(moved[0], zip(y, x).map { 0.9 * Double($0) + 0.1 * Double($1) }) == nil)
    }
}
