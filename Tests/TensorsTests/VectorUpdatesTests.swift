// SPDX-License-Identifier: Apache-2.0
// Sums of vectors against their formulas in double precision.

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
