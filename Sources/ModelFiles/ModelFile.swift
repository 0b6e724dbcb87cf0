// SPDX-License-Identifier: Apache-2.0
// A model on disk: safetensors with float32 tensors that together are the flat vector of parameters.

package import Foundation
import Glibc

/// The description of a model file; its parameters are read apart, whole or chunk by chunk.
///
/// Invariant: every tensor is float32 and they cover the data in order, so the data is the flat parameter vector.
package struct ModelFile: Hashable, Sendable {
    package let metadata: [String: String]
    /// The tensors in the order of the flat vector.
    package let tensors: [TensorEntry]
    /// Where the first float begins, in bytes from the start of the file.
    package let dataStart: Int
    /// All floats of all tensors.
    package let floatCount: Int

    /// Accepts a header whose tensors are all float32.
    ///
    /// - Throws: ``ModelFileError`` with the code `unsupportedType` otherwise.
    package init(_ header: SafetensorsHeader) throws {
        if let index = header.tensors.firstIndex(where: { $0.type != .float32 }) {
            throw ModelFileError(
                .unsupportedType, "tensor \(index) is not float32", hint: "export the model with 32-bit floats")
        }
        metadata = header.metadata
        tensors = header.tensors
        dataStart = header.dataStart
        floatCount = header.dataByteCount / 4
    }

    /// Reads the description of a file held in memory.
    ///
    /// - Throws: ``ModelFileError`` for anything but a valid file, whole and with nothing after it.
    package init(bytes: [UInt8]) throws {
        let count = try SafetensorsHeader.headerByteCount(prefix: bytes.prefix(8), fileByteCount: bytes.count)
        try self.init(SafetensorsHeader(parsing: bytes[8..<8 + count], fileByteCount: bytes.count))
    }

    /// Reads the description of the file at `path`, and nothing of its parameters.
    ///
    /// - Throws: ``ModelFileError`` for anything but a valid file, whole and with nothing after it.
    package static func read(_ path: String) throws -> ModelFile {
        try withFile(path) { file, size in try describe(file, size: size) }
    }

    /// Reads the description and the parameters of the file at `path`.
    ///
    /// - Parameter spare: an array that is needed no more; its memory is used again when it has the right length.
    /// - Throws: ``ModelFileError`` for anything but a valid file, whole and with nothing after it.
    package static func readWithParameters(
        _ path: String, reusing spare: consuming [Float] = []
    ) throws -> (model: ModelFile, parameters: [Float]) {
        var parameters = spare
        let model = try withFile(path) { file, size in
            let model = try describe(file, size: size)
            if parameters.count != model.floatCount { parameters = [Float](repeating: 0, count: model.floatCount) }
            // Little-endian floats are their own form in the file; Kernels refuses to compile anywhere else.
            try parameters.withUnsafeMutableBytes { try fill($0, from: file) }
            return model
        }
        return (model, parameters)
    }

    /// Hands the raw bytes of the parameters to `body`, in order, at most `largestByteCount` at a time.
    ///
    /// The file is described again first, so that a file replaced in between is noticed.
    /// - Parameter largestByteCount: A positive multiple of 4.
    /// - Throws: ``ModelFileError``, also when the file no longer is the one described; what `body` throws.
    package func forEachChunk(
        at path: String, largestByteCount: Int = 1 << 20, _ body: (Data) throws -> Void
    ) throws {
        try Self.withFile(path) { file, size in
            guard try Self.describe(file, size: size) == self else {
                throw ModelFileError(.wrongLength, "the model file has changed", hint: "read it again")
            }
            try forEachChunk(of: file, largestByteCount: largestByteCount, body)
        }
    }

    /// The parameters of a file held in memory.
    ///
    /// - Throws: ``ModelFileError`` when `bytes` is not the file described.
    package func parameters(in bytes: [UInt8]) throws -> [Float] {
        guard bytes.count == dataStart + 4 * floatCount else {
            throw ModelFileError(
                .wrongLength, "the file has \(bytes.count) bytes, \(dataStart + 4 * floatCount) expected")
        }
        return Self.floats(littleEndian: bytes[dataStart...])
    }

    /// The floats whose little-endian bytes are given, bit for bit.
    ///
    /// - Precondition: The number of bytes is a multiple of 4.
    package static func floats(littleEndian bytes: some ContiguousBytes) -> [Float] {
        bytes.withUnsafeBytes { raw in
            precondition(raw.count % 4 == 0, "\(raw.count) bytes are no whole number of floats")
            return [Float](unsafeUninitializedCapacity: raw.count / 4) { floats, count in
                for i in 0..<raw.count / 4 {
                    let bits = raw.loadUnaligned(fromByteOffset: 4 * i, as: UInt32.self)
                    floats[i] = Float(bitPattern: UInt32(littleEndian: bits))
                }
                count = raw.count / 4
            }
        }
    }

    private static func withFile<Result>(
        _ path: String, _ body: (FileHandle, Int) throws -> Result
    ) throws -> Result {
        do {
            let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
            defer { try? file.close() }
            let size = try file.seekToEnd()
            try file.seek(toOffset: 0)
            return try body(file, Int(clamping: size))
        } catch let error as CocoaError {
            throw ModelFileError(
                .inputOutput, "the model file cannot be read: code \(error.code.rawValue)",
                hint: "check that it exists and that this user may read it")
        }
    }

    /// Reads from where the file stands until `buffer` is full.
    private static func fill(_ buffer: UnsafeMutableRawBufferPointer, from file: FileHandle) throws {
        var rest = buffer[...]
        while !rest.isEmpty {
            let piece = UnsafeMutableRawBufferPointer(rebasing: rest)
            let count = Glibc.read(file.fileDescriptor, piece.baseAddress, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                throw ModelFileError(.truncated, "the file ends \(rest.count) bytes before its parameters do")
            }
            rest = rest[(rest.startIndex + count)...]
        }
    }

    private static func describe(_ file: FileHandle, size: Int) throws -> ModelFile {
        let prefix = try file.read(upToCount: 8) ?? Data()
        let count = try SafetensorsHeader.headerByteCount(prefix: prefix, fileByteCount: size)
        let header = [UInt8](try file.read(upToCount: count) ?? Data())
        guard header.count == count else { throw ModelFileError(.truncated, "the file ends inside its header") }
        return try ModelFile(SafetensorsHeader(parsing: header[...], fileByteCount: size))
    }

    /// - Precondition: `file` stands at ``dataStart``.
    private func forEachChunk(
        of file: FileHandle, largestByteCount: Int, _ body: (Data) throws -> Void
    ) throws {
        precondition(largestByteCount > 0 && largestByteCount % 4 == 0, "chunks of \(largestByteCount) bytes")
        var left = 4 * floatCount
        while left > 0 {
            let wanted = min(left, largestByteCount)
            guard let chunk = try file.read(upToCount: wanted), chunk.count == wanted else {
                throw ModelFileError(.truncated, "the file ends \(left) bytes before its parameters do")
            }
            try body(chunk)
            left -= wanted
        }
    }
}
