// SPDX-License-Identifier: Apache-2.0
// The bytes of a file of which any part can be read, and an archive's errors that name it.

import Foundation

/// A file that is read at places, or bytes in memory.
final class PlacedBytes {
    private enum Storage {
        case descriptor(Int32)
        case memory([UInt8])
    }

    /// How errors call it.
    let name: String
    let byteCount: Int
    private let storage: Storage

    init(_ input: TableInput) throws(DataError) {
        switch input {
        case .memory(let bytes, _):
            name = "in memory"
            byteCount = bytes.count
            storage = .memory(bytes)
        case .file(let path):
            name = path
            let descriptor = open(path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw Self.unreadable(path, errno) }
            var status = stat()
            guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
                close(descriptor)
                throw DataError(.unreadableFile, "\(path) is not a file", hint: "name a file, not a folder or device")
            }
            byteCount = Int(status.st_size)
            storage = .descriptor(descriptor)
        }
    }

    deinit {
        if case .descriptor(let descriptor) = storage { close(descriptor) }
    }

    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// - Precondition: they lie within the file as it was when it was opened.
    func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(DataError) {
        precondition(offset >= 0 && offset <= byteCount - buffer.count, "\(buffer.count) bytes from \(offset)")
        switch storage {
        case .memory(let bytes): buffer.copyBytes(from: bytes[offset..<offset + buffer.count])
        case .descriptor(let descriptor):
            var filled = 0
            while filled < buffer.count {
                let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
                let count = pread(descriptor, rest.baseAddress, rest.count, off_t(offset + filled))
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else { throw Self.unreadable(name, errno) }
                guard count > 0 else { throw damaged("it became shorter while it was read") }
                filled += count
            }
        }
    }

    /// The bytes of `range`. Precondition as ``read(at:into:)``.
    func bytes(_ range: Range<Int>) throws(DataError) -> [UInt8] {
        try [UInt8].filled(range.count) { buffer throws(DataError) in
            try read(at: range.lowerBound, into: buffer)
        }
    }

    // MARK: Errors

    private static func unreadable(_ path: String, _ code: Int32) -> DataError {
        DataError(
            .unreadableFile, "cannot read \(path): \(String(cString: strerror(code)))",
            hint: "check the path and the file's permissions")
    }

    func damaged(_ reason: String) -> DataError {
        DataError(
            .damagedArchive, "the archive \(name) is damaged: \(reason)",
            hint: "copy the file again and compare its checksum with the original, or save it again with numpy.savez")
    }

    func unsupported(_ reason: String, hint: String) -> DataError {
        DataError(.unsupportedArchive, "the archive \(name) cannot be read: \(reason)", hint: hint)
    }

    func tooLarge(_ reason: String) -> DataError {
        DataError(
            .archiveTooLarge, "the archive \(name) is too large: \(reason)",
            hint: "divide it into several files; if the file is trusted, raise the limit")
    }
}

/// Reads a part of an archive in order.
final class PlacedSource: ByteSource {
    private let file: PlacedBytes
    private var rest: Range<Int>

    init(_ file: PlacedBytes, _ range: Range<Int>) {
        self.file = file
        rest = range
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(DataError) -> Int {
        let count = min(buffer.count, rest.count)
        try file.read(at: rest.lowerBound, into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]))
        rest = rest.lowerBound + count..<rest.upperBound
        return count
    }
}

extension [UInt8] {
    /// `count` bytes that `fill` writes.
    static func filled(
        _ count: Int, _ fill: (UnsafeMutableRawBufferPointer) throws(DataError) -> Void
    ) throws(DataError) -> [UInt8] {
        var failure: DataError?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            buffer.initialize(repeating: 0)
            do throws(DataError) { try fill(UnsafeMutableRawBufferPointer(buffer)) } catch { failure = error }
            initialized = count
        }
        if let failure { throw failure }
        return bytes
    }

    /// The little-endian number of two bytes at `offset`.
    func number16(at offset: Int) -> Int { Int(self[offset]) | Int(self[offset + 1]) << 8 }

    /// The little-endian number of four bytes at `offset`.
    func number32(at offset: Int) -> Int { number16(at: offset) | number16(at: offset + 2) << 16 }
}
