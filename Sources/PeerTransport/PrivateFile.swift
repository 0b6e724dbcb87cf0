// SPDX-License-Identifier: Apache-2.0
// Reads small files of our own configuration, and refuses a secret that others can read.

import Glibc

/// Reading of certificate and key files.
enum PrivateFile {
    private static let largestByteCount = 1 << 20

    /// The bytes of a regular file of at most 1 MiB.
    ///
    /// Permissions are checked on the open file, so nobody can swap it between check and read.
    ///
    /// - Throws: ``TransportError`` `identityUnreadable`; `privateKeyExposed` when `ownerOnly` and the file is
    ///   accessible to group or others, or belongs to neither us nor root.
    static func read(_ path: String, ownerOnly: Bool) throws -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw TransportError(
                .identityUnreadable, "cannot open \(path)", hint: "check that it exists and that we may read it")
        }
        defer { Glibc.close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
            status.st_size <= largestByteCount
        else {
            throw TransportError(.identityUnreadable, "\(path) is not a file of at most 1 MiB")
        }
        if ownerOnly { try checkOwnerOnly(status, path: path) }
        return try readAll(descriptor, path: path)
    }

    private static func checkOwnerOnly(_ status: stat, path: String) throws {
        guard status.st_mode & 0o077 == 0 else {
            throw TransportError(
                .privateKeyExposed, "the private key \(path) is accessible to others than its owner",
                hint: "chmod 600 \(path), and replace the key if others may have read it")
        }
        guard status.st_uid == geteuid() || status.st_uid == 0 else {
            throw TransportError(
                .privateKeyExposed, "the private key \(path) belongs to another user", hint: "chown it to our user")
        }
    }

    private static func readAll(_ descriptor: CInt, path: String) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 16 << 10)
        while bytes.count <= largestByteCount {
            let count = piece.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count == 0 { return bytes }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            bytes += piece[..<count]
        }
        throw TransportError(.identityUnreadable, "cannot read \(path)")
    }
}

/// What changes in a file's metadata when it is replaced or rewritten.
struct FileVersion: Hashable, Sendable {
    private let inode: UInt64
    private let byteCount: Int
    private let seconds: Int
    private let nanoseconds: Int

    /// Looks at the file; nothing when there is none.
    init?(path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        inode = UInt64(status.st_ino)
        byteCount = Int(status.st_size)
        seconds = status.st_mtim.tv_sec
        nanoseconds = status.st_mtim.tv_nsec
    }
}
