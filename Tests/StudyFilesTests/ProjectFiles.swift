// SPDX-License-Identifier: Apache-2.0
// Files of the project that tests read, and files that tests write.

import Foundation

enum ProjectFiles {
    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static func path(_ name: String) -> String { root.appending(path: name).path }

    /// A golden file of `protocol/vectors/`: that of the folder named in `CONSILIUM_VECTORS`, else the committed one. One
    /// missing from the former is reported, so that a golden test never passes without having read a file.
    static func vector(_ name: String) throws -> [UInt8] {
        var file = root.appending(path: "protocol/vectors/\(name)")
        if let folder = ProcessInfo.processInfo.environment["CONSILIUM_VECTORS"] {
            let given = URL(fileURLWithPath: folder).appending(path: name)
            if FileManager.default.fileExists(atPath: given.path) {
                file = given
            } else {
                print("golden vectors: no \(name) in CONSILIUM_VECTORS, reading the committed file")
            }
        }
        return try Array(Data(contentsOf: file))
    }

    /// Writes `bytes` to a file that is removed after `body`.
    static func withFile<Result>(_ bytes: [UInt8], _ body: (String) throws -> Result) throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appending(path: "studyfiles-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "file.yaml")
        try Data(bytes).write(to: file)
        return try body(file.path)
    }
}
