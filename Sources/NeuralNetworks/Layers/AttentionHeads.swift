// SPDX-License-Identifier: Apache-2.0
// Scaled dot-product attention of one example, all heads in one call, forward and backward.

import Tensors

/// One of q, k, v, or its gradient, for one example: the heads side by side within rows that may hold more.
struct HeadRows {
    /// The rows from the first value of the first head.
    let values: Floats
    /// How far apart two rows lie.
    let stride: Int
}

/// c = softmax(q·kᵀ/√d + mask)·v by head, d being the width of a head.
///
/// Shapes: q and c `[queries, heads·d]`, k and v `[keys, heads·d]`, probabilities `[heads, queries, keys]`.
/// Source: Vaswani et al. 2017, section 3.2, equation 1 (arXiv:1706.03762).
final class AttentionHeads {
    private let heads: Int
    private let queries: Int
    private let keys: Int
    private let isCausal: Bool
    private let scale: Float
    private let scoreProduct: MatrixProduct
    private let contextProduct: MatrixProduct
    /// The products of the backward direction; nil in inference.
    private let gradientProducts: GradientProducts?
    /// One example's dropped probabilities, and its gradient of the scores: slots would hold the whole share's.
    private let dropped: FloatBuffer
    private let scoreGradients: FloatBuffer

    /// How many of what there are, and how far apart the rows of q, and those of k and v, lie.
    struct Sizes {
        var heads: Int
        var headWidth: Int
        var queries: Int
        var keys: Int
        var queryStride: Int
        var keyStride: Int
    }

    /// The products that give the gradients of p, q, k and v.
    private struct GradientProducts {
        let probabilities: MatrixProduct
        let queries: MatrixProduct
        let keys: MatrixProduct
        let values: MatrixProduct
    }

    init(_ sizes: Sizes, isCausal: Bool, dropsOut: Bool, _ context: OperationContext) {
        let isTraining = context.isTraining
        let (width, contextWidth) = (sizes.headWidth, sizes.heads * sizes.headWidth)
        (heads, queries, keys) = (sizes.heads, sizes.queries, sizes.keys)
        self.isCausal = isCausal
        scale = 1 / Float(width).squareRoot()
        func product(
            _ m: Int, _ k: Int, _ n: Int, a: Int?, b: Int, c: Int?, transposesA: Bool = false, transposesB: Bool = false
        ) -> MatrixProduct {
            var shape = ProductShape(m: m, k: k, n: n)
            shape.batch = sizes.heads
            (shape.transposesA, shape.transposesB) = (transposesA, transposesB)
            // Heads lie `width` apart within rows; matrices of probabilities one behind the other.
            (shape.aRow, shape.bRow, shape.cRow) = (a, b, c)
            (shape.aBatch, shape.bBatch, shape.cBatch) = (a.map { _ in width }, width, c.map { _ in width })
            return MatrixProduct(
                shape, scratch: context.scratch, kernels: context.kernels, precision: context.precision)
        }
        let (q, k) = (sizes.queryStride, sizes.keyStride)
        scoreProduct = product(queries, width, keys, a: q, b: k, c: nil, transposesB: true)
        contextProduct = product(queries, keys, width, a: nil, b: k, c: contextWidth)
        gradientProducts =
            isTraining
            ? GradientProducts(
                probabilities: product(queries, width, keys, a: contextWidth, b: k, c: nil, transposesB: true),
                queries: product(queries, keys, width, a: nil, b: k, c: q),
                keys: product(keys, queries, width, a: nil, b: q, c: k, transposesA: true),
                values: product(keys, queries, width, a: nil, b: contextWidth, c: k, transposesA: true)) : nil
        dropped = FloatBuffer(count: isTraining && dropsOut ? sizes.heads * sizes.queries * sizes.keys : 0)
        scoreGradients = FloatBuffer(count: isTraining ? sizes.heads * sizes.queries * sizes.keys : 0)
    }

    /// Values of one example's probabilities.
    var probabilityCount: Int { heads * queries * keys }

    var implementations: [String] {
        let products =
            [scoreProduct, contextProduct]
            + (gradientProducts.map { [$0.probabilities, $0.queries, $0.keys, $0.values] } ?? [])
        return products.compactMap(\.implementation)
    }

    /// Writes the probabilities, before dropout.
    ///
    /// - Parameter length: The keys that exist; where there are none, the probabilities are zero.
    func attend(_ q: HeadRows, _ k: HeadRows, length: Int, into probabilities: Floats) {
        // s[h,i,j] = Σ_d q[i,h,d]·k[j,h,d]
        scoreProduct.run(q.values, k.values, into: probabilities)
        // p[h,i,·] = softmax of s[h,i,·]/√d over the keys that exist and, when causal, do not come later
        for head in 0..<heads {
            AttentionSoftmax.forward(
                probabilities.rows(head..<head + 1, width: queries * keys), queries: queries, keys: keys,
                length: length, isCausal: isCausal, scale: scale)
        }
    }

    /// Writes c, from the probabilities.
    func gather(_ v: HeadRows, dropout: ExampleDropout?, probabilities: Floats, into c: Floats) {
        // c[i,h,d] = Σⱼ mask·p[h,i,j]·v[j,h,d]
        contextProduct.run(masked(probabilities, dropout), v.values, into: c)
    }

    /// Overwrites the gradients of q, k and v.
    func backward(
        _ q: HeadRows, _ k: HeadRows, _ v: HeadRows, dropout: ExampleDropout?, probabilities: Floats,
        gradient dc: Floats, into dq: HeadRows, _ dk: HeadRows, _ dv: HeadRows
    ) {
        guard let products = gradientProducts else { preconditionFailure("backward in inference") }
        let ds = scoreGradients.floats
        // c[i,h,d] = Σⱼ mask·p[h,i,j]·v[j,h,d]: dv[j,h,d] = Σᵢ mask·p[h,i,j]·dc[i,h,d]
        products.values.run(masked(probabilities, dropout), dc, into: dv.values)
        // the same line: dp[h,i,j] = mask·Σ_d dc[i,h,d]·v[j,h,d]
        products.probabilities.run(dc, v.values, into: ds)
        dropout?.apply(ds, into: ds)
        // p = softmax of s/√d: ds = p·(dp − Σⱼ dp·p)/√d
        AttentionSoftmax.backward(probabilities, gradient: ds, queries: heads * queries, keys: keys, scale: scale)
        // s[h,i,j] = Σ_d q[i,h,d]·k[j,h,d]: dq[i,h,d] = Σⱼ ds[h,i,j]·k[j,h,d], dk[j,h,d] = Σᵢ ds[h,i,j]·q[i,h,d]
        products.queries.run(ds, k.values, into: dq.values)
        products.keys.run(ds, q.values, into: dk.values)
    }

    private func masked(_ probabilities: Floats, _ dropout: ExampleDropout?) -> Floats {
        guard let dropout else { return probabilities }
        dropout.apply(probabilities, into: dropped.floats)
        return dropped.floats
    }
}

/// The dropout mask of one example's values, made again from its place in the batch.
struct ExampleDropout {
    let mask: DropoutMask
    let firstElement: Int

    /// y = mask·x; y may be x.
    func apply(_ x: Floats, into y: Floats) { mask.apply(x, firstElement: firstElement, into: y) }
}
