// SPDX-License-Identifier: Apache-2.0
// Where the bytes of a table come from: a file, or memory.

import Foundation

/// The bytes of a table, which can be opened more than once.
package enum TableInput: Hashable, Sendable {
    case file(path: String)
    /// Hands out at most `blockBytes` bytes at a time. Requires `blockBytes > 0`.
    case memory([UInt8], blockBytes: Int)

    /// The size as stored; `nil` when it cannot be told.
    var byteCount: Int? {
        switch self {
        case .memory(let bytes, _): return bytes.count
        case .file(let path):
            var status = stat()
            return stat(path, &status) == 0 ? Int(status.st_size) : nil
        }
    }

    func open() throws(DataError) -> any ByteSource {
        switch self {
        case .file(let path): try FileSource(path: path)
        case .memory(let bytes, let blockBytes): MemorySource(bytes: bytes, blockBytes: blockBytes)
        }
    }
}

/// A stream of bytes that is read once, front to back.
protocol ByteSource: AnyObject {
    /// Fills the front of `buffer` and returns how many bytes; 0 only at the end or for an empty buffer.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(DataError) -> Int
}

extension ByteSource {
    /// Reads until `buffer` is full or the stream ends.
    func fill(_ buffer: UnsafeMutableRawBufferPointer) throws(DataError) -> Int {
        var filled = 0
        while filled < buffer.count {
            let count = try read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]))
            if count == 0 { break }
            filled += count
        }
        return filled
    }

    /// The first `limit` bytes, fewer when the stream is shorter.
    func prefix(_ limit: Int) throws(DataError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: limit)
        var failure: DataError?
        let count = bytes.withUnsafeMutableBytes { buffer in
            do throws(DataError) { return try fill(buffer) } catch {
                failure = error
                return 0
            }
        }
        if let failure { throw failure }
        bytes.removeLast(limit - count)
        return bytes
    }
}

/// Reads a file in order.
final class FileSource: ByteSource {
    private let descriptor: Int32
    private let path: String

    init(path: String) throws(DataError) {
        self.path = path
        descriptor = Foundation.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw DataError(
                .unreadableFile, "cannot open the table \(path): \(String(cString: strerror(errno)))",
                hint: "check the path in the mapping and the file's permissions")
        }
    }

    deinit { close(descriptor) }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(DataError) -> Int {
        while true {
            let count = Foundation.read(descriptor, buffer.baseAddress, buffer.count)
            if count >= 0 { return count }
            if errno == EINTR { continue }
            throw DataError(
                .unreadableFile, "cannot read the table \(path): \(String(cString: strerror(errno)))",
                hint: "check that the path names a file on a working disk")
        }
    }
}

/// Reads bytes in memory in pieces of a given size.
final class MemorySource: ByteSource {
    private let bytes: [UInt8]
    private let blockBytes: Int
    private var offset = 0

    init(bytes: [UInt8], blockBytes: Int) {
        precondition(blockBytes > 0, "a block holds at least one byte")
        self.bytes = bytes
        self.blockBytes = blockBytes
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(buffer.count, blockBytes, bytes.count - offset)
        buffer.copyBytes(from: bytes[offset..<offset + count])
        offset += count
        return count
    }
}

/// Puts bytes that were read ahead back in front of a source.
final class PrefixedSource: ByteSource {
    private let prefix: MemorySource
    private let rest: any ByteSource

    init(prefix: [UInt8], rest: any ByteSource) {
        self.prefix = MemorySource(bytes: prefix, blockBytes: max(1, prefix.count))
        self.rest = rest
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(DataError) -> Int {
        let count = prefix.read(into: buffer)
        return count > 0 ? count : try rest.read(into: buffer)
    }
}
