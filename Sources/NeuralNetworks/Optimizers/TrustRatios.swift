// SPDX-License-Identifier: Apache-2.0
// LAMB's factor for every tensor, from norms that workers take block by block.

import Tensors

/// The trust ratios ‖w‖ / ‖r + λ·w‖ of the tensors, where each sum of squares is kept by blocks.
///
/// Source: You et al. 2020, Algorithm 2 (arXiv:1904.00962); the ratio is 1 where either norm is zero, as in the
/// authors' code.
final class TrustRatios {
    /// The places of the blocks in the flat vector; a block lies in one tensor, and none in a frozen one.
    let blocks: [Range<Int>]
    /// For each tensor its place, and its blocks.
    private let tensors: [(range: Range<Int>, blocks: Range<Int>)]
    /// For each block Σ w² and Σ (r + λ·w)².
    private let squares: FloatBuffer

    init(_ slices: [ParameterSlice]) {
        var (blocks, tensors): ([Range<Int>], [(Range<Int>, Range<Int>)]) = ([], [])
        var end = 0
        for slice in slices {
            precondition(slice.offset == end, "a gap before \(slice.name)")
            let range = slice.offset..<slice.offset + slice.count
            end = range.upperBound
            guard !slice.isFrozen else { continue }
            let first = blocks.count
            for start in stride(from: range.lowerBound, to: range.upperBound, by: VectorBlocks.size) {
                blocks.append(start..<min(start + VectorBlocks.size, range.upperBound))
            }
            tensors.append((range, first..<blocks.count))
        }
        (self.blocks, self.tensors) = (blocks, tensors)
        squares = FloatBuffer(count: 2 * blocks.count)
    }

    func record(weights: Double, steps: Double, of block: Int) {
        squares.floats[2 * block] = Float(weights)
        squares.floats[2 * block + 1] = Float(steps)
    }

    /// Calls `body` with the part of each tensor that lies in `range`, and the tensor's ratio.
    func forEachTensor(in range: Range<Int>, _ body: (_ part: Range<Int>, _ ratio: Double) -> Void) {
        for index in tensors.indices where tensors[index].range.overlaps(range) {
            body(tensors[index].range.clamped(to: range), ratio(tensors[index].blocks))
        }
    }

    private func ratio(_ blocks: Range<Int>) -> Double {
        var (weights, steps) = (0.0, 0.0)
        for block in blocks {
            weights += Double(squares.floats[2 * block])
            steps += Double(squares.floats[2 * block + 1])
        }
        return weights == 0 || steps == 0 ? 1 : (weights / steps).squareRoot()
    }
}
