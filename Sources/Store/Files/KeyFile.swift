// SPDX-License-Identifier: Apache-2.0
// A statement key as a file: PKCS#8 in PEM, readable by its owner alone.

package import Federation
import Foundation
import Glibc

/// Reading and writing of Ed25519 private keys, in the form that `openssl genpkey -algorithm ed25519` writes.
package enum KeyFile {
    /// PKCS#8 (RFC 8410 §7) of an Ed25519 key up to its 32-byte seed.
    private static let prefix: [UInt8] = [
        0x30, 0x2E, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
    ]
    private static let (begin, end) = ("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----")

    /// The key in the file at `path`.
    ///
    /// - Throws: ``StoreError`` `missing`; `exposed` when others may read it; `damaged` when it holds no such key.
    package static func load(_ path: String) throws -> StatementKey {
        let file = try OpenFile(path, flags: O_RDONLY | O_NOFOLLOW)
        let status = try file.status()
        guard status.st_mode & S_IFMT == S_IFREG, status.st_size <= 4_096 else { throw unreadable(path) }
        try StateDirectory.checkPrivate(status, path: path, wanted: "600")
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
        let lines = String(decoding: bytes[..<count], as: UTF8.self).split(whereSeparator: \.isNewline).map(String.init)
        guard lines.first == begin, lines.last == end,
            let der = Data(base64Encoded: lines.dropFirst().dropLast().joined()), der.count == prefix.count + 32,
            der.starts(with: prefix), let key = StatementKey(seed: Array(der.dropFirst(prefix.count)))
        else { throw unreadable(path) }
        return key
    }

    /// Writes a new key, durably, and refuses to replace one.
    ///
    /// - Parameter seed: 32 bytes.
    /// - Throws: ``StoreError`` `conflict` when something stands at `path`.
    package static func create(_ path: String, seed: [UInt8]) throws {
        let text = "\(begin)\n\(Data(prefix + seed).base64EncodedString())\n\(end)\n"
        guard access(path, F_OK) != 0 else {
            throw StoreError(.conflict, "\(path) exists", hint: "a key is never replaced; choose another name")
        }
        // First whole, then named: a crash leaves no half key under the name.
        let partial = path + ".new"
        unlink(partial)
        let file = try OpenFile(partial, flags: O_WRONLY | O_CREAT | O_EXCL)
        try Array(text.utf8).withUnsafeBytes { try file.write($0, at: 0) }
        try file.sync()
        guard link(partial, path) == 0 else { throw StoreError.system("create", path, errno: errno) }
        unlink(partial)
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        try OpenFile.syncFolder(folder)
    }

    /// The statement key of a daemon, made in its state directory when it first runs.
    ///
    /// - Parameter makeSeed: gives 32 fresh random bytes.
    package static func statementKey(inStateDirectory directory: String, makeSeed: () -> [UInt8]) throws -> StatementKey
    {
        let folder = directory + "/keys"
        _ = try StateDirectory.prepare(folder)
        let path = folder + "/statement.key"
        if access(path, F_OK) != 0 { try create(path, seed: makeSeed()) }
        return try load(path)
    }

    private static func unreadable(_ path: String) -> StoreError {
        StoreError(
            .damaged, "\(path) holds no Ed25519 private key in PEM form",
            hint: "restore it from a backup, or make another with `consilium site officer`")
    }
}
