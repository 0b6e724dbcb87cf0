// SPDX-License-Identifier: Apache-2.0
// Files that hold a secret: written whole with mode 0600 in a folder of mode 0700, refused when others may read them.

import Foundation
import Glibc

/// Reading and writing of key files. No message repeats what is in them.
package enum SecretFile {
    package struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
        package let message: String
        package let hint: String

        package init(_ message: String, hint: String) {
            self.message = message
            self.hint = hint
        }

        package var description: String { "\(message) (\(hint))" }
    }

    private static let largestByteCount = 1 << 24

    /// Makes a folder of mode 0700, durable when this returns, or checks that one is accessible to its owner only.
    package static func prepareFolder(_ path: String) throws {
        if mkdir(path, 0o700) == 0 { return syncFolder(of: path) }
        var status = stat()
        guard errno == EEXIST, stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw Failure("cannot make the folder \(path)", hint: "check that its parent exists and may be written")
        }
        guard status.st_mode & 0o077 == 0, status.st_uid == geteuid() else {
            throw Failure(
                "the folder \(path) is accessible to others than its owner",
                hint: "chmod 700 \(path), and chown it to us")
        }
    }

    /// Replaces the file in one step; durable when it returns.
    package static func write(_ bytes: [UInt8], to path: String) throws { try write(bytes, to: path, mode: 0o600) }

    /// Likewise, for a file that others may read.
    package static func writePublic(_ bytes: [UInt8], to path: String) throws {
        try write(bytes, to: path, mode: 0o644)
    }

    private static func write(_ bytes: [UInt8], to path: String, mode: mode_t) throws {
        let fresh = path + ".new"
        unlink(fresh)
        let descriptor = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode)
        guard descriptor >= 0 else { throw cannotWrite(path) }
        var isWritten = fchmod(descriptor, mode) == 0
        var rest = bytes[...]
        while isWritten, !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            isWritten = count > 0
            rest = rest.dropFirst(max(count, 0))
        }
        isWritten = isWritten && fsync(descriptor) == 0
        isWritten = close(descriptor) == 0 && isWritten
        guard isWritten, rename(fresh, path) == 0 else {
            unlink(fresh)
            throw cannotWrite(path)
        }
        syncFolder(of: path)
    }

    /// The bytes of a file that only its owner may read.
    package static func read(_ path: String) throws -> [UInt8] { try read(path, isSecret: true) }

    /// The bytes of a file that others may read.
    package static func readPublic(_ path: String) throws -> [UInt8] { try read(path, isSecret: false) }

    /// Removes the file if it is there.
    package static func remove(_ path: String) { unlink(path) }

    package static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    private static func read(_ path: String, isSecret: Bool) throws -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw Failure("cannot open \(path)", hint: "check that it exists and that we may read it")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
            status.st_size <= largestByteCount
        else { throw Failure("\(path) is not a file of at most 16 MiB", hint: "restore it from a backup") }
        if isSecret {
            guard status.st_mode & 0o077 == 0, status.st_uid == geteuid() || status.st_uid == 0 else {
                throw Failure(
                    "the secret file \(path) is accessible to others than its owner",
                    hint: "chmod 600 \(path), and make a new key if others may have read it")
            }
        }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4_096)
        while true {
            let count = piece.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0, bytes.count <= largestByteCount else {
                throw Failure("cannot read \(path)", hint: "check the disk")
            }
            if count == 0 { return bytes }
            bytes += piece[..<count]
        }
    }

    private static func cannotWrite(_ path: String) -> Failure {
        Failure("cannot write \(path)", hint: "its folder must exist, be writable for us and have space")
    }

    private static func syncFolder(of path: String) {
        var folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        if folder.isEmpty { folder = "/" }
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        close(descriptor)
    }
}
