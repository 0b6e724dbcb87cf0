// SPDX-License-Identifier: Apache-2.0
// A file on its way: appended to, resumed after a lost connection, and given its name only when it is whole.

import Dispatch
package import Federation
import Glibc
import Synchronization

/// The writer of one partial file. Bytes only ever go to its end, and are hashed as they come.
///
/// May be used from any thread, one call at a time. When the last reference goes, a named partial file stays for
/// resuming, a nameless one is removed.
package final class PartialFile: Sendable {
    private struct State: Sendable {
        /// nil before it is open, and once finished, discarded or superseded.
        var file: OpenFile?
        var isSuperseded = false
        var byteCount = 0
        /// Bytes whose way to the device has begun.
        var writebackByteCount = 0
    }

    /// Pieces from this size on are written and hashed by two threads at once.
    private static let sharedFloatCount = 1 << 18
    private static let writebackByteCount = 8 << 20

    let path: String
    private let folder: FileVault.Folder
    /// nil: named by its content.
    private let name: String?
    private let vault: FileVault
    private let startsWriteback: Bool
    /// Held over system calls, so that no write of an older holder lands after a newer one has read the length.
    private let state: Mutex<State>
    /// Of the bytes written so far, in their order; only ever locked inside one call of the owner.
    private let hasher = Mutex(BlobHasher())

    /// Opens or creates the file and hashes what it holds already.
    ///
    /// - Parameter isDurable: whether it will be synced at its end.
    init(path: String, folder: FileVault.Folder, name: String?, vault: FileVault, isDurable: Bool) throws {
        self.path = path
        self.folder = folder
        self.name = name
        self.vault = vault
        startsWriteback = isDurable && vault.durability == .powerLossSafe
        state = Mutex(State())
        // Registered before it is opened: of two openings at once, the later one cuts off the earlier one.
        vault.partials.register(self)?.supersede()
        try state.withLock { state in
            guard !state.isSuperseded else { throw superseded }
            let file = try OpenFile(path, flags: O_RDWR | O_CREAT)
            try FileReader(file: file, byteCount: try file.byteCount()).forEachPiece { piece in
                hasher.withLock { $0.update(piece) }
                state.byteCount += piece.count
            }
            state.file = file
        }
    }

    deinit {
        if name == nil, state.withLock({ $0.file != nil }) { unlink(path) }
    }

    /// Bytes in the file: where the next ones go.
    package var byteCount: Int { state.withLock { $0.byteCount } }

    /// Appends `bytes`.
    ///
    /// - Throws: ``StoreError`` `diskFull`, `ioFailure`; `superseded` when the file is no longer ours.
    package func append(_ bytes: UnsafeRawBufferPointer) throws {
        try state.withLock { state in
            try write(bytes, &state)
        }
        hasher.withLock { $0.update(bytes) }
    }

    /// Appends the bytes of `floats` as the machine has them: little-endian on every machine we build for.
    package func append(floats: [Float]) throws {
        guard floats.count >= Self.sharedFloatCount else { return try floats.withUnsafeBytes { try append($0) } }
        // Written and hashed side by side. A failed write leaves a hash that nobody asks for: the file is given up.
        let failure = Mutex<(any Error)?>(nil)
        DispatchQueue.concurrentPerform(iterations: 2) { part in
            floats.withUnsafeBytes { bytes in
                if part == 0 {
                    hasher.withLock { $0.update(bytes) }
                } else {
                    do {
                        try state.withLock { try write(bytes, &$0) }
                    } catch { failure.withLock { $0 = error } }
                }
            }
        }
        if let error = failure.withLock({ $0 }) { throw error }
    }

    private func write(_ bytes: UnsafeRawBufferPointer, _ state: inout State) throws {
        let file = try openFile(state)
        try vault.beforeWrite?(bytes.count)
        try file.write(bytes, at: state.byteCount)
        state.byteCount += bytes.count
        guard startsWriteback, state.byteCount - state.writebackByteCount >= Self.writebackByteCount else { return }
        // The device begins while we go on, so that the sync at the end has little to wait for.
        file.startWriteback(from: state.writebackByteCount, byteCount: state.byteCount - state.writebackByteCount)
        state.writebackByteCount = state.byteCount
    }

    /// Makes the file durable and gives it its final name.
    package func finish() throws -> StoredFile { try finish(expecting: nil, isDurable: true) }

    /// Makes the file durable and gives it its final name, if its content has the digest `expected`.
    ///
    /// - Throws: ``StoreError`` `wrongDigest`; the partial file is then gone, as nothing tells which bytes are wrong.
    package func finish(expecting expected: Digest) throws -> StoredFile {
        try finish(expecting: .some(expected), isDurable: true)
    }

    /// Gives the file its final name, if its content has the digest `expected`, without waiting for the device.
    ///
    /// For what can be fetched again: after a power cut the name may stand on other bytes. A start of the daemon removes
    /// what no database names; call ``StoredFile/makeDurable()`` before a database names this one.
    /// - Throws: as ``finish(expecting:)``.
    package func finishReplaceable(expecting expected: Digest) throws -> StoredFile {
        try finish(expecting: .some(expected), isDurable: false)
    }

    private func finish(expecting expected: Digest?, isDurable: Bool) throws -> StoredFile {
        try state.withLock { state in
            let file = try openFile(state)
            let digest = hasher.withLock { $0.finish() }
            if let expected, digest != expected {
                state.file = nil
                unlink(path)
                throw StoreError(
                    .wrongDigest, "\(path) does not have the digest that was promised",
                    hint: "it was damaged on the way; transfer it again")
            }
            let saved = SavedFile(folder: folder, name: name ?? digest.hex, byteCount: state.byteCount, digest: digest)
            let stored = StoredFile(saved: saved, path: vault.path(saved.name, in: folder))
            // First the bytes, then the name: a crash must not leave a whole name on half a file.
            let mustSync = isDurable && vault.durability == .powerLossSafe
            if mustSync { try file.sync() }
            guard rename(path, stored.path) == 0 else { throw StoreError.system("rename", path, errno: errno) }
            state.file = nil
            if mustSync { try OpenFile.syncFolder("\(vault.directory)/\(folder.rawValue)") }
            return stored
        }
    }

    /// Removes the file.
    package func discard() {
        state.withLock { state in
            guard state.file != nil else { return }
            state.file = nil
            unlink(path)
        }
    }

    /// Cuts this writer off; the file stays.
    func supersede() {
        state.withLock { state in
            state.file = nil
            state.isSuperseded = true
        }
    }

    private func openFile(_ state: State) throws -> OpenFile {
        guard let file = state.file else { throw superseded }
        return file
    }

    private var superseded: StoreError {
        StoreError(
            .superseded, "\(path) has been finished, discarded or taken over by a newer writer",
            hint: "start the transfer again")
    }
}
