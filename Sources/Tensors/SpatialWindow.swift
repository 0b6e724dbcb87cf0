// SPDX-License-Identifier: Apache-2.0
// The window of a convolution or a pooling over one to three spatial dimensions.

import Kernels

/// Output position o covers the inputs o·stride − padBefore + i·dilation for 0 ≤ i < kernel, in each dimension.
package struct SpatialWindow: Hashable, Sendable {
    package let input: [Int]
    package let kernel: [Int]
    package let stride: [Int]
    package let dilation: [Int]
    package let padBefore: [Int]
    package let padAfter: [Int]
    /// The positions of the output in each dimension.
    package let output: [Int]

    /// - Precondition: One to three dimensions, all arrays of that length, and an output of at least one position.
    package init(
        input: [Int], kernel: [Int], stride: [Int], dilation: [Int], padBefore: [Int], padAfter: [Int]
    ) {
        precondition((1...3).contains(input.count), "\(input.count) spatial dimensions")
        self.input = input
        self.kernel = kernel
        self.stride = stride
        self.dilation = dilation
        self.padBefore = padBefore
        self.padAfter = padAfter
        output = input.indices.map {
            let covered = (kernel[$0] - 1) * dilation[$0] + 1
            let room = input[$0] + padBefore[$0] + padAfter[$0] - covered
            return room < 0 ? 0 : room / stride[$0] + 1
        }
        precondition(output.allSatisfy { $0 > 0 }, "a window larger than its input")
    }

    package var rank: Int { input.count }
    package var inputPositions: Int { input.reduce(1, *) }
    package var outputPositions: Int { output.reduce(1, *) }
    package var kernelPositions: Int { kernel.reduce(1, *) }

    /// The window as the portable kernels take it: three dimensions, the unused ones first.
    var portable: consilium_window {
        func sizes(_ values: [Int], _ filler: Int) -> (Int, Int, Int) {
            let padded = Array(repeating: filler, count: 3 - values.count) + values
            return (padded[0], padded[1], padded[2])
        }
        return consilium_window(
            in: sizes(input, 1), out: sizes(output, 1), kernel: sizes(kernel, 1), stride: sizes(stride, 1),
            dilation: sizes(dilation, 1), pad: sizes(padBefore, 0))
    }

    /// The values of one property as the shim takes them: the used dimensions first.
    static func shim(_ values: [Int]) -> (Int64, Int64, Int64) {
        let padded = values.map { Int64($0) } + [Int64](repeating: 1, count: 3 - values.count)
        return (padded[0], padded[1], padded[2])
    }
}
