// SPDX-License-Identifier: Apache-2.0
// The softmax of attention scores with its masks, against double precision and its central differences.

import Glibc
import Tensors
import Testing

@Suite struct AttentionSoftmaxTests {
    /// What one matrix of scores is made of.
    struct Mask: Sendable {
        let queries: Int
        let keys: Int
        let length: Int
        let isCausal: Bool

        /// Queries and keys end together: the last query sees every key.
        func sees(_ query: Int, _ key: Int) -> Bool {
            key < length && (!isCausal || key <= query + keys - queries)
        }
    }

    private static let masks = [(1, 1), (3, 3), (5, 17), (17, 5), (16, 16), (33, 40), (20, 300)].flatMap { size in
        [size.1, size.1 / 2, 0].flatMap { length in
            [false, true].map { Mask(queries: size.0, keys: size.1, length: length, isCausal: $0) }
        }
    }

    @Test(arguments: masks) func forwardIsTheMaskedSoftmax(_ mask: Mask) {
        for scale in [Float(1), 0.25, -0.5] {
            let s = seededFloats(mask.queries * mask.keys, "s", scale: 5)
            let expected = Self.exact(doubles(s), mask, Double(scale))
            #expect(firstDifference(Self.forward(s, mask, scale), expected) == nil, "scale \(scale)")
        }
    }

    @Test(arguments: masks.filter { $0.keys < 40 }) func backwardIsTheDerivative(_ mask: Mask) {
        let count = mask.queries * mask.keys
        let (s, dp) = (seededFloats(count, "s", scale: 3), seededFloats(count, "dp"))
        let slopes = centralDifferences(at: doubles(s)) { dot(Self.exact($0, mask, 0.5), dp) }
        let ds = onFloats([Self.forward(s, mask, 0.5), dp]) {
            AttentionSoftmax.backward($0[0], gradient: $0[1], queries: mask.queries, keys: mask.keys, scale: 0.5)
        }[1]
        #expect(firstDifference(ds, slopes) == nil)
    }

    @Test func aRowWithoutKeysIsZero() {
        for isCausal in [false, true] {
            // Scores of NaN: a key that does not exist is never read.
            let mask = Mask(queries: 4, keys: 19, length: 0, isCausal: isCausal)
            #expect(Self.forward(unwritten(76), mask, 1) == [Float](repeating: 0, count: 76))
        }
        // Five queries, two keys: the first three see none.
        let causal = Mask(queries: 5, keys: 2, length: 2, isCausal: true)
        #expect(Self.forward([Float](repeating: 1, count: 10), causal, 1) == [0, 0, 0, 0, 0, 0, 1, 0, 0.5, 0.5])
        let infinite = [Float](repeating: -.infinity, count: 17)
        let blind = Self.forward(infinite, Mask(queries: 1, keys: 17, length: 17, isCausal: false), 2)
        #expect(blind == [Float](repeating: 0, count: 17))
    }

    @Test func nanIsSeenOnlyWhereTheKeyIs() {
        let mask = Mask(queries: 3, keys: 20, length: 18, isCausal: true)
        for key in [0, 17, 18, 19] {
            var s = seededFloats(60, "s")
            s[20 + key] = .nan
            let p = Self.forward(s, mask, 1)
            for query in 0..<3 {
                for other in 0..<20 {
                    let isHit = query == 1 && mask.sees(1, key) && mask.sees(1, other)
                    #expect(p[query * 20 + other].isNaN == isHit, "NaN at key \(key), result at \(query), \(other)")
                }
            }
        }
    }

    private static func forward(_ s: [Float], _ mask: Mask, _ scale: Float) -> [Float] {
        onFloats([s]) {
            AttentionSoftmax.forward(
                $0[0], queries: mask.queries, keys: mask.keys, length: mask.length, isCausal: mask.isCausal,
                scale: scale)
        }[0]
    }

    private static func exact(_ s: [Double], _ mask: Mask, _ scale: Double) -> [Double] {
        (0..<mask.queries).flatMap { query in
            let powers = (0..<mask.keys).map { key in
                mask.sees(query, key) ? exp(scale * s[query * mask.keys + key]) : 0
            }
            let sum = powers.reduce(0, +)
            return powers.map { sum == 0 ? 0 : $0 / sum }
        }
    }
}
