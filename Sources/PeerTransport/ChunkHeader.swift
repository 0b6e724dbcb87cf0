// SPDX-License-Identifier: Apache-2.0
// The twelve bytes in front of the data of a chunk frame.

package import NIOCore

/// Says which bulk transfer a chunk belongs to and where in it the data starts (`protocol/framing.md` §3).
///
/// Shapes: on the wire a 4-byte stream id and an 8-byte offset, both big-endian, then the data.
package struct ChunkHeader: Sendable, Hashable {
    /// Bytes of the header on the wire.
    package static let byteCount = 12

    /// Which of the connection's bulk transfers; the protocol above gives the numbers out.
    package var streamID: UInt32
    /// Position of the first data byte in the transfer, in bytes.
    package var offset: UInt64

    /// Creates a header.
    package init(streamID: UInt32, offset: UInt64) {
        self.streamID = streamID
        self.offset = offset
    }

    /// Takes the header off the front of a chunk frame's payload, leaving the data.
    ///
    /// - Returns: Nothing when the payload is shorter than a header.
    package init?(readingFrom payload: inout ByteBuffer) {
        guard let (streamID, offset) = payload.readMultipleIntegers(as: (UInt32, UInt64).self) else { return nil }
        self.init(streamID: streamID, offset: offset)
    }

    /// Appends the header; the data follows it.
    package func write(into payload: inout ByteBuffer) {
        payload.writeMultipleIntegers(streamID, offset)
    }
}

extension Frame {
    /// Copies `data` behind a header into a chunk frame.
    package static func chunk(_ header: ChunkHeader, data: some Collection<UInt8>) -> Frame {
        var payload = ByteBufferAllocator().buffer(capacity: ChunkHeader.byteCount + data.count)
        header.write(into: &payload)
        payload.writeBytes(data)
        return Frame(kind: .chunk, payload: payload)
    }
}
