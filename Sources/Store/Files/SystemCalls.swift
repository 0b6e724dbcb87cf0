// SPDX-License-Identifier: Apache-2.0
// System calls on files, with their failures told as sentences with a hint.

import Glibc
import Kernels

extension StoreError {
    /// The error of the system call that just failed.
    ///
    /// - Parameters:
    ///   - action: what was attempted, for example `write`.
    ///   - path: of the file or folder.
    static func system(_ action: String, _ path: String, errno number: CInt) -> StoreError {
        let message = "cannot \(action) \(path): \(String(cString: strerror(number)))"
        switch number {
        case ENOSPC, EDQUOT, EFBIG:
            return StoreError(.diskFull, message, hint: "free disk space or raise the quota there, then try again")
        case EACCES, EPERM, EROFS:
            return StoreError(.permissionDenied, message, hint: "let the program's user own and write this place")
        case ENOENT:
            return StoreError(.missing, message, hint: "check the path and that nobody removed files there")
        case ENOTDIR, EISDIR, ELOOP:
            return StoreError(.wrongKind, message, hint: "something else stands at this path; choose another one")
        default:
            return StoreError(.ioFailure, message, hint: "check the device and the system's log")
        }
    }
}

/// An open file, closed when the last reference goes.
final class OpenFile: Sendable {
    let descriptor: CInt
    let path: String

    /// - Throws: ``StoreError`` of ``StoreError/system(_:_:errno:)``.
    init(_ path: String, flags: CInt) throws {
        let descriptor = retryingInterrupts { Glibc.open(path, flags | O_CLOEXEC, 0o600) }
        guard descriptor >= 0 else { throw StoreError.system("open", path, errno: errno) }
        self.descriptor = descriptor
        self.path = path
    }

    deinit { Glibc.close(descriptor) }

    func byteCount() throws -> Int { Int(try status().st_size) }

    func status() throws -> stat {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw StoreError.system("inspect", path, errno: errno) }
        return status
    }

    /// Writes all of `bytes` at `offset`.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws {
        var done = 0
        while done < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
            let count = retryingInterrupts { pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset + done)) }
            guard count > 0 else { throw StoreError.system("write", path, errno: count == 0 ? EIO : errno) }
            done += count
        }
    }

    /// Fills `buffer` from `offset`; returns fewer bytes only at the end of the file.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws -> Int {
        var done = 0
        while done < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
            let count = retryingInterrupts { pread(descriptor, rest.baseAddress, rest.count, off_t(offset + done)) }
            guard count >= 0 else { throw StoreError.system("read", path, errno: errno) }
            if count == 0 { break }
            done += count
        }
        return done
    }

    /// Has the kernel send these bytes to the device, and does not wait. Promises nothing: ``sync()`` does.
    func startWriteback(from offset: Int, byteCount: Int) {
        consilium_start_writeback(descriptor, Int64(offset), Int64(byteCount))
    }

    /// Waits until content and length are on the device.
    func sync() throws {
        guard retryingInterrupts({ fsync(descriptor) }) == 0 else {
            throw StoreError.system("sync", path, errno: errno)
        }
    }

    /// Makes the names in a folder durable.
    static func syncFolder(_ path: String) throws { try OpenFile(path, flags: O_RDONLY | O_DIRECTORY).sync() }
}

/// Repeats a system call that a signal interrupted.
private func retryingInterrupts<Result: SignedInteger>(_ call: () -> Result) -> Result {
    while true {
        let result = call()
        if result >= 0 || errno != EINTR { return result }
    }
}
