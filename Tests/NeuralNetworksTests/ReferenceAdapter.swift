// SPDX-License-Identifier: Apache-2.0
// Weights with what their adapters add, in plain loops and double precision.

import NeuralNetworks

enum ReferenceAdapter {
    /// W + (alpha/rank)·up·down, in these rows of W.
    ///
    /// - Parameter tensors: down `[rank, inputs]` and up `[rows, rank]`.
    static func sum(_ weight: [Double], _ tensors: ArraySlice<[Double]>, _ adapter: Adapter, rows: Range<Int>)
        -> [Double]
    {
        let (down, up) = (tensors[tensors.startIndex], tensors[tensors.startIndex + 1])
        let inputs = down.count / adapter.rank
        var sum = weight
        for (place, row) in rows.enumerated() {
            for i in 0..<inputs {
                for k in 0..<adapter.rank {
                    sum[row * inputs + i] +=
                        adapter.alpha / Double(adapter.rank) * up[place * adapter.rank + k] * down[k * inputs + i]
                }
            }
        }
        return sum
    }

    /// The four tensors of attention with the adapters of its projections in them.
    static func attention(_ layer: MultiHeadAttention, _ p: [[Double]], width: Int) -> [[Double]] {
        guard let adapter = layer.adapter else { return p }
        var (tensors, next) = (Array(p[..<4]), 4)
        for (block, projection) in [AttentionProjection.query, .key, .value, .output].enumerated()
        where adapter.projections.contains(projection) {
            let (weight, first) = block < 3 ? (0, block * width) : (2, 0)
            tensors[weight] = sum(tensors[weight], p[next...], adapter.adapter, rows: first..<first + width)
            next += 2
        }
        return tensors
    }
}
