// SPDX-License-Identifier: Apache-2.0
// Writing a model so that after a power cut the old file is there or the new one, never a part.

import Foundation
import Glibc

extension ModelFile {
    /// Writes a model file: the same arguments give the same bytes.
    ///
    /// Durable when it returns: a temporary file in the same folder is written and synced, renamed over `path`, and the
    /// folder synced. Only the owner may read it.
    /// Shapes: the shapes' products add up to `parameters.count`.
    /// - Throws: ``ModelFileError`` with the code `inputOutput`; `path` is then as it was.
    /// - Precondition: As for ``SafetensorsHeader/headerBytes(tensors:metadata:)``, and the shapes fit.
    package static func write(
        to path: String, metadata: [String: String], tensors: [(name: String, shape: [Int])], parameters: [Float]
    ) throws {
        let expected = tensors.reduce(0) { $0 + $1.shape.reduce(1, *) }
        precondition(expected == parameters.count, "\(parameters.count) parameters for shapes of \(expected)")
        try replaceFile(at: path) { descriptor in
            let header = SafetensorsHeader.headerBytes(tensors: tensors, metadata: metadata)
            try header.withUnsafeBytes { try writeAll($0, to: descriptor) }
            try forEachLittleEndianChunk(of: parameters) { try writeAll($0, to: descriptor) }
        }
    }

    /// The whole file in memory, as ``write(to:metadata:tensors:parameters:)`` would write it.
    package static func bytes(
        metadata: [String: String], tensors: [(name: String, shape: [Int])], parameters: [Float]
    ) -> [UInt8] {
        var bytes = SafetensorsHeader.headerBytes(tensors: tensors, metadata: metadata)
        bytes.reserveCapacity(bytes.count + 4 * parameters.count)
        forEachLittleEndianChunk(of: parameters) { bytes += $0 }
        return bytes
    }

    private static func forEachLittleEndianChunk(
        of parameters: [Float], _ body: (UnsafeRawBufferPointer) throws -> Void
    ) rethrows {
        #if _endian(little)
        try parameters.withUnsafeBytes(body)
        #else
        for parameter in parameters {
            try withUnsafeBytes(of: parameter.bitPattern.littleEndian, body)
        }
        #endif
    }

    private static func replaceFile(at path: String, _ write: (Int32) throws -> Void) throws {
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        let temporary = "\(path).\(UUID().uuidString).partial"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure("create a temporary model file") }
        var isRenamed = false
        defer {
            if !isRenamed { unlink(temporary) }
        }
        do {
            defer { close(descriptor) }
            try write(descriptor)
            guard fsync(descriptor) == 0 else { throw failure("sync the model file") }
        }
        guard rename(temporary, path) == 0 else { throw failure("rename the model file") }
        isRenamed = true
        let folderDescriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folderDescriptor >= 0 else { throw failure("open the model file's folder") }
        defer { close(folderDescriptor) }
        guard fsync(folderDescriptor) == 0 else { throw failure("sync the model file's folder") }
    }

    private static func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let written = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if written < 0 && errno == EINTR { continue }
            guard written > 0 else { throw failure("write the model file") }
            rest = rest.dropFirst(written)
        }
    }

    private static func failure(_ action: String) -> ModelFileError {
        ModelFileError(
            .inputOutput, "cannot \(action): \(String(cString: strerror(errno)))",
            hint: "check the folder's free space and permissions")
    }
}
