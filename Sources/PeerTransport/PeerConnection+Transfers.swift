// SPDX-License-Identifier: Apache-2.0
// Control payloads as bytes, and bulk data cut into chunk frames from any source that can be read at an offset.

import NIOCore

extension Frame {
    /// A control frame with these bytes as payload.
    package init(controlBytes bytes: [UInt8]) {
        self.init(kind: .control, payload: ByteBuffer(bytes: bytes))
    }

    /// The payload of a control frame.
    package var controlBytes: [UInt8] { Array(payload.readableBytesView) }
}

extension PeerConnection {
    /// Sends the bytes `offset ..< byteCount` of a transfer as chunk frames, with the connection's backpressure.
    ///
    /// - Parameters:
    ///   - chunkBytes: data in one frame, at most ``FrameLimits/chunkDataByteCount``.
    ///   - read: fills the buffer with the bytes at the offset, wholly.
    /// - Returns: The number of bytes sent.
    /// - Throws: what `read` or ``send(_:)`` throws; `CancellationError` between chunks.
    package func sendTransfer(
        stream: UInt32, from offset: Int, byteCount: Int, chunkBytes: Int = (64 << 10) - ChunkHeader.byteCount,
        read: (_ offset: Int, _ buffer: UnsafeMutableRawBufferPointer) throws -> Void
    ) async throws -> Int {
        var position = offset
        while position < byteCount {
            try Task.checkCancellation()
            let count = min(chunkBytes, byteCount - position)
            var payload = ByteBufferAllocator().buffer(capacity: ChunkHeader.byteCount + count)
            ChunkHeader(streamID: stream, offset: UInt64(position)).write(into: &payload)
            try payload.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { buffer in
                try read(position, UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]))
                return count
            }
            try await send(Frame(kind: .chunk, payload: payload))
            position += count
        }
        return byteCount - offset
    }
}
