// SPDX-License-Identifier: Apache-2.0
// The owned float memory.

import Tensors
import Testing

@Suite struct FloatBufferTests {
    @Test func floatsAreZeroAtFirstAndAfterClearing() {
        for count in [0, 1, 1000] {
            let buffer = FloatBuffer(count: count)
            #expect(buffer.elements.count == count)
            #expect(buffer.elements.allSatisfy { $0 == 0 })
            buffer.elements.update(repeating: 3)
            #expect(buffer.elements.allSatisfy { $0 == 3 })
            buffer.clear()
            #expect(buffer.elements.allSatisfy { $0 == 0 })
        }
    }

    @Test func floatsBeginOnACacheLine() {
        for count in [1, 3, 17] {
            let buffer = FloatBuffer(count: count)
            #expect(UInt(bitPattern: buffer.elements.baseAddress) % 64 == 0)
        }
    }
}
