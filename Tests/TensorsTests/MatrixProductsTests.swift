// SPDX-License-Identifier: Apache-2.0
// The matrix products against three nested loops in double precision.

import Randomness
import Tensors
import Testing

@Suite struct MatrixProductsTests {
    /// Sizes on both sides of every tile edge: 1, 4, 8 and 16 columns, 6 rows.
    private static let sizes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 15, 16, 17, 31, 33]

    @Test(arguments: sizes) func productsEqualTheNestedLoops(rows: Int) {
        for depth in [1, 2, 5, 16, 19] {
            for columns in Self.sizes {
                Self.compare(rows: rows, depth: depth, columns: columns)
            }
        }
    }

    @Test(arguments: [255, 256, 257, 600]) func deepProductsEqualTheNestedLoops(depth: Int) {
        Self.compare(rows: 40, depth: depth, columns: 70)
        Self.compare(rows: 3, depth: depth, columns: 2)
        Self.compare(rows: 1, depth: depth, columns: 16)
    }

    @Test func aRowDoesNotDependOnItsNeighbours() {
        let (rows, depth, columns) = (45, 300, 83)
        let (a, b) = (Self.random(rows * depth, stream: "a"), Self.random(depth * columns, stream: "b"))
        let whole = Self.product(rows, depth, columns, a, b, .plain, start: nil)
        for row in 0..<rows {
            let alone = Self.product(
                1, depth, columns, Array(a[row * depth..<(row + 1) * depth]), b, .plain, start: nil)
            #expect(alone == Array(whole[row * columns..<(row + 1) * columns]))
        }
    }

    @Test func nanReachesTheProduct() {
        let product = Self.product(1, 2, 1, [.nan, 1], [0, 1], .plain, start: nil)
        #expect(product[0].isNaN)
    }

    @Test func rowsAreFilledAndColumnsSummed() {
        for (rows, columns) in [(1, 1), (3, 5), (7, 16), (33, 17)] {
            let bias = Self.random(columns, stream: "bias")
            var y = [Float](repeating: -1, count: rows * columns)
            var sums = [Float](repeating: -1, count: columns)
            y.withUnsafeMutableBufferPointer { y in
                let matrix = UnsafeMutableMatrix(y, rows: rows, columns: columns)
                bias.withUnsafeBufferPointer { fillRows(of: matrix, with: $0) }
                sums.withUnsafeMutableBufferPointer { sumColumns(of: matrix.readOnly, into: $0) }
            }
            #expect(y == (0..<rows).flatMap { _ in bias })
            for (sum, value) in zip(sums, bias) { #expect(abs(sum - Float(rows) * value) < 1e-4) }
        }
    }

    // MARK: The three forms of one product

    private enum Form: CaseIterable { case plain, transposedFirst, transposedSecond }

    private static func compare(rows: Int, depth: Int, columns: Int) {
        let (a, b) = (random(rows * depth, stream: "a"), random(depth * columns, stream: "b"))
        let start = random(rows * columns, stream: "c")
        for form in Form.allCases {
            let fresh = product(rows, depth, columns, a, b, form, start: nil)
            let added = product(rows, depth, columns, a, b, form, start: start)
            for i in 0..<rows {
                for j in 0..<columns {
                    var (sum, size) = (0.0, 1.0)
                    for p in 0..<depth {
                        let term = Double(a[i * depth + p]) * Double(b[p * columns + j])
                        sum += term
                        size += abs(term)
                    }
                    let place = i * columns + j
                    let near =
                        abs(Double(fresh[place]) - sum) < 1e-6 * size
                        && abs(Double(added[place]) - sum - Double(start[place])) < 1e-6 * size
                    #expect(near, "\(form) [\(rows), \(depth)] · [\(depth), \(columns)] at \(i), \(j)")
                    if !near { return }
                }
            }
        }
    }

    /// a · b, with a or b handed over transposed in memory; added to `start` when it is given.
    private static func product(
        _ rows: Int, _ depth: Int, _ columns: Int, _ a: [Float], _ b: [Float], _ form: Form, start: [Float]?
    ) -> [Float] {
        let storage: ProductStorage = start == nil ? .overwriting : .accumulating
        var c = start ?? [Float](repeating: .nan, count: rows * columns)
        let first = form == .transposedFirst ? transposed(a, rows, depth) : a
        let second = form == .transposedSecond ? transposed(b, depth, columns) : b
        c.withUnsafeMutableBufferPointer { c in
            first.withUnsafeBufferPointer { a in
                second.withUnsafeBufferPointer { b in
                    let c = UnsafeMutableMatrix(c, rows: rows, columns: columns)
                    switch form {
                    case .plain:
                        multiply(
                            UnsafeMatrix(a, rows: rows, columns: depth), UnsafeMatrix(b, rows: depth, columns: columns),
                            into: c, storage)
                    case .transposedFirst:
                        multiply(
                            transposed: UnsafeMatrix(a, rows: depth, columns: rows),
                            UnsafeMatrix(b, rows: depth, columns: columns), into: c, storage)
                    case .transposedSecond:
                        multiply(
                            UnsafeMatrix(a, rows: rows, columns: depth),
                            transposed: UnsafeMatrix(b, rows: columns, columns: depth), into: c, storage)
                    }
                }
            }
        }
        return c
    }

    private static func transposed(_ matrix: [Float], _ rows: Int, _ columns: Int) -> [Float] {
        (0..<columns).flatMap { column in (0..<rows).map { matrix[$0 * columns + column] } }
    }

    private static func random(_ count: Int, stream: String) -> [Float] {
        var generator = SeededGenerator(seed: 7, stream: stream)
        return (0..<count).map { _ in 2 * generator.uniformFloat() - 1 }
    }
}
