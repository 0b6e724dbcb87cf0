// SPDX-License-Identifier: Apache-2.0
// Runs of floats and integers, and the scratch memory of a worker.

import Tensors
import Testing

@Suite struct FloatsTests {
    @Test func slicesShareTheirMemory() {
        let results = onFloats([[0, 1, 2, 3, 4, 5]]) { memory in
            let middle = memory[0][2..<5]
            #expect(middle.count == 3 && middle.array == [2, 3, 4])
            #expect(middle[0] == 2 && middle[2] == 4)
            middle[1] = 30
            let last = memory[0].rows(2..<3, width: 2)
            #expect(last.array == [4, 5])
            last.fill(with: 7)
            memory[0][0..<2].copy(from: middle[0..<2])
            #expect(memory[0][6..<6].array.isEmpty)
        }
        #expect(results[0] == [2, 30, 2, 30, 7, 7])
    }

    @Test func slicesOfIntegersShareTheirMemory() {
        var values: [Int32] = [1, 2, 3, 4]
        values.withUnsafeMutableBufferPointer { buffer in
            guard let start = buffer.baseAddress else { preconditionFailure("no integers") }
            let slice = Integers(start: start, count: 4)[1..<3]
            #expect(slice.count == 2 && slice[0] == 2 && slice[1] == 3)
            slice[1] = -5
        }
        #expect(values == [1, 2, -5, 4])
    }

    @Test func aBufferIsARunOfFloats() {
        let buffer = FloatBuffer(count: 5)
        buffer.floats[3] = 8
        #expect(buffer.floats.count == 5)
        #expect(Array(buffer.elements) == [0, 0, 0, 8, 0])
    }

    @Test func scratchIsTheLargestRequest() {
        let scratch = Scratch()
        #expect(scratch.byteCount == 0)
        scratch.reserve(bytes: 100)
        scratch.reserve(floats: 1000)
        scratch.reserve(floats: 10)
        #expect(scratch.byteCount == 4000)
        let floats = scratch.floats(1000)
        #expect(floats.count == 1000 && UInt(bitPattern: floats.start) % 64 == 0)
        floats.fill(with: 1)
        // A smaller request moves nothing.
        scratch.reserve(bytes: 4000)
        #expect(scratch.floats(10).start == floats.start)
    }
}
