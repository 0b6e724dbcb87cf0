// SPDX-License-Identifier: Apache-2.0
// The folder in which a daemon keeps everything: private to its user, and held by one process at a time.

import Glibc

/// A state directory that exists and is accessible to its owner only.
struct StateDirectory {
    let path: String

    /// Creates the directory with mode 0700 if it is missing, else checks it.
    ///
    /// Only the last component is created: a mistyped path must not grow a tree.
    /// - Throws: ``StoreError`` `exposed`, `wrongKind`, `missing`, `permissionDenied`.
    static func prepare(_ path: String) throws -> StateDirectory {
        if mkdir(path, 0o700) == 0 {
            try OpenFile.syncFolder(parent(of: path))
        } else if errno != EEXIST {
            throw StoreError.system("create the directory", path, errno: errno)
        }
        let status = try OpenFile(path, flags: O_RDONLY | O_DIRECTORY).status()
        try checkPrivate(status, path: path, wanted: "700")
        return StateDirectory(path: path)
    }

    /// A directory whose state is only looked at.
    static func existing(_ path: String) throws -> StateDirectory {
        _ = try OpenFile(path, flags: O_RDONLY | O_DIRECTORY)
        return StateDirectory(path: path)
    }

    /// The directory as ``prepare(_:)`` would find it, without making it; `nil` when there is none yet but could be.
    ///
    /// - Throws: ``StoreError`` `exposed`, `wrongKind`, `missing`, `permissionDenied`.
    static func examine(_ path: String) throws -> StateDirectory? {
        guard access(path, F_OK) == 0 else {
            let above = parent(of: path)
            guard access(above, W_OK | X_OK) == 0 else {
                throw StoreError.system("make a directory in", above, errno: errno)
            }
            return nil
        }
        let status = try OpenFile(path, flags: O_RDONLY | O_DIRECTORY).status()
        try checkPrivate(status, path: path, wanted: "700")
        guard access(path, W_OK | X_OK) == 0 else { throw StoreError.system("write in", path, errno: errno) }
        return StateDirectory(path: path)
    }

    /// Checks a file that is there.
    func examineFile(_ name: String) throws {
        let file = try OpenFile(file(name), flags: O_RDONLY | O_NOFOLLOW)
        try Self.checkPrivate(try file.status(), path: file.path, wanted: "600")
    }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    /// Whether nothing lies in it.
    func isEmpty() throws -> Bool {
        guard let stream = opendir(path) else { throw StoreError.system("list", path, errno: errno) }
        defer { closedir(stream) }
        // `.` and `..` are always there.
        for _ in 0..<3 where readdir(stream) == nil { return true }
        return false
    }

    func contains(_ name: String) -> Bool { access(file(name), F_OK) == 0 }

    /// Creates an empty file with mode 0600 if it is missing, else checks it.
    ///
    /// SQLite gives its side files the same mode.
    func prepareFile(_ name: String) throws {
        let isNew = !contains(name)
        let file = try OpenFile(file(name), flags: O_RDWR | O_CREAT | O_NOFOLLOW)
        let status = try file.status()
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw StoreError(.wrongKind, "\(file.path) is not a regular file", hint: "move it out of the way")
        }
        try Self.checkPrivate(status, path: file.path, wanted: "600")
        if isNew { try OpenFile.syncFolder(path) }
    }

    /// Takes the directory for this process until the lock is released.
    ///
    /// - Throws: ``StoreError`` `inUse` when another open lock exists, in this or another process.
    func lock(for owner: String) throws -> DirectoryLock {
        let file = try OpenFile(file("\(owner).lock"), flags: O_RDWR | O_CREAT | O_NOFOLLOW)
        guard flock(file.descriptor, LOCK_EX | LOCK_NB) == 0 else {
            guard errno == EWOULDBLOCK else { throw StoreError.system("lock", file.path, errno: errno) }
            throw StoreError(
                .inUse, "another \(owner) uses this state directory: \(path)",
                hint: "stop the other one, or give this one a stateDirectory of its own")
        }
        return DirectoryLock(file: file)
    }

    static func checkPrivate(_ status: stat, path: String, wanted: String) throws {
        guard status.st_mode & 0o077 == 0 else {
            throw StoreError(
                .exposed, "\(path) is accessible to others than its owner",
                hint: "chmod \(wanted) \(path), after checking who may have read or changed it")
        }
        guard status.st_uid == geteuid() else {
            throw StoreError(.exposed, "\(path) belongs to another user", hint: "run as its owner, or chown it")
        }
    }

    static func parent(of path: String) -> String {
        var components = path.split(separator: "/", omittingEmptySubsequences: true)
        _ = components.popLast()
        let joined = components.joined(separator: "/")
        if path.hasPrefix("/") { return "/" + joined }
        return joined.isEmpty ? "." : joined
    }
}

/// Holds a state directory; the operating system releases it when the process ends in whatever way.
final class DirectoryLock: Sendable {
    /// Owns the `flock`, which belongs to the open file.
    private let file: OpenFile

    init(file: OpenFile) { self.file = file }

    /// Unlocks before it closes: a child process that is being started elsewhere in this program holds a copy of the
    /// descriptor until it executes, and a close here would not release the lock before that.
    deinit { flock(file.descriptor, LOCK_UN) }
}
