// SPDX-License-Identifier: Apache-2.0
// What a program did to the files below a folder, as values.

import DiskJournal
import Foundation

/// One effect on a file system. Paths are relative to the watched folder, which itself is `""`.
package enum DiskOperation: Hashable, Sendable {
    case create(String)
    case makeFolder(String)
    case write(String, offset: Int, bytes: [UInt8])
    case truncate(String, length: Int)
    case sync(String)
    case rename(String, to: String)
    case link(String, to: String)
    case remove(String)

    var isSync: Bool { if case .sync = self { true } else { false } }
}

/// Notes every effect on the files below a folder while it lives.
package final class DiskRecording {
    private let journal: OpaquePointer
    private let folder: String

    /// - Parameter folder: by its real path; nothing is noted of what happened there before.
    package init(of folder: String) {
        self.folder = folder
        journal = consilium_disk_journal_open(folder)
    }

    deinit { consilium_disk_journal_close(journal) }

    /// Effects so far.
    package var count: Int { consilium_disk_journal_count(journal) }

    /// Syncs so far, of files and of folders.
    package var syncCount: Int { operations().count(where: \.isSync) }

    package func stop() { consilium_disk_journal_stop(journal) }

    /// All effects in their order.
    package func operations() -> [DiskOperation] {
        (0..<count).compactMap { operation(consilium_disk_journal_operation(journal, $0)) }
    }

    private func operation(_ noted: consilium_disk_operation) -> DiskOperation? {
        let path = relative(noted.path)
        switch noted.kind {
        case CONSILIUM_DISK_CREATE: return .create(path)
        case CONSILIUM_DISK_MAKE_FOLDER: return .makeFolder(path)
        case CONSILIUM_DISK_WRITE:
            let bytes = UnsafeRawBufferPointer(start: noted.bytes, count: Int(noted.byte_count))
            return .write(path, offset: Int(noted.offset), bytes: Array(bytes))
        case CONSILIUM_DISK_TRUNCATE: return .truncate(path, length: Int(noted.offset))
        case CONSILIUM_DISK_SYNC: return .sync(path)
        case CONSILIUM_DISK_RENAME: return .rename(path, to: relative(noted.new_path))
        case CONSILIUM_DISK_REMOVE: return .remove(path)
        case CONSILIUM_DISK_LINK: return .link(path, to: relative(noted.new_path))
        default: return nil
        }
    }

    private func relative(_ path: UnsafePointer<CChar>?) -> String {
        guard let path else { return "" }
        return String(String(cString: path).dropFirst(folder.count).drop { $0 == "/" })
    }
}
