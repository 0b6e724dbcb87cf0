// SPDX-License-Identifier: Apache-2.0
// One frame: the unit that every connection sends and receives whole.

package import NIOCore

/// A length-delimited unit of bytes with a kind, as `protocol/framing.md` §2 defines it.
///
/// Shapes: on the wire a frame is 4 bytes of length, 1 byte of kind and the payload.
package struct Frame: Sendable, Equatable {
    /// What the payload is; an unknown value on the wire ends the connection.
    package enum Kind: UInt8, Sendable, CaseIterable {
        /// A message of the protocol above.
        case control = 1
        /// A piece of a bulk transfer that starts with a ``ChunkHeader``.
        case chunk = 2
    }

    /// What the payload is.
    package var kind: Kind
    /// The bytes; the transport never looks into them.
    package var payload: ByteBuffer

    /// Creates a frame; the connection checks the payload against its ``TransportLimits`` when it sends.
    package init(kind: Kind, payload: ByteBuffer) {
        self.kind = kind
        self.payload = payload
    }
}

extension Frame {
    /// Bytes in front of the payload: length (4) and kind (1).
    package static let headerByteCount = 5

    /// Bytes this frame occupies on the wire.
    package var wireByteCount: Int { Self.headerByteCount + payload.readableBytes }

    /// Appends length and kind, the part in front of the payload (`protocol/framing.md` §2).
    ///
    /// - Precondition: the payload is shorter than 4 GiB.
    func writeHeader(into buffer: inout ByteBuffer) {
        let length = UInt32(payload.readableBytes + 1)
        buffer.writeMultipleIntegers(length, kind.rawValue)
    }

    /// Appends the whole frame.
    package func write(into buffer: inout ByteBuffer) {
        writeHeader(into: &buffer)
        buffer.writeImmutableBuffer(payload)
    }
}
