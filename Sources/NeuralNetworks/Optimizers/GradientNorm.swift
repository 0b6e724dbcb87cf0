// SPDX-License-Identifier: Apache-2.0
// The length of a whole gradient, measured by several workers, and the factor that clips it.

package import Tensors

/// How vectors are cut where a sum must not depend on who adds up which part.
enum VectorBlocks {
    /// Floats in a block: 64 KiB.
    static let size = 16_384

    static func count(_ floats: Int) -> Int { (floats + size - 1) / size }
}

/// ‖g‖₂ over the parameters that are not frozen, in blocks of a fixed size: workers measure blocks as they like, and the norm has the same
/// bits.
package final class GradientNorm {
    private let count: Int
    /// What each block measures: itself, but for what is frozen.
    private let pieces: [[Range<Int>]]
    /// Σ g² of each block.
    private let squares: FloatBuffer

    /// - Parameters:
    ///   - count: The parameters.
    ///   - frozen: Parts without a gradient, in order.
    package init(count: Int, excluding frozen: [Range<Int>] = []) {
        self.count = count
        pieces = (0..<VectorBlocks.count(count)).map { block in
            let range = block * VectorBlocks.size..<min((block + 1) * VectorBlocks.size, count)
            var (pieces, start): ([Range<Int>], Int) = ([], range.lowerBound)
            for part in frozen where part.overlaps(range) {
                if part.lowerBound > start { pieces.append(start..<part.lowerBound) }
                start = min(part.upperBound, range.upperBound)
            }
            if start < range.upperBound { pieces.append(start..<range.upperBound) }
            return pieces
        }
        squares = FloatBuffer(count: VectorBlocks.count(count))
    }

    package var blockCount: Int { squares.count }

    /// Measures some of the blocks. Shapes: g `[count]`, all of it.
    package func measure(_ g: Floats, blocks: Range<Int>) {
        precondition(g.count == count, "a gradient of \(g.count) for a norm over \(count)")
        for block in blocks {
            squares.floats[block] = Float(pieces[block].reduce(0) { $0 + sumOfSquares(g[$1]) })
        }
    }

    /// The norm, after every block was measured.
    package var norm: Double { sum(squares.floats).squareRoot() }

    /// What the gradient is multiplied with so that its norm is at most `limit`: min(1, limit/(norm + 10⁻⁶)).
    ///
    /// Source: torch.nn.utils.clip_grad_norm_ (Pascanu et al. 2013, Algorithm 1, arXiv:1211.5063). A norm that is NaN
    /// gives NaN, so that a broken gradient shows.
    package static func clippingFactor(norm: Double, limit: Double) -> Float {
        let factor = limit / (norm + 1e-6)
        return factor >= 1 ? 1 : Float(factor)
    }
}
