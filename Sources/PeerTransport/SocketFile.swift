// SPDX-License-Identifier: Apache-2.0
// Makes the file of a listening Unix socket, private from its first moment.

import Glibc
import Synchronization

/// A bound Unix socket and its file.
final class SocketFile: Sendable {
    private let path: String
    private let inode: UInt64
    /// The bound socket until somebody takes it over.
    private let descriptor: Mutex<CInt?>

    /// Binds a socket at `path`, with mode 0600.
    ///
    /// - Throws: ``TransportError`` `socketFileInUse` when a process answers there, `socketFileUnusable` when the path
    ///   holds something else, is too long, or its folder does not allow it.
    init(path: String) throws {
        self.path = path
        try Self.removeStale(path)
        let descriptor = try Self.makeSocket()
        do {
            // Linux gives the file the mode of the unbound socket, so there is no moment in which others could connect.
            guard fchmod(descriptor, 0o600) == 0 else { throw Self.unusable(path) }
            guard try Self.withAddress(path, { Glibc.bind(descriptor, $0, $1) }) == 0 else { throw Self.unusable(path) }
            var status = stat()
            guard lstat(path, &status) == 0, status.st_mode & 0o777 == 0o600 else { throw Self.unusable(path) }
            inode = UInt64(status.st_ino)
        } catch {
            Glibc.close(descriptor)
            throw error
        }
        self.descriptor = Mutex(descriptor)
    }

    deinit {
        if let descriptor = descriptor.withLock({ $0.take() }) { Glibc.close(descriptor) }
    }

    /// Hands over the bound socket; to be called once.
    func takeDescriptor() -> CInt {
        guard let descriptor = descriptor.withLock({ $0.take() }) else {
            preconditionFailure("the socket has been taken over already")
        }
        return descriptor
    }

    /// Removes the file unless another process has replaced it meanwhile.
    func removeIfOurs() {
        var status = stat()
        if lstat(path, &status) == 0, UInt64(status.st_ino) == inode { unlink(path) }
    }

    private static func removeStale(_ path: String) throws {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw TransportError(.socketFileUnusable, "\(path) exists and is no socket", hint: "configure another path")
        }
        let descriptor = try makeSocket()
        defer { Glibc.close(descriptor) }
        let result = try withAddress(path) { Glibc.connect(descriptor, $0, $1) }
        // Only a refusal proves that nobody listens; a full backlog, say, proves the contrary.
        guard result != 0, errno == ECONNREFUSED else {
            throw TransportError(
                .socketFileInUse, "another process listens at \(path)", hint: "stop it, or configure another path")
        }
        guard unlink(path) == 0 else { throw unusable(path) }
    }

    private static func makeSocket() throws -> CInt {
        let kind = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else {
            throw TransportError(.socketFileUnusable, "no socket can be opened", hint: "too many files are open")
        }
        return descriptor
    }

    private static func withAddress(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt
    ) throws -> CInt {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        let room = MemoryLayout.size(ofValue: address.sun_path) - 1
        guard !bytes.isEmpty, bytes.count <= room, !bytes.contains(0) else {
            throw TransportError(.socketFileUnusable, "the path of a socket has 1 to \(room) bytes", hint: "shorten it")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    private static func unusable(_ path: String) -> TransportError {
        TransportError(
            .socketFileUnusable, "cannot make a socket at \(path)", hint: "its folder must exist and be writable for us"
        )
    }
}
