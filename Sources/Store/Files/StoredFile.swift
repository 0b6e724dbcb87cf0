// SPDX-License-Identifier: Apache-2.0
// A finished file of the vault and the reading of it, piece by piece.

package import Federation
import Glibc

/// A complete file under its final name.
package struct StoredFile: Hashable, Sendable {
    /// What a database keeps of it.
    package let saved: SavedFile
    package let path: String

    package var byteCount: Int { saved.byteCount }
    package var digest: Digest { saved.digest }

    /// The reference under which a round task names the file.
    package func reference(_ name: String) -> BlobReference {
        BlobReference(name: name, digest: digest, byteCount: byteCount)
    }

    /// Opens the file.
    ///
    /// - Throws: ``StoreError`` `missing`; `wrongLength` when it is not as long as it was.
    package func reader() throws -> FileReader {
        let file = try OpenFile(path, flags: O_RDONLY)
        guard try file.byteCount() == byteCount else { throw StoreError.wrongLength(path) }
        return FileReader(file: file, byteCount: byteCount)
    }

    /// Waits until content and name are on the device.
    ///
    /// - Throws: ``StoreError`` `missing`, `ioFailure`, `diskFull`.
    package func makeDurable() throws {
        try OpenFile(path, flags: O_RDONLY).sync()
        let end = path.lastIndex(of: "/") ?? path.startIndex
        try OpenFile.syncFolder(String(path[..<end]))
    }

    /// Reads the whole file and compares its digest.
    ///
    /// - Throws: ``StoreError`` `wrongDigest`, and those of ``reader()``.
    package func verify() throws {
        var hasher = BlobHasher()
        try reader().forEachPiece { hasher.update($0) }
        guard hasher.finish() == digest else {
            throw StoreError(
                .wrongDigest, "\(path) is not what it was when it was stored",
                hint: "restore it from a backup and check the device")
        }
    }
}

/// An open file. Any number of threads may read from it at once.
package final class FileReader: Sendable {
    private let file: OpenFile
    package let byteCount: Int

    private static let pieceBytes = 256 << 10

    init(file: OpenFile, byteCount: Int) {
        self.file = file
        self.byteCount = byteCount
    }

    /// Fills `buffer` with the bytes at `offset`.
    ///
    /// - Throws: ``StoreError`` `wrongLength` when the file ends before the buffer is full.
    package func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws {
        guard try file.read(into: buffer, at: offset) == buffer.count else { throw StoreError.wrongLength(file.path) }
    }

    /// The byte at `offset`.
    package func byte(at offset: Int) throws -> UInt8 {
        var byte: UInt8 = 0
        try withUnsafeMutableBytes(of: &byte) { try read(at: offset, into: $0) }
        return byte
    }

    /// `count` little-endian floats at the byte `offset`.
    package func floats(at offset: Int, count: Int) throws -> [Float] {
        try [Float](unsafeUninitializedCapacity: count) { buffer, initializedCount in
            try read(at: offset, into: UnsafeMutableRawBufferPointer(buffer))
            initializedCount = count
        }
    }

    /// Hands over the whole file in order, in pieces of at most 256 KiB that are valid during the call only.
    package func forEachPiece(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(1, min(Self.pieceBytes, byteCount)), alignment: 64)
        defer { buffer.deallocate() }
        var offset = 0
        while offset < byteCount {
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(buffer.count, byteCount - offset)])
            try read(at: offset, into: piece)
            try body(UnsafeRawBufferPointer(piece))
            offset += piece.count
        }
    }
}

extension StoreError {
    static func wrongLength(_ path: String) -> StoreError {
        StoreError(
            .wrongLength, "\(path) is not as long as it was when it was stored",
            hint: "restore it from a backup; somebody or something changed it")
    }
}
