// SPDX-License-Identifier: Apache-2.0
// The shape of one example at an edge of a model.

/// The sizes of one example's values, the batch left out: `[features]`, `[time, features]` or `[channels, spatial…]`.
package struct Shape: Hashable, Sendable, CustomStringConvertible {
    package let sizes: [Int]
    /// Whether the values are token numbers, 32-bit integers, rather than floats.
    package let holdsTokens: Bool

    package init(_ sizes: [Int], holdsTokens: Bool = false) {
        precondition(!sizes.isEmpty && sizes.allSatisfy { $0 > 0 }, "the shape \(sizes)")
        self.sizes = sizes
        self.holdsTokens = holdsTokens
    }

    /// `length` token numbers.
    package static func tokens(_ length: Int) -> Shape { Shape([length], holdsTokens: true) }

    /// Values per example.
    package var count: Int { sizes.reduce(1, *) }

    /// The product of sizes that nobody has checked; nil past the largest Int.
    static func count(of sizes: [Int]) -> Int? {
        var count = 1
        for size in sizes {
            let (product, overflows) = count.multipliedReportingOverflow(by: size)
            guard !overflows else { return nil }
            count = product
        }
        return count
    }

    /// Whether there are channels and at least two spatial dimensions.
    var isSpatial: Bool { sizes.count >= 3 }

    package var description: String {
        "[\(sizes.map(String.init).joined(separator: ", "))]" + (holdsTokens ? " of tokens" : "")
    }
}

/// Why a layer does not accept its inputs, and what it would accept.
package struct ShapeError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The layer's name in the model.
    package var layer: String
    package let problem: String

    package init(_ problem: String) {
        layer = ""
        self.problem = problem
    }

    /// For a block, which knows its name.
    init(_ layer: String, _ problem: String) {
        self.layer = layer
        self.problem = problem
    }

    package var description: String { "layer \(layer): \(problem)" }
}
