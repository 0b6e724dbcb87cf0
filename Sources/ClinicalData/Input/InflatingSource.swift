// SPDX-License-Identifier: Apache-2.0
// Unpacks gzip streams of one or more members (RFC 1952), and bare deflated ones (RFC 1951), as they are read.

import CZlib

/// The bytes within a compressed stream.
final class InflatingSource: ByteSource {
    /// What is around the deflated bytes.
    enum Form {
        case gzip
        /// Nothing, as in a ZIP file. One stream, after which nothing may follow; an error says `subject` is damaged.
        case bare(subject: String)

        /// zlib: 15 is the largest window, +16 asks for the gzip wrapping and its checksum, minus for none at all.
        fileprivate var window: Int32 {
            switch self {
            case .gzip: 15 + 16
            case .bare: -15
            }
        }
    }

    private static let inputBytes = 64 * 1024

    private let form: Form
    private let compressed: any ByteSource
    // zlib keeps a pointer back to the stream, so it needs an address that never moves.
    private let stream: UnsafeMutablePointer<z_stream>
    private let input: UnsafeMutableRawBufferPointer
    private var isWithinMember = true
    private var hasEnded = false

    init(_ compressed: any ByteSource, form: Form = .gzip) throws(DataError) {
        self.form = form
        self.compressed = compressed
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        input = .allocate(byteCount: Self.inputBytes, alignment: 16)
        let status = inflateInit2_(
            stream, form.window, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard status == Z_OK else { throw damaged("zlib could not start") }
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
                guard !isWithinMember else { throw damaged("it ends early") }
                hasEnded = true
                return 0
            }
            if !isWithinMember, try !beginMember() { return 0 }
            switch inflate(stream, Z_NO_FLUSH) {
            case Z_OK, Z_BUF_ERROR: break
            case Z_STREAM_END: isWithinMember = false
            default: throw damaged("its checksum or its codes are wrong")
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
        if case .bare = form { throw damaged("something follows its end") }
        guard let next = stream.pointee.next_in, next.pointee != 0 else {
            hasEnded = true
            return false
        }
        guard inflateReset(stream) == Z_OK else { throw damaged("zlib could not go on") }
        isWithinMember = true
        return true
    }

    private func damaged(_ reason: String) -> DataError {
        switch form {
        case .gzip:
            DataError(
                .damagedGzip, "the gzip file is damaged: \(reason)",
                hint: "copy the file again and compare its size or checksum with the original")
        case .bare(let subject):
            DataError(
                .damagedArchive, "\(subject) is damaged: \(reason)",
                hint: "copy the file again and compare its size or checksum with the original")
        }
    }
}
