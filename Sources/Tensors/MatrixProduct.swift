// SPDX-License-Identifier: Apache-2.0
// Matrix products of layers: which kernel multiplies, chosen once by size.

import COneDNN
import Kernels

/// The shapes of c = f(a·b + bias), for `batch` matrices of each.
///
/// a is `[m, k]` or, transposed, stored `[k, m]`; b `[k, n]` or stored `[n, k]`; c `[m, n]`. The `…Row` numbers say how
/// far apart two stored rows lie, the `…Batch` numbers two matrices, in floats; nil: dense.
package struct ProductShape: Hashable, Sendable {
    package var batch = 1
    package var m: Int
    package var k: Int
    package var n: Int
    package var transposesA = false
    package var transposesB = false
    package var aRow: Int?
    package var bRow: Int?
    package var cRow: Int?
    package var aBatch: Int?
    package var bBatch: Int?
    package var cBatch: Int?
    package var hasBias = false
    /// c += a·b instead of c = a·b; before the activation.
    package var accumulates = false
    package var appliesReLU = false
    /// b is packed once by ``MatrixProduct/pack(_:)`` and used until the next call: for weights used many times.
    package var packsB = false

    package init(m: Int, k: Int, n: Int) {
        self.m = m
        self.k = k
        self.n = n
    }

    /// Multiplications and additions.
    package var operations: Int { 2 * batch * m * k * n }
    var aRowStride: Int { aRow ?? (transposesA ? m : k) }
    var bRowStride: Int { bRow ?? (transposesB ? k : n) }
    var cRowStride: Int { cRow ?? n }
    var aBatchStride: Int { aBatch ?? m * k }
    var bBatchStride: Int { bBatch ?? k * n }
    var cBatchStride: Int { cBatch ?? m * n }
    /// Floats from the first to behind the last element of each operand.
    var aExtent: Int {
        (batch - 1) * aBatchStride + (transposesA ? (k - 1) * aRowStride + m : (m - 1) * aRowStride + k)
    }
    var bExtent: Int {
        (batch - 1) * bBatchStride + (transposesB ? (n - 1) * bRowStride + k : (k - 1) * bRowStride + n)
    }
    var cExtent: Int { (batch - 1) * cBatchStride + (m - 1) * cRowStride + n }
}

/// One product with fixed shapes, and the kernel that was chosen for it.
///
/// Small products run in this project's own loop, large ones in oneDNN: below about two million operations the library's
/// call and blocking cost more than they gain.
package final class MatrixProduct {
    package let shape: ProductShape
    private let scratch: Scratch
    private let primitive: Primitive?
    /// In which type the primitive reads a and b.
    private let precision: Precision
    private var packed = FloatBuffer(count: 0)
    private var isPacked = false

    /// Below this many operations the own loop is used.
    package static let smallestLibraryProduct = 2_000_000

    /// - Parameter precision: bfloat16 holds for products that the library computes.
    /// - Precondition: Every dimension is positive.
    package init(
        _ shape: ProductShape, scratch: Scratch, kernels: KernelSet, precision: Precision = .float32
    ) {
        precondition(shape.batch > 0 && shape.m > 0 && shape.k > 0 && shape.n > 0, "an empty product")
        self.shape = shape
        self.scratch = scratch
        let usesLibrary = kernels == .fastest && (shape.operations >= Self.smallestLibraryProduct || shape.packsB)
        func make(_ precision: Precision) -> Primitive? {
            usesLibrary ? Self.makePrimitive(shape, precision, scratch: scratch) : nil
        }
        if precision == .bfloat16, let primitive = make(.bfloat16), !primitive.isReference {
            (self.primitive, self.precision) = (primitive, .bfloat16)
        } else {
            (self.primitive, self.precision) = (make(.float32), .float32)
        }
        if shape.packsB, let primitive {
            packed = FloatBuffer(count: (primitive.packedByteCount + 3) / 4)
        }
    }

    /// The library's name of its implementation; nil for the own loop.
    package var implementation: String? { primitive?.implementation }

    /// Takes b over for the following runs, when the shape says that b is packed.
    package func pack(_ b: Floats) {
        precondition(shape.packsB && b.count >= shape.bExtent, "product: b is too short to pack")
        isPacked = true
        if let primitive {
            unsafe primitive.pack(b, into: UnsafeMutableRawPointer(packed.floats.start))
        }
    }

    /// c = f(a·b + bias). With a packed b, `b` must be what ``pack(_:)`` was given.
    ///
    /// - Parameter copies: Where the bfloat16 forms of a and b are kept for other products that read them.
    package func run(
        _ a: Floats, _ b: Floats, copies: (a: Bfloat16Copy?, b: Bfloat16Copy?) = (nil, nil), bias: Floats? = nil,
        into c: Floats
    ) {
        precondition(
            isPacked == shape.packsB && a.count >= shape.aExtent && b.count >= shape.bExtent && c.count >= shape.cExtent
                && (bias?.count ?? 0) == (shape.hasBias ? shape.n : 0), "product: shapes disagree")
        guard let primitive else { return runOwnLoop(a, b, bias, c) }
        if precision == .float32 {
            let second = unsafe shape.packsB ? packed.floats.start : b.start
            unsafe primitive.run(a.start, second, bias?.start, c.start)
        } else {
            let first = unsafe copies.a?.start(of: a) ?? scratch.operands.0.convert(a[0..<shape.aExtent])
            let second =
                unsafe shape.packsB
                ? UnsafeMutableRawPointer(packed.floats.start)
                : copies.b?.start(of: b) ?? scratch.operands.1.convert(b[0..<shape.bExtent])
            unsafe primitive.run(first, second, bias?.start, c.start)
        }
    }

    private func runOwnLoop(_ a: Floats, _ b: Floats, _ bias: Floats?, _ c: Floats) {
        let s = shape
        let (aRow, aColumn) = s.transposesA ? (1, s.aRowStride) : (s.aRowStride, 1)
        let (bRow, bColumn) = s.transposesB ? (1, s.bRowStride) : (s.bRowStride, 1)
        for batch in 0..<s.batch {
            let (x, y) = unsafe (a.start + batch * s.aBatchStride, b.start + batch * s.bBatchStride)
            let target = unsafe c.start + batch * s.cBatchStride
            if let bias, !s.accumulates {
                for row in 0..<s.m { unsafe (target + row * s.cRowStride).update(from: bias.start, count: s.n) }
            }
            unsafe consilium_matmul_strided(
                s.m, s.k, s.n, x, aRow, aColumn, y, bRow, bColumn, target, s.cRowStride, s.accumulates || s.hasBias)
            if let bias, s.accumulates {
                for row in 0..<s.m { unsafe consilium_axpy(s.n, 1, bias.start, target + row * s.cRowStride) }
            }
            if s.appliesReLU {
                for row in 0..<s.m {
                    unsafe ActivationFunction.relu.forward(
                        Floats(start: target + row * s.cRowStride, count: s.n),
                        into: Floats(start: target + row * s.cRowStride, count: s.n))
                }
            }
        }
    }

    private static func makePrimitive(_ s: ProductShape, _ precision: Precision, scratch: Scratch) -> Primitive? {
        var request = consilium_dnn_matmul()
        (request.a_type, request.w_type, request.c_type) = (precision.code, precision.code, Precision.float32.code)
        (request.batch, request.m, request.k, request.n) = (Int64(s.batch), Int64(s.m), Int64(s.k), Int64(s.n))
        (request.a_batch, request.w_batch) = (Int64(s.aBatchStride), Int64(s.bBatchStride))
        (request.c_batch, request.c_row) = (Int64(s.cBatchStride), Int64(s.cRowStride))
        (request.a_row, request.a_column) =
            s.transposesA ? (1, Int64(s.aRowStride)) : (Int64(s.aRowStride), 1)
        (request.w_row, request.w_column) =
            s.transposesB ? (1, Int64(s.bRowStride)) : (Int64(s.bRowStride), 1)
        request.has_bias = s.hasBias
        request.accumulate = s.accumulates
        request.activation = s.appliesReLU ? Int32(CONSILIUM_DNN_RELU.rawValue) : Int32(CONSILIUM_DNN_LINEAR.rawValue)
        request.packs_w = s.packsB
        return unsafe Primitive(consilium_dnn_make_matmul(&request), scratch: scratch)
    }
}

/// Products that differ in one dimension only, the number of rows in a batch, made as they are first needed.
package final class ProductFamily {
    private let shape: (Int) -> ProductShape
    private let scratch: Scratch
    private let kernels: KernelSet
    private let precision: Precision
    private var members: [(count: Int, product: MatrixProduct)] = []

    package init(
        scratch: Scratch, kernels: KernelSet, precision: Precision = .float32,
        shape: @escaping (_ count: Int) -> ProductShape
    ) {
        self.shape = shape
        self.scratch = scratch
        self.kernels = kernels
        self.precision = precision
    }

    /// The product for `count` rows.
    package func callAsFunction(_ count: Int) -> MatrixProduct {
        for member in members where member.count == count { return member.product }
        let product = MatrixProduct(shape(count), scratch: scratch, kernels: kernels, precision: precision)
        members.append((count, product))
        return product
    }

    /// The library's names for the members so far.
    package var implementations: [String] { members.compactMap(\.product.implementation) }
}
