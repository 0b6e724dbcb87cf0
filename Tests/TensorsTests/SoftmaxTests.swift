// SPDX-License-Identifier: Apache-2.0
// Softmax and log softmax of rows against double precision and its central differences.

import Glibc
import Tensors
import Testing

@Suite struct SoftmaxTests {
    /// Rows and columns: parts of a vector, several groups of rows, and rows longer than a group's share of cache.
    private static let shapes = [(1, 1), (3, 2), (5, 15), (4, 16), (19, 17), (33, 37), (2, 300), (3, 5003)]

    @Test(arguments: shapes) func forwardIsTheFormula(rows: Int, columns: Int) {
        let x = seededFloats(rows * columns, "x", scale: 6)
        let logs = Self.logSoftmax(doubles(x), columns)
        #expect(firstDifference(Self.forward(x, columns), logs.map { exp($0) }) == nil)
        #expect(firstDifference(Self.logForward(x, columns), logs) == nil)
    }

    @Test(arguments: shapes) func backwardIsTheFormula(rows: Int, columns: Int) {
        let (x, dy) = (seededFloats(rows * columns, "x", scale: 2), seededFloats(rows * columns, "dy"))
        let (y, logs) = (Self.forward(x, columns), Self.logForward(x, columns))
        var (expected, logExpected) = (doubles(dy), doubles(dy))
        for row in 0..<rows {
            let range = row * columns..<(row + 1) * columns
            let products = range.reduce(0.0) { $0 + Double(dy[$1]) * Double(y[$1]) }
            let sum = range.reduce(0.0) { $0 + Double(dy[$1]) }
            for j in range {
                expected[j] = Double(y[j]) * (Double(dy[j]) - products)
                logExpected[j] = Double(dy[j]) - exp(Double(logs[j])) * sum
            }
        }
        #expect(firstDifference(Self.backward(y, dy, columns), expected) == nil)
        #expect(firstDifference(Self.logBackward(logs, dy, columns), logExpected) == nil)
    }

    @Test(arguments: [2, 5, 17]) func backwardIsTheDerivative(columns: Int) {
        let (x, dy) = (seededFloats(3 * columns, "x", scale: 2), seededFloats(3 * columns, "dy"))
        let slopes = centralDifferences(at: doubles(x)) { dot(Self.logSoftmax($0, columns).map { exp($0) }, dy) }
        let logSlopes = centralDifferences(at: doubles(x)) { dot(Self.logSoftmax($0, columns), dy) }
        #expect(firstDifference(Self.backward(Self.forward(x, columns), dy, columns), slopes) == nil)
        #expect(firstDifference(Self.logBackward(Self.logForward(x, columns), dy, columns), logSlopes) == nil)
    }

    @Test func extremesNeitherOverflowNorVanish() {
        #expect(Self.forward([1000, 0, -1000], 3) == [1, 0, 0])
        #expect(Self.logForward([1000, 0, -1000], 3) == [0, -1000, -2000])
        #expect(Self.forward([-.infinity, 0, -.infinity], 3) == [0, 1, 0])
        #expect(Self.forward([-5000, -5000], 2) == [0.5, 0.5])
    }

    @Test(arguments: [3, 16, 37]) func nanFillsItsRowOnly(columns: Int) {
        for place in [0, columns / 2, columns - 1] {
            var x = seededFloats(3 * columns, "x")
            x[columns + place] = .nan
            for y in [Self.forward(x, columns), Self.logForward(x, columns)] {
                for (index, value) in y.enumerated() { #expect(value.isNaN == (index / columns == 1), "\(index)") }
            }
        }
    }

    @Test func resultsMayOverwriteTheirOperand() {
        let (x, dy) = (seededFloats(74, "x"), seededFloats(74, "dy"))
        let results = onFloats([x, x, Self.forward(x, 37), dy, Self.logForward(x, 37), dy]) {
            Softmax.forward($0[0], columns: 37, into: $0[0])
            Softmax.logForward($0[1], columns: 37, into: $0[1])
            Softmax.backward($0[2], gradient: $0[3], columns: 37, into: $0[3])
            Softmax.logBackward($0[4], gradient: $0[5], columns: 37, into: $0[5])
        }
        #expect(results[0] == Self.forward(x, 37) && results[1] == Self.logForward(x, 37))
        #expect(results[3] == Self.backward(results[0], dy, 37))
        #expect(results[5] == Self.logBackward(results[1], dy, 37))
    }

    private static func logSoftmax(_ x: [Double], _ columns: Int) -> [Double] {
        stride(from: 0, to: x.count, by: columns).flatMap { start in
            let row = x[start..<start + columns]
            let largest = row.max() ?? 0
            let logSum = largest + log(row.reduce(0) { $0 + exp($1 - largest) })
            return row.map { $0 - logSum }
        }
    }

    private static func forward(_ x: [Float], _ columns: Int) -> [Float] {
        onFloats([x, unwritten(x.count)]) { Softmax.forward($0[0], columns: columns, into: $0[1]) }[1]
    }

    private static func logForward(_ x: [Float], _ columns: Int) -> [Float] {
        onFloats([x, unwritten(x.count)]) { Softmax.logForward($0[0], columns: columns, into: $0[1]) }[1]
    }

    private static func backward(_ y: [Float], _ dy: [Float], _ columns: Int) -> [Float] {
        onFloats([y, dy, unwritten(y.count)]) {
            Softmax.backward($0[0], gradient: $0[1], columns: columns, into: $0[2])
        }[2]
    }

    private static func logBackward(_ y: [Float], _ dy: [Float], _ columns: Int) -> [Float] {
        onFloats([y, dy, unwritten(y.count)]) {
            Softmax.logBackward($0[0], gradient: $0[1], columns: columns, into: $0[2])
        }[2]
    }
}
