// SPDX-License-Identifier: Apache-2.0
// Cuts a stream of bytes into frames and refuses everything else before it costs memory.

package import NIOCore

/// Why a stream of bytes is not a stream of frames.
package enum FrameError: Error, Equatable, Sendable {
    /// A frame claims a length of zero, which leaves no room for its kind.
    case zeroLength
    /// The kind is none of ``Frame/Kind``.
    case unknownKind(UInt8)
    /// A frame claims more payload than its kind may have.
    case payloadTooLarge(byteCount: Int, limit: Int)
    /// The stream ended inside a frame, this many bytes after the frame's begin.
    case truncated(byteCount: Int)
}

/// Decodes frames (`protocol/framing.md` §2).
///
/// Takes in every byte it is given and keeps what it has of an unfinished frame in a buffer of that frame's own. So the
/// buffer it reads from is never held on to: the TLS handler can decrypt into the same memory again, and a small frame
/// does not pin a large read. (NIO's own accumulation of unfinished messages made one fresh mapping per read, which
/// cost a third of the throughput in page faults.)
///
/// Nothing is allocated from a claimed length: a frame's buffer grows with the bytes that arrive, and a frame that
/// claims too much is refused as soon as its length can be read.
package struct FrameDecoder: NIOSingleStepByteToMessageDecoder {
    package typealias InboundOut = Frame

    private let limits: FrameLimits
    /// Up to five bytes of a header that is not complete.
    private var header = ByteBuffer()
    /// The frame whose header is complete, and how many bytes of payload it will have.
    private var unfinished: (frame: Frame, payloadByteCount: Int)?
    private var recycler = BufferRecycler()

    /// Creates a decoder that refuses payloads above `limits`.
    package init(limits: FrameLimits) {
        self.limits = limits
    }

    /// Takes bytes up to the end of one frame, or all of them when its end has not arrived.
    ///
    /// - Throws: ``FrameError`` for every stream that is not a stream of frames; the decoder is then of no more use.
    package mutating func decode(buffer: inout ByteBuffer) throws -> Frame? {
        if unfinished == nil {
            guard let (kind, payloadByteCount) = try readHeader(&buffer) else { return nil }
            unfinished = (Frame(kind: kind, payload: recycler.take(for: payloadByteCount)), payloadByteCount)
        }
        return readPayload(&buffer)
    }

    /// Takes the last frames once the stream has ended.
    ///
    /// - Throws: ``FrameError/truncated(byteCount:)`` when bytes of an unfinished frame remain.
    package mutating func decodeLast(buffer: inout ByteBuffer, seenEOF: Bool) throws -> Frame? {
        if let frame = try decode(buffer: &buffer) { return frame }
        let payload = unfinished.map { Frame.headerByteCount + $0.frame.payload.readableBytes }
        let held = payload ?? header.readableBytes
        guard held == 0 else { throw FrameError.truncated(byteCount: held) }
        return nil
    }

    /// Memory that the unfinished frame occupies, in bytes; it follows what has arrived, not what was claimed.
    package var unfinishedCapacity: Int { unfinished?.frame.payload.capacity ?? 0 }

    /// Gives memory back that is kept for frames to come.
    mutating func releaseSpareMemory() { recycler = BufferRecycler() }

    /// Reads length and kind in front of a frame; refuses them as early as the bytes at hand allow.
    private mutating func readHeader(
        _ buffer: inout ByteBuffer
    ) throws(FrameError) -> (kind: Frame.Kind, payloadByteCount: Int)? {
        while let byte = buffer.readInteger(as: UInt8.self) {
            header.writeInteger(byte)
            guard let length = header.getInteger(at: header.readerIndex, as: UInt32.self) else { continue }
            guard length > 0 else { throw .zeroLength }
            let payloadByteCount = Int(length) - 1
            try check(payloadByteCount, against: limits.largestPayloadByteCount)
            guard header.readableBytes == Frame.headerByteCount else { continue }
            header.clear()
            guard let kind = Frame.Kind(rawValue: byte) else { throw .unknownKind(byte) }
            try check(payloadByteCount, against: limits.payloadByteCount(of: kind))
            return (kind, payloadByteCount)
        }
        return nil
    }

    private mutating func readPayload(_ buffer: inout ByteBuffer) -> Frame? {
        // Moved out, so that its buffer has one owner while it grows.
        guard let (header, payloadByteCount) = unfinished.take() else { return nil }
        var frame = header
        let missing = payloadByteCount - frame.payload.readableBytes
        let available = min(missing, buffer.readableBytes)
        if var piece = buffer.readSlice(length: available) { frame.payload.writeBuffer(&piece) }
        guard available == missing else {
            unfinished = (frame, payloadByteCount)
            return nil
        }
        recycler.keep(frame.payload)
        return frame
    }

    private func check(_ byteCount: Int, against limit: Int) throws(FrameError) {
        guard byteCount <= limit else { throw .payloadTooLarge(byteCount: byteCount, limit: limit) }
    }
}
