// SPDX-License-Identifier: Apache-2.0
// Unpacks gzip streams of one or more members (RFC 1952) as they are read.

import CZlib

/// The bytes within a gzip stream.
final class InflatingSource: ByteSource {
    private static let inputBytes = 64 * 1024
    /// zlib: 15 is the largest window, +16 asks for the gzip wrapping and its checksum.
    private static let gzipWindow: Int32 = 15 + 16

    private let compressed: any ByteSource
    // zlib keeps a pointer back to the stream, so it needs an address that never moves.
    private let stream: UnsafeMutablePointer<z_stream>
    private let input: UnsafeMutableRawBufferPointer
    private var isWithinMember = true
    private var hasEnded = false

    init(_ compressed: any ByteSource) throws(DataError) {
        self.compressed = compressed
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        input = .allocate(byteCount: Self.inputBytes, alignment: 16)
        let status = inflateInit2_(
            stream, Self.gzipWindow, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard status == Z_OK else { throw Self.damaged("zlib could not start") }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
        input.deallocate()
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(DataError) -> Int {
        guard !hasEnded, buffer.count > 0 else { return 0 }
        let capacity = min(buffer.count, Int(UInt32.max))
        stream.pointee.next_out = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = UInt32(capacity)
        while stream.pointee.avail_out == UInt32(capacity) {
            if stream.pointee.avail_in == 0, try !refill() {
                guard !isWithinMember else { throw Self.damaged("it ends early") }
                hasEnded = true
                return 0
            }
            if !isWithinMember, try !beginMember() { return 0 }
            switch inflate(stream, Z_NO_FLUSH) {
            case Z_OK, Z_BUF_ERROR: break
            case Z_STREAM_END: isWithinMember = false
            default: throw Self.damaged("its checksum or its codes are wrong")
            }
        }
        return capacity - Int(stream.pointee.avail_out)
    }

    private func refill() throws(DataError) -> Bool {
        let count = try compressed.read(into: input)
        stream.pointee.next_in = input.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_in = UInt32(count)
        return count > 0
    }

    /// Starts the next member; false when only zero padding follows, as tapes and some copiers leave.
    private func beginMember() throws(DataError) -> Bool {
        guard let next = stream.pointee.next_in, next.pointee != 0 else {
            hasEnded = true
            return false
        }
        guard inflateReset(stream) == Z_OK else { throw Self.damaged("zlib could not go on") }
        isWithinMember = true
        return true
    }

    private static func damaged(_ reason: String) -> DataError {
        DataError(
            .damagedGzip, "the gzip file is damaged: \(reason)",
            hint: "copy the file again and compare its size or checksum with the original")
    }
}
