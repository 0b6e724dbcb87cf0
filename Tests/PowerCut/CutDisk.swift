// SPDX-License-Identifier: Apache-2.0
// What a disk may hold after the power was cut: synced bytes and names for certain, of the rest what chance left.

import Foundation
import Randomness

/// What became of effects that no sync followed.
package enum UnsyncedFate: Hashable, Sendable {
    /// Everything reached the disk: the process was killed, the machine went on.
    case kept
    /// Nothing reached the disk.
    case lost
    /// Sectors of 512 bytes and file lengths reached it or did not, each by chance; names did up to some point in each
    /// folder, as file systems with a journal order them.
    case torn(seed: UInt64)
}

/// The content of a disk, replayed from a recording up to some effect.
package struct CutDisk {
    private enum NameChange {
        case add(String, Int)
        case remove(String)
        case rename(String, to: String)
    }

    private struct File {
        var isFolder = false
        var synced: [UInt8] = []
        var unsynced: [DiskOperation] = []
        /// Of a folder: changes of the names in it.
        var changes: [NameChange] = []
    }

    private static let sectorBytes = 512

    private var files: [File] = [File(isFolder: true)]
    /// Names as the running program saw them, and as they are on the disk for certain; the folder itself is file 0.
    private var live: [String: Int] = ["": 0]
    private var certain: [String: Int] = ["": 0]

    package init(after operations: some Sequence<DiskOperation>) {
        for operation in operations { replay(operation) }
    }

    // MARK: Replay

    private mutating func replay(_ operation: DiskOperation) {
        switch operation {
        case .create(let path): add(path, File())
        case .makeFolder(let path): add(path, File(isFolder: true))
        case .write(let path, _, _), .truncate(let path, _):
            if let file = live[path] { files[file].unsynced.append(operation) }
        case .rename(let path, let newPath):
            guard let file = live.removeValue(forKey: path) else { return }
            live[newPath] = file
            note(.rename(path, to: newPath), in: path)
        case .link(let path, let newPath):
            guard let file = live[path] else { return }
            live[newPath] = file
            note(.add(newPath, file), in: newPath)
        case .remove(let path):
            live[path] = nil
            note(.remove(path), in: path)
        case .sync(let path): if let file = live[path] { sync(file) }
        }
    }

    private mutating func add(_ path: String, _ file: File) {
        files.append(file)
        live[path] = files.count - 1
        note(.add(path, files.count - 1), in: path)
    }

    private mutating func note(_ change: NameChange, in path: String) {
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
        if let file = live[folder] { files[file].changes.append(change) }
    }

    private mutating func sync(_ file: Int) {
        for operation in files[file].unsynced { Self.apply(operation, to: &files[file].synced) }
        files[file].unsynced = []
        for change in files[file].changes { Self.apply(change, to: &certain) }
        files[file].changes = []
    }

    private static func apply(_ change: NameChange, to names: inout [String: Int]) {
        switch change {
        case .add(let path, let file): names[path] = file
        case .remove(let path): names[path] = nil
        case .rename(let path, let newPath): names[newPath] = names.removeValue(forKey: path)
        }
    }

    private static func apply(_ operation: DiskOperation, to bytes: inout [UInt8]) {
        switch operation {
        case .write(_, let offset, let new):
            extend(&bytes, to: offset + new.count)
            bytes.replaceSubrange(offset..<offset + new.count, with: new)
        case .truncate(_, let length):
            extend(&bytes, to: length)
            bytes.removeLast(bytes.count - length)
        default: break
        }
    }

    private static func extend(_ bytes: inout [UInt8], to length: Int) {
        if bytes.count < length { bytes += [UInt8](repeating: 0, count: length - bytes.count) }
    }

    // MARK: After the cut

    /// Writes what is left into the new folder `destination`, with modes 0700 and 0600.
    ///
    /// - Parameter fate: of the unsynced effects below the first part of a path, so that parties whose folders lie side
    ///   by side may fare differently.
    package func write(to destination: String, fate: (String) -> UnsyncedFate) throws {
        var names = certain
        for folder in live.values.sorted() where files[folder].isFolder {
            let path = live.first { $0.value == folder }?.key ?? ""
            for change in survivingChanges(of: files[folder], fate: fate(path)) { Self.apply(change, to: &names) }
        }
        try makeFolder(destination)
        for (path, file) in names.sorted(by: { $0.key < $1.key }) where !path.isEmpty {
            // A file is reached through its folder's name only.
            guard Self.folders(of: path).allSatisfy({ names[$0] != nil }) else { continue }
            let place = "\(destination)/\(path)"
            if files[file].isFolder {
                try makeFolder(place)
            } else {
                let bytes = content(of: files[file], fate: fate(path), path: path)
                guard
                    FileManager.default.createFile(
                        atPath: place, contents: Data(bytes), attributes: [.posixPermissions: 0o600])
                else { throw CocoaError(.fileWriteUnknown) }
            }
        }
    }

    private func survivingChanges(of folder: File, fate: UnsyncedFate) -> [NameChange] {
        switch fate {
        case .kept: return folder.changes
        case .lost: return []
        case .torn(let seed):
            var chance = SeededGenerator(seed: seed, stream: "names")
            return Array(folder.changes.prefix(Int(chance.next() % UInt64(folder.changes.count + 1))))
        }
    }

    private func content(of file: File, fate: UnsyncedFate, path: String) -> [UInt8] {
        var bytes = file.synced
        switch fate {
        case .lost: break
        case .kept: for operation in file.unsynced { Self.apply(operation, to: &bytes) }
        case .torn(let seed):
            var chance = SeededGenerator(seed: seed, stream: "sectors of \(path)")
            for operation in file.unsynced { Self.tear(operation, &bytes, &chance) }
        }
        return bytes
    }

    private static func tear(_ operation: DiskOperation, _ bytes: inout [UInt8], _ chance: inout SeededGenerator) {
        guard case .write(let path, let offset, let new) = operation else {
            if chance.next() % 2 == 0 { apply(operation, to: &bytes) }
            return
        }
        // The length may have grown before the bytes arrived.
        if chance.next() % 2 == 0 { extend(&bytes, to: offset + new.count) }
        var start = offset
        while start < offset + new.count {
            let end = min(offset + new.count, (start / sectorBytes + 1) * sectorBytes)
            if chance.next() % 2 == 0 {
                let piece = Array(new[start - offset..<end - offset])
                apply(.write(path, offset: start, bytes: piece), to: &bytes)
            }
            start = end
        }
    }

    private func makeFolder(_ path: String) throws {
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    }

    private static func folders(of path: String) -> [String] {
        var folders: [String] = []
        var rest = Substring(path)
        while let slash = rest.lastIndex(of: "/") {
            rest = rest[..<slash]
            folders.append(String(rest))
        }
        return folders
    }
}
