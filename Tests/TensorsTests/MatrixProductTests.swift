// SPDX-License-Identifier: Apache-2.0
// The layers' matrix products, own loop and oneDNN, against three nested loops in double precision.

import Tensors
import Testing

@Suite struct MatrixProductTests {
    /// A size below and one above the bound where oneDNN takes over, neither a multiple of a tile.
    private static let sizes = [(5, 7, 9), (67, 129, 131)]

    @Test(arguments: kernelSets, sizes) func everyFormEqualsTheNestedLoops(kernels: KernelSet, size: (Int, Int, Int)) {
        for form in 0..<64 {
            func isSet(_ bit: Int) -> Bool { form >> bit & 1 == 1 }
            var shape = ProductShape(m: size.0, k: size.1, n: size.2)
            (shape.transposesA, shape.transposesB) = (isSet(0), isSet(1))
            (shape.hasBias, shape.accumulates, shape.appliesReLU) = (isSet(2), isSet(3), isSet(4))
            shape.packsB = isSet(5)
            Self.check(shape, kernels)
        }
    }

    @Test(arguments: kernelSets, [false, true]) func stridesAndBatchesAreKept(kernels: KernelSet, isLarge: Bool) {
        for form in 0..<16 {
            var shape = isLarge ? ProductShape(m: 65, k: 70, n: 81) : ProductShape(m: 4, k: 5, n: 6)
            (shape.transposesA, shape.transposesB) = (form & 1 == 1, form & 2 == 2)
            (shape.accumulates, shape.hasBias) = (form & 4 == 4, form & 8 == 8)
            shape.batch = 3
            let (aRows, aWidth) = shape.transposesA ? (shape.k, shape.m) : (shape.m, shape.k)
            let (bRows, bWidth) = shape.transposesB ? (shape.n, shape.k) : (shape.k, shape.n)
            (shape.aRow, shape.bRow, shape.cRow) = (aWidth + 3, bWidth + 5, shape.n + 2)
            shape.aBatch = aRows * (aWidth + 3) + 11
            shape.bBatch = bRows * (bWidth + 5) + 1
            shape.cBatch = shape.m * (shape.n + 2) + 7
            Self.check(shape, kernels)
            shape.packsB = true
            Self.check(shape, kernels)
            (shape.packsB, shape.bBatch) = (false, 0)
            Self.check(shape, kernels)
        }
    }

    @Test(arguments: kernelSets) func headsOfOneMatrixAreABatch(kernels: KernelSet) {
        // Four heads side by side in rows of 4·16 floats, as attention holds them.
        for rows in [9, 130] {
            var shape = ProductShape(m: rows, k: 16, n: rows)
            (shape.batch, shape.transposesB) = (4, true)
            (shape.aRow, shape.bRow, shape.aBatch, shape.bBatch) = (64, 64, 16, 16)
            Self.check(shape, kernels)
        }
    }

    @Test(arguments: kernelSets) func degenerateSizesWork(kernels: KernelSet) {
        for (m, k, n) in [(1, 1, 1), (1, 300, 1), (1, 5, 40), (40, 1, 40), (33, 20, 1), (1, 2000, 600), (2000, 600, 1)]
        {
            for packs in [false, true] {
                var shape = ProductShape(m: m, k: k, n: n)
                (shape.packsB, shape.hasBias) = (packs, true)
                Self.check(shape, kernels)
            }
        }
    }

    @Test(arguments: kernelSets) func aProductIsUsedManyTimes(kernels: KernelSet) {
        var shape = ProductShape(m: 6, k: 33, n: 20)
        shape.packsB = true
        let (product, a) = (MatrixProduct(shape, scratch: Scratch(), kernels: kernels), seededFloats(6 * 33, "a"))
        for round in 0..<3 {
            // Packing again takes the new weights over.
            let b = seededFloats(33 * 20, "b \(round)")
            let c = onFloats([a, b, unwritten(120), unwritten(120)]) {
                product.pack($0[1])
                product.run($0[0], $0[1], into: $0[2])
                product.run($0[0], $0[1], into: $0[3])
            }
            #expect(firstDifference(c[2], Self.exact(shape, a, b, nil, unwritten(120))) == nil)
            #expect(c[2] == c[3])
        }
    }

    @Test func libraryMultipliesWhatIsLarge() {
        let large = ProductShape(m: 128, k: 128, n: 128)
        let small = ProductShape(m: 16, k: 16, n: 16)
        var packed = small
        packed.packsB = true
        let isBuilt = DeepNeuralNetworkLibrary.isBuilt
        func usesLibrary(_ shape: ProductShape, _ kernels: KernelSet) -> Bool {
            MatrixProduct(shape, scratch: Scratch(), kernels: kernels).implementation != nil
        }
        #expect(usesLibrary(large, .fastest) == isBuilt && usesLibrary(packed, .fastest) == isBuilt)
        #expect(!usesLibrary(small, .fastest))
        #expect(![large, small, packed].contains { usesLibrary($0, .portable) })
        #expect(large.operations == 2 * 128 * 128 * 128)
    }

    @Test(arguments: kernelSets) func nanStaysVisible(kernels: KernelSet) {
        // A zero in b must not hide it, nor the own loop's ReLU; oneDNN's ReLU makes NaN zero.
        for (m, k, n) in [(3, 4, 5), (128, 128, 128)] {
            var shape = ProductShape(m: m, k: k, n: n)
            shape.appliesReLU = kernels == .portable
            var a = seededFloats(m * k, "a")
            a[2 * k + 1] = .nan
            let product = MatrixProduct(shape, scratch: Scratch(), kernels: kernels)
            let c = onFloats([a, [Float](repeating: 0, count: k * n), unwritten(m * n)]) {
                product.run($0[0], $0[1], into: $0[2])
            }[2]
            for (index, value) in c.enumerated() where value.isNaN != (index / n == 2) {
                Issue.record("\(value) at row \(index / n)")
                break
            }
        }
    }

    @Test(arguments: kernelSets) func aFamilyMakesEachMemberOnce(kernels: KernelSet) {
        let family = ProductFamily(scratch: Scratch(), kernels: kernels) { ProductShape(m: $0, k: 200, n: 100) }
        let (a, b) = (seededFloats(100 * 200, "a"), seededFloats(200 * 100, "b"))
        for count in [1, 100, 7, 100, 1, 60] {
            let product = family(count)
            #expect(product === family(count) && product.shape.m == count)
            let c = onFloats([Array(a.prefix(count * 200)), b, unwritten(count * 100)]) {
                product.run($0[0], $0[1], into: $0[2])
            }[2]
            #expect(firstDifference(c, Self.exact(product.shape, a, b, nil, c)) == nil)
        }
        // Only 60 and 100 rows are large enough.
        #expect(family.implementations.count == (kernels == .fastest && DeepNeuralNetworkLibrary.isBuilt ? 2 : 0))
    }

    // MARK: The nested loops

    private static func check(_ shape: ProductShape, _ kernels: KernelSet) {
        let strides = Strides(shape)
        let a = seededFloats(strides.a.extent(shape.batch), "a")
        let b = seededFloats(strides.b.extent(shape.batch), "b")
        let bias = shape.hasBias ? seededFloats(shape.n, "bias") : nil
        let start = strides.c.extent(shape.batch)
        let c = shape.accumulates ? seededFloats(start, "c") : unwritten(start)
        let product = MatrixProduct(shape, scratch: Scratch(), kernels: kernels)
        let results = onFloats([a, b, bias ?? [], c]) {
            if shape.packsB { product.pack($0[1]) }
            product.run($0[0], $0[1], bias: bias == nil ? nil : $0[2], into: $0[3])
        }
        // Also what lies between the rows and the matrices of c must stay as it was.
        #expect(firstDifference(results[3], exact(shape, a, b, bias, c)) == nil, "\(shape)")
        #expect(results[0] == a && results[1] == b, "\(shape)")
    }

    static func exact(
        _ shape: ProductShape, _ a: [Float], _ b: [Float], _ bias: [Float]?, _ c: [Float]
    ) -> [Double] {
        let strides = Strides(shape)
        var result = doubles(c)
        for batch in 0..<shape.batch {
            for i in 0..<shape.m {
                for j in 0..<shape.n {
                    let place = strides.c.place(batch, i, j)
                    var sum = shape.accumulates ? result[place] : 0
                    for p in 0..<shape.k {
                        sum += Double(a[strides.a.place(batch, i, p)]) * Double(b[strides.b.place(batch, p, j)])
                    }
                    if let bias { sum += Double(bias[j]) }
                    result[place] = shape.appliesReLU ? max(sum, 0) : sum
                }
            }
        }
        return result
    }

    /// Where the elements of the three operands lie.
    struct Strides {
        struct Operand {
            let (rows, columns): (Int, Int)
            let (batch, row, column): (Int, Int, Int)

            func place(_ b: Int, _ i: Int, _ j: Int) -> Int { b * batch + i * row + j * column }
            func extent(_ count: Int) -> Int { place(count - 1, rows - 1, columns - 1) + 1 }
        }

        let a: Operand
        let b: Operand
        let c: Operand

        init(_ s: ProductShape) {
            func operand(_ rows: Int, _ columns: Int, _ isTransposed: Bool, _ row: Int?, _ batch: Int?) -> Operand {
                let row = row ?? (isTransposed ? rows : columns)
                return Operand(
                    rows: rows, columns: columns, batch: batch ?? rows * columns, row: isTransposed ? 1 : row,
                    column: isTransposed ? row : 1)
            }
            a = operand(s.m, s.k, s.transposesA, s.aRow, s.aBatch)
            b = operand(s.k, s.n, s.transposesB, s.bRow, s.bBatch)
            c = operand(s.m, s.n, false, s.cRow, s.cBatch)
        }
    }
}
