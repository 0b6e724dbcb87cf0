// SPDX-License-Identifier: Apache-2.0
// The contrastive loss of pairs: each example's two embeddings find each other among the batch.

package import Tensors

/// Cross entropy of the similarities u·v/τ of each example's first embedding with all second ones, where its own is the
/// target; symmetric: the mean of that and of the same the other way round. A mean over examples.
///
/// Shapes: output `[2·width]`, two embeddings one behind the other; they are normalised here to length 1. There is
/// nothing to compare with but the batch: the one target of each example is not read.
/// Source: van den Oord et al. 2018, equation 4 (arXiv:1807.03748); symmetric as Radford et al. 2021, figure 3
/// (arXiv:2103.00020). Each example's loss depends on the others of the batch.
package struct InfoNCE: Loss {
    package static let kind = "infoNCE"
    /// τ, positive.
    package var temperature: Float
    package var isSymmetric: Bool

    package init(temperature: Float = 0.07, isSymmetric: Bool = true) {
        self.temperature = temperature
        self.isSymmetric = isSymmetric
    }

    package var mixesExamples: Bool { true }

    package func targetCount(for output: Shape) throws(ShapeError) -> Int {
        guard output.sizes.count == 1, output.count % 2 == 0 else {
            throw ShapeError("pairs are one row of two embeddings of one width, not \(output)")
        }
        guard temperature > 0, temperature.isFinite else { throw ShapeError("a temperature of \(temperature)") }
        return 1
    }

    package func firstUnfit(targets: Floats, output: Shape) -> Int? { nil }

    package func evaluate(_ z: Floats, targets: Floats, output: Shape, scale: Float, into dz: Floats) -> Double {
        let (n, width) = (z.count / output.count, output.count / 2)
        precondition(targets.count == n && dz.count == z.count, "info nce: shapes disagree")
        // The batch is seen whole, so its memory is made here: embeddings, similarities, their gradients, and the other
        // way.
        let memory = FloatBuffer(count: 4 * n * width + 4 * n * n + 3 * n)
        var used = 0
        func take(_ count: Int) -> Floats {
            defer { used += count }
            return memory.floats[used..<used + count]
        }
        let (u, v, du, dv) = (take(n * width), take(n * width), take(n * width), take(n * width))
        let (s, ds, other, dother) = (take(n * n), take(n * n), take(n * n), take(n * n))
        let (lengths, labels) = (take(2 * n), take(n))
        normalize(z, width: width, u, v, lengths)
        for example in 0..<n { labels[example] = Float(example) }

        // s[i,j] = u[i]·v[j]/τ
        var similarity = ProductShape(m: n, k: width, n: n)
        similarity.transposesB = true
        let scratch = Scratch()
        MatrixProduct(similarity, scratch: scratch, kernels: .portable).run(u, v, into: s)
        s.scale(by: 1 / temperature)
        let terms = SoftmaxCrossEntropyTerms()
        let share: Float = isSymmetric ? 0.5 : 1
        var sum =
            Double(share) * terms.rows(s, classes: n, targets: labels, scale: share * scale / temperature, into: ds)
        if isSymmetric {
            transpose(s, rows: n, columns: n, into: other)
            sum +=
                Double(share)
                * terms.rows(other, classes: n, targets: labels, scale: share * scale / temperature, into: dother)
            transpose(dother, rows: n, columns: n, into: other)
            add(other, to: ds)
        }
        // du[i] = Σⱼ ds[i,j]·v[j]; dv[j] = Σᵢ ds[i,j]·u[i]
        MatrixProduct(ProductShape(m: n, k: n, n: width), scratch: scratch, kernels: .portable).run(ds, v, into: du)
        var transposed = ProductShape(m: n, k: n, n: width)
        transposed.transposesA = true
        MatrixProduct(transposed, scratch: scratch, kernels: .portable).run(ds, u, into: dv)
        backpropagateNormalization(width: width, u, v, du, dv, lengths, into: dz)
        return sum
    }

    /// u = a/|a| and v = b/|b| of the pairs (a, b); a length below 10⁻¹² counts as 10⁻¹².
    private func normalize(_ z: Floats, width: Int, _ u: Floats, _ v: Floats, _ lengths: Floats) {
        for row in 0..<lengths.count {
            let target = (row % 2 == 0 ? u : v).rows(row / 2..<row / 2 + 1, width: width)
            let source = z.rows(row..<row + 1, width: width)
            lengths[row] = max(Float(sumOfSquares(source).squareRoot()), 1e-12)
            target.copy(from: source)
            target.scale(by: 1 / lengths[row])
        }
    }

    /// u = a/|a|: da = (du − u·(u·du))/|a|.
    private func backpropagateNormalization(
        width: Int, _ u: Floats, _ v: Floats, _ du: Floats, _ dv: Floats, _ lengths: Floats, into dz: Floats
    ) {
        for row in 0..<lengths.count {
            let place = row / 2..<row / 2 + 1
            let unit = (row % 2 == 0 ? u : v).rows(place, width: width)
            let target = dz.rows(row..<row + 1, width: width)
            target.copy(from: (row % 2 == 0 ? du : dv).rows(place, width: width))
            add(-Float(dot(unit, target)), times: unit, to: target)
            target.scale(by: 1 / lengths[row])
        }
    }

    /// The embeddings, each of length 1.
    package func predict(_ z: Floats, output: Shape) {
        let width = output.count / 2
        for row in 0..<z.count / width {
            let embedding = z.rows(row..<row + 1, width: width)
            embedding.scale(by: 1 / max(Float(sumOfSquares(embedding).squareRoot()), 1e-12))
        }
    }
}
