// SPDX-License-Identifier: Apache-2.0
// Attention and fixed positions in plain loops and double precision.

import Foundation
import NeuralNetworks

enum ReferenceAttention {
    /// sin and cos of t/10000^(2i/width), in pairs.
    static func positions(steps: Int, width: Int) -> [Double] {
        (0..<steps).flatMap { step in
            (0..<width).map { feature in
                let angle = angle(step, feature, width)
                return feature % 2 == 0 ? sin(angle) : cos(angle)
            }
        }
    }

    private static func angle(_ step: Int, _ feature: Int, _ width: Int) -> Double {
        Double(step) / pow(10_000, Double(feature / 2 * 2) / Double(width))
    }

    /// Every step's answer from the first `keys` steps of the memory.
    ///
    /// Shapes: x `[queries, width]`, memory `[steps, width]`, p: the weights and biases of q, k, v and of the output.
    static func attend(
        _ layer: MultiHeadAttention, _ x: [Double], _ memory: [Double], keys: Int, width: Int, _ p: [[Double]]
    ) -> [Double] {
        let (queries, size) = (x.count / width, width / layer.heads)
        /// The projection of one row for one head: part 0, 1, 2 for q, k, v.
        func project(_ part: Int, _ rows: [Double], _ row: Int, _ head: Int) -> [Double] {
            let values = (0..<size).map { feature -> Double in
                let unit = part * width + head * size + feature
                return (0..<width).reduce(p[1][unit]) { $0 + rows[row * width + $1] * p[0][unit * width + $1] }
            }
            guard layer.isRotary, part < 2 else { return values }
            return values.indices.map { feature in
                let angle = angle(row, feature, size)
                let partner = feature % 2 == 0 ? -values[feature + 1] : values[feature - 1]
                return values[feature] * cos(angle) + partner * sin(angle)
            }
        }
        var attended = [Double](repeating: 0, count: x.count)
        for head in 0..<layer.heads {
            let (k, v) = (
                (0..<keys).map { project(1, memory, $0, head) }, (0..<keys).map { project(2, memory, $0, head) }
            )
            for query in 0..<queries {
                let q = project(0, x, query, head)
                let seen = layer.isCausal ? min(keys, query + 1) : keys
                let weights = (0..<seen).map { key in
                    exp(zip(q, k[key]).reduce(0) { $0 + $1.0 * $1.1 } / Double(size).squareRoot())
                }
                let total = weights.reduce(0, +)
                for key in 0..<seen {
                    for feature in 0..<size {
                        attended[query * width + head * size + feature] += weights[key] / total * v[key][feature]
                    }
                }
            }
        }
        return (0..<queries).flatMap { query in
            (0..<width).map { unit in
                (0..<width).reduce(p[3][unit]) { $0 + attended[query * width + $1] * p[2][unit * width + $1] }
            }
        }
    }
}
