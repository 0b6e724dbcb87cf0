// SPDX-License-Identifier: Apache-2.0
// The header of a chunk is twelve bytes, big-endian.

import NIOCore
import PeerTransport
import Testing

@Suite struct ChunkHeaderTests {
    @Test func itIsStreamThenOffsetBigEndian() {
        var payload = ByteBuffer()
        ChunkHeader(streamID: 0x0102_0304, offset: 0x0506_0708_090a_0b0c).write(into: &payload)
        #expect(Array(payload.readableBytesView) == Array(1...12))
    }

    @Test func readingLeavesTheData() {
        var frame = Frame.chunk(ChunkHeader(streamID: 7, offset: 65_536), data: [0xde, 0xad])
        #expect(frame.kind == .chunk)
        #expect(ChunkHeader(readingFrom: &frame.payload) == ChunkHeader(streamID: 7, offset: 65_536))
        #expect(Array(frame.payload.readableBytesView) == [0xde, 0xad])
    }

    @Test func aShortPayloadIsNoHeader() {
        for count in 0..<ChunkHeader.byteCount {
            var payload = ByteBuffer(repeating: 0xff, count: count)
            #expect(ChunkHeader(readingFrom: &payload) == nil)
        }
    }
}
