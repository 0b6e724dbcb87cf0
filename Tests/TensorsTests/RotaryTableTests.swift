// SPDX-License-Identifier: Apache-2.0
// Rotary positions keep norms, depend on distances only, and are turned back exactly as far.

import Glibc
import Tensors
import Testing

@Suite struct RotaryTableTests {
    private static func turn(_ x: [Float], steps: Int, width: Int, stride: Int, heads: Int, back: Bool = false)
        -> [Float]
    {
        let table = RotaryTable(steps: steps, width: width)
        return onFloats([x]) { x in
            if back {
                table.turnBack(x[0], stride: stride, heads: heads)
            } else {
                table.turn(x[0], stride: stride, heads: heads)
            }
        }[0]
    }

    /// Heads of 2 to 34 features within rows that hold more.
    @Test(arguments: [(2, 1), (6, 3), (16, 2), (34, 2)]) func pairsAreTurnedByTheirPlace(width: Int, heads: Int) {
        let (steps, stride) = (9, width * heads + 5)
        // The last row ends with its heads.
        let x = seededFloats((steps - 1) * stride + width * heads, "x")
        let y = Self.turn(x, steps: steps + 2, width: width, stride: stride, heads: heads)
        var expected = doubles(x)
        for step in 0..<steps {
            for head in 0..<heads {
                for pair in 0..<width / 2 {
                    let place = step * stride + head * width + 2 * pair
                    let angle = Double(step) / pow(10_000, Double(2 * pair) / Double(width))
                    let (a, b) = (Double(x[place]), Double(x[place + 1]))
                    expected[place] = a * cos(angle) - b * sin(angle)
                    expected[place + 1] = a * sin(angle) + b * cos(angle)
                }
            }
        }
        #expect(firstDifference(y, expected) == nil)
        let back = Self.turn(y, steps: steps, width: width, stride: stride, heads: heads, back: true)
        #expect(firstDifference(back, doubles(x)) == nil)
    }

    @Test func normsAreKeptAndProductsDependOnDistances() {
        let (steps, width) = (50, 8)
        func everywhere(_ stream: String) -> [[Float]] {
            let row = seededFloats(width, stream)
            let turned = Self.turn(
                (0..<steps).flatMap { _ in row }, steps: steps, width: width, stride: width, heads: 1)
            return (0..<steps).map { Array(turned[$0 * width..<($0 + 1) * width]) }
        }
        func dot(_ a: [Float], _ b: [Float]) -> Double { zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) } }
        let (q, k) = (everywhere("q"), everywhere("k"))
        for step in 0..<steps { #expect(abs(dot(q[step], q[step]) - dot(q[0], q[0])) < 1e-5) }
        for distance in 0..<steps {
            for step in 0..<steps - distance {
                #expect(abs(dot(q[step + distance], k[step]) - dot(q[distance], k[0])) < 1e-5)
            }
        }
        #expect(abs(dot(q[5], k[0]) - dot(q[0], k[0])) > 1e-2)
    }
}
