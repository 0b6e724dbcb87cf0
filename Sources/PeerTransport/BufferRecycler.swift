// SPDX-License-Identifier: Apache-2.0
// Uses the memory of large payloads again once their reader has dropped them.

import NIOCore

/// A few buffers that were given out and may come back.
///
/// It keeps a second reference to each; a buffer whose other references are gone is free. Payloads of bulk transfers
/// would otherwise be fresh memory each, whose pages the kernel has to clear.
struct BufferRecycler {
    /// Buffers below this come cheap from the allocator.
    private static let smallestByteCount = 16 << 10
    /// Bounds the memory one connection keeps.
    private static let largestTotal = 192 << 10

    private var spares = CircularBuffer<ByteBuffer>()
    private var total = 0

    /// An empty buffer for a payload that will have `byteCount` bytes.
    mutating func take(for byteCount: Int) -> ByteBuffer {
        guard byteCount >= Self.smallestByteCount else { return ByteBuffer() }
        for index in spares.indices {
            guard spares[index].modifyIfUniquelyOwned({ $0.clear() }) != nil else { continue }
            let buffer = spares.remove(at: index)
            total -= buffer.capacity
            return buffer
        }
        return ByteBuffer()
    }

    /// Remembers a buffer that is about to be given out.
    mutating func keep(_ buffer: ByteBuffer) {
        guard buffer.capacity >= Self.smallestByteCount else { return }
        spares.append(buffer)
        total += buffer.capacity
        while total > Self.largestTotal { total -= spares.removeFirst().capacity }
    }
}
