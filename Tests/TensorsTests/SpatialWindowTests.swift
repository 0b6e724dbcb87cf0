// SPDX-License-Identifier: Apache-2.0
// The positions of a window, against sliding it.

import Tensors
import Testing

@Suite struct SpatialWindowTests {
    @Test func outputIsAsOftenAsTheWindowFits() {
        for input in 1...9 {
            for kernel in 1...4 {
                for stride in 1...3 {
                    for dilation in 1...3 {
                        for (before, after) in [(0, 0), (1, 0), (0, 2), (3, 3)] {
                            let reach = (kernel - 1) * dilation
                            let starts = Swift.stride(from: -before, to: input + after - reach, by: stride)
                            let count = starts.reduce(0) { count, _ in count + 1 }
                            guard count > 0 else { continue }
                            let window = SpatialWindow(
                                input: [input], kernel: [kernel], stride: [stride], dilation: [dilation],
                                padBefore: [before], padAfter: [after])
                            #expect(window.output == [count], "\(window)")
                        }
                    }
                }
            }
        }
    }

    @Test func positionsMultiply() {
        let window = SpatialWindow(
            input: [4, 5, 6], kernel: [2, 3, 1], stride: [1, 2, 3], dilation: [1, 1, 1], padBefore: [0, 1, 0],
            padAfter: [0, 1, 0])
        #expect(window.output == [3, 3, 2])
        #expect(window.rank == 3 && window.inputPositions == 120)
        #expect(window.kernelPositions == 6 && window.outputPositions == 18)
    }
}
