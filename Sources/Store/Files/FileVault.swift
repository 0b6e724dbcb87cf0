// SPDX-License-Identifier: Apache-2.0
// Models and uploads as files: written under a temporary name, synced, renamed; the databases hold their names.

package import Federation
import Glibc
import Synchronization

/// A file as a database remembers it; ``FileVault`` knows where it lies.
package struct SavedFile: Hashable, Sendable {
    package var folder: FileVault.Folder
    package var name: String
    package var byteCount: Int
    /// SHA-256 of the content, without a domain.
    package var digest: Digest

    package init(folder: FileVault.Folder, name: String, byteCount: Int, digest: Digest) {
        self.folder = folder
        self.name = name
        self.byteCount = byteCount
        self.digest = digest
    }
}

/// The files of one state directory.
///
/// Invariants: a file under its final name is complete and has the digest it was finished with; what is incomplete
/// ends in `.partial`. Models are named by the SHA-256 of their bytes. Uploads are named by their task and site,
/// because two sites with equal data may send equal bytes, and each file is removed on its own.
///
/// Use one vault for each directory: its copies share the list of open partial files, two independent vaults do not.
///
/// All functions are blocking system calls: call them where waiting for the disk is no harm.
package struct FileVault: Sendable {
    package enum Folder: String, CaseIterable, Hashable, Sendable {
        case models
        case uploads
    }

    /// The state directory.
    package let directory: String
    let durability: Durability
    let partials = OpenPartials()
    /// Called before each write with its number of bytes; what it throws stands for a failing disk in simulations.
    let beforeWrite: (@Sendable (Int) throws -> Void)?

    /// Creates `directory` and its folders with mode 0700 where they are missing.
    ///
    /// - Throws: ``StoreError`` when a folder is accessible to others or cannot be made.
    package init(
        directory: String, durability: Durability = .powerLossSafe, beforeWrite: (@Sendable (Int) throws -> Void)? = nil
    ) throws {
        self.beforeWrite = beforeWrite
        self.directory = try StateDirectory.prepare(directory).path
        self.durability = durability
        for folder in Folder.allCases { _ = try StateDirectory.prepare("\(directory)/\(folder.rawValue)") }
    }

    /// The least space on the disk with which work makes sense, in bytes.
    private static let leastFreeBytes: UInt64 = 16 << 20

    /// Whether files can be written here, and a little space is left for them.
    package var isWritable: Bool {
        var status = statvfs()
        guard access(directory, W_OK | X_OK) == 0, statvfs(directory, &status) == 0,
            status.f_flag & UInt(ST_RDONLY) == 0
        else { return false }
        return UInt64(status.f_bavail) * UInt64(status.f_frsize) >= Self.leastFreeBytes
    }

    // MARK: Writing

    /// Starts a file that is named by its content when it is finished. It goes away if it is not.
    package func newFile(in folder: Folder) throws -> PartialFile {
        while true {
            let path = path("new-\(getpid())-\(partials.nextNumber())", in: folder) + Self.partialSuffix
            // A crash may have left the same number behind: take the next one.
            guard access(path, F_OK) != 0 else { continue }
            return try PartialFile(path: path, folder: folder, name: nil, vault: self, isDurable: true)
        }
    }

    /// Starts an upload with a name of its own at its first byte; what was there under the name is overwritten.
    package func newUpload(named name: String) throws -> PartialFile {
        try removePartial(name, in: .uploads)
        return try partial(name, in: .uploads)
    }

    /// Continues an upload where it ends, or starts it.
    ///
    /// Whoever still writes to the same partial file is cut off: the newer connection of a site wins.
    /// - Precondition: `name` is not empty and holds only `a-z`, `0-9` and `-`.
    package func partialUpload(named name: String) throws -> PartialFile { try partial(name, in: .uploads) }

    /// Continues the download of a model where it ends, or starts it.
    package func partialModel(_ digest: Digest) throws -> PartialFile { try partial(digest.hex, in: .models) }

    private func partial(_ name: String, in folder: Folder) throws -> PartialFile {
        Self.checkName(name)
        let path = path(name, in: folder) + Self.partialSuffix
        return try PartialFile(
            path: path, folder: folder, name: name, vault: self, isDurable: folder == .uploads)
    }

    // MARK: Finding

    /// A model file.
    ///
    /// - Throws: ``StoreError`` `missing` or `wrongLength` when the file is not there as the reference says.
    package func file(_ blob: BlobReference) throws -> StoredFile {
        try file(SavedFile(folder: .models, name: blob.digest.hex, byteCount: blob.byteCount, digest: blob.digest))
    }

    /// The file that a database remembers.
    ///
    /// - Throws: ``StoreError`` `missing` or `wrongLength` when the file is not there as it was saved.
    package func file(_ saved: SavedFile) throws -> StoredFile {
        let file = StoredFile(saved: saved, path: path(saved.name, in: saved.folder))
        _ = try file.reader()
        return file
    }

    /// Whether a model file is there.
    package func contains(_ blob: BlobReference) -> Bool { (try? file(blob)) != nil }

    // MARK: Removing

    /// Removes the file; one that is gone already is no error.
    package func remove(_ file: StoredFile) throws { try remove(file.saved) }

    /// Removes the file; one that is gone already is no error.
    package func remove(_ file: SavedFile) throws { try unlinkIfPresent(path(file.name, in: file.folder)) }

    /// Removes what no database names: the leavings of a crash between a file and its commit.
    ///
    /// Call it before any file is written or received.
    /// - Parameter names: the files to keep, also while they are partial.
    /// - Returns: The number of files removed.
    @discardableResult
    package func removeAll(in folder: Folder, except names: Set<String>) throws -> Int {
        var removed = 0
        for entry in try entries(of: folder) {
            let name = entry.hasSuffix(Self.partialSuffix) ? String(entry.dropLast(Self.partialSuffix.count)) : entry
            guard !names.contains(name) else { continue }
            try unlinkIfPresent(path(entry, in: folder))
            removed += 1
        }
        return removed
    }

    /// Removes a finished upload and what has come of it; one that is gone already is no error.
    package func removeUpload(named name: String) throws {
        try removePartial(name, in: .uploads)
        try unlinkIfPresent(path(name, in: .uploads))
    }

    /// All bytes of a finished upload, for one whose length no database keeps.
    ///
    /// - Throws: ``StoreError`` `missing`.
    package func bytesOfUpload(named name: String) throws -> [UInt8] {
        Self.checkName(name)
        let file = try OpenFile(path(name, in: .uploads), flags: O_RDONLY)
        let byteCount = try file.byteCount()
        return try [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, initializedCount in
            initializedCount = try file.read(into: UnsafeMutableRawBufferPointer(buffer), at: 0)
        }
    }

    /// Removes what has come of the download of a model, and cuts off whoever still writes to it.
    package func removePartialModel(_ digest: Digest) throws { try removePartial(digest.hex, in: .models) }

    private func removePartial(_ name: String, in folder: Folder) throws {
        Self.checkName(name)
        let path = path(name, in: folder) + Self.partialSuffix
        partials.unregister(path)?.supersede()
        try unlinkIfPresent(path)
    }

    private func unlinkIfPresent(_ path: String) throws {
        guard unlink(path) == 0 || errno == ENOENT else { throw StoreError.system("remove", path, errno: errno) }
    }

    private func entries(of folder: Folder) throws -> [String] {
        let path = "\(directory)/\(folder.rawValue)"
        guard let stream = opendir(path) else { throw StoreError.system("list", path, errno: errno) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    // MARK: Names

    static let partialSuffix = ".partial"

    func path(_ name: String, in folder: Folder) -> String { "\(directory)/\(folder.rawValue)/\(name)" }

    private static func checkName(_ name: String) {
        precondition(
            (1...200).contains(name.utf8.count)
                && name.utf8.allSatisfy {
                    ($0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "z"))
                        || ($0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9")) || $0 == UInt8(ascii: "-")
                },
            "a file name of ours holds only lower-case letters, digits and hyphens")
    }
}

/// The partial files that are open, so that a newer writer can cut off an older one.
final class OpenPartials: Sendable {
    private struct Reference: Sendable { weak var file: PartialFile? }

    /// Guards both: open files by path, and the number of files started without a name.
    private let state = Mutex<(open: [String: Reference], count: Int)>(([:], 0))

    func nextNumber() -> Int {
        state.withLock { state in
            state.count += 1
            return state.count
        }
    }

    /// Notes the writer of a file and returns the one it replaces, which the caller cuts off.
    ///
    /// Not done in here: a file's own lock is held while it syncs, and is not to be waited for with ours.
    func register(_ file: PartialFile) -> PartialFile? {
        state.withLock { state in
            state.open = state.open.filter { $0.value.file != nil }
            return state.open.updateValue(Reference(file: file), forKey: file.path)?.file
        }
    }

    /// The writer of `path`, which is forgotten.
    func unregister(_ path: String) -> PartialFile? {
        state.withLock { $0.open.removeValue(forKey: path)?.file }
    }
}
