// SPDX-License-Identifier: Apache-2.0
// Sums, products and transposition of whole runs of floats against their formulas.

import Tensors
import Testing

@Suite struct VectorKernelTests {
    private static let counts = [1, 2, 15, 16, 17, 31, 33, 1003]
    private static let shapes = [(1, 1), (1, 17), (17, 1), (3, 5), (16, 16), (33, 15), (15, 33), (70, 101)]

    @Test(arguments: counts) func sumsAndProductsAreTheFormulas(count: Int) {
        let (a, b, y) = (seededFloats(count, "a"), seededFloats(count, "b"), seededFloats(count, "y"))
        let new = unwritten(count)
        let results = onFloats([a, b, y, new, new, y, y]) {
            add($0[0], to: $0[2])
            add($0[0], $0[1], into: $0[3])
            multiply(elements: $0[0], by: $0[1], into: $0[4])
            add(productOf: $0[0], and: $0[1], to: $0[5])
            add(-0.75, times: $0[0], to: $0[6])
        }
        let (x, w, z) = (doubles(a), doubles(b), doubles(y))
        #expect(results[0] == a && results[1] == b)
        #expect(firstDifference(results[2], zip(z, x).map { $0 + $1 }, tolerance: 1e-6) == nil)
        #expect(firstDifference(results[3], zip(x, w).map { $0 + $1 }, tolerance: 1e-6) == nil)
        #expect(firstDifference(results[4], zip(x, w).map { $0 * $1 }, tolerance: 1e-6) == nil)
        let sums = zip(z, zip(x, w)).map { $0 + $1.0 * $1.1 }
        #expect(firstDifference(results[5], sums, tolerance: 1e-6) == nil)
        #expect(firstDifference(results[6], zip(z, x).map { $0 - 0.75 * $1 }, tolerance: 1e-6) == nil)
    }

    @Test(arguments: shapes) func biasesAndColumnSumsGoByRows(rows: Int, columns: Int) {
        let (bias, y) = (seededFloats(columns, "bias"), seededFloats(rows * columns, "y"))
        let results = onFloats([bias, y, y, bias]) {
            addRows($0[0], to: $0[1])
            addColumnSums(of: $0[2], to: $0[3])
        }
        let added = y.indices.map { Double(y[$0]) + Double(bias[$0 % columns]) }
        var sums = doubles(bias)
        for (index, value) in y.enumerated() { sums[index % columns] += Double(value) }
        #expect(firstDifference(results[1], added, tolerance: 1e-6) == nil)
        #expect(firstDifference(results[3], sums) == nil)
    }

    @Test(arguments: shapes) func transposeSwapsRowsAndColumns(rows: Int, columns: Int) {
        let x = seededFloats(rows * columns, "x")
        let y = onFloats([x, unwritten(x.count)]) { transpose($0[0], rows: rows, columns: columns, into: $0[1]) }[1]
        #expect(y == transposed(x, rows: rows, columns: columns))
    }

    @Test(arguments: counts + [100_003]) func squaresAreSummedInDouble(count: Int) {
        let x = seededFloats(count, "x", scale: 100)
        let exact = x.reduce(0.0) { $0 + Double($1) * Double($1) }
        var sums: [Double] = []
        for _ in 0..<2 { _ = onFloats([x]) { sums.append(sumOfSquares($0[0])) } }
        #expect(abs(sums[0] - exact) <= 1e-6 * exact)
        #expect(sums[0] == sums[1])
    }

    @Test func nanStaysVisible() {
        for place in [0, 16, 18] {
            var x = seededFloats(19, "x")
            x[place] = .nan
            let y = [Float](repeating: 0, count: 19)
            let results = onFloats([x, y, y, y]) {
                add($0[0], to: $0[1])
                add(0, times: $0[0], to: $0[2])
                add(productOf: $0[1], and: $0[1], to: $0[3])
                #expect(sumOfSquares($0[0]).isNaN)
            }
            for result in results { #expect(result.indices.filter { result[$0].isNaN } == [place]) }
        }
    }
}
