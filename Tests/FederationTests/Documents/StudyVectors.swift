// SPDX-License-Identifier: Apache-2.0
// Finds the golden files of studies and documents.

import Foundation

/// The files of `protocol/vectors/study/`: those of the folder named in `CONSILIUM_VECTORS`, else the committed ones.
enum StudyVectors {
    /// The bytes of a file. One missing from `CONSILIUM_VECTORS` is reported and the committed one read instead, so that a
    /// golden test never passes without having read a file.
    static func bytes(_ name: String) throws -> [UInt8] {
        let root = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        var file = root.appending(path: "protocol/vectors/study/\(name)")
        if let folder = ProcessInfo.processInfo.environment["CONSILIUM_VECTORS"] {
            let given = URL(fileURLWithPath: folder).appending(path: "study/\(name)")
            if FileManager.default.fileExists(atPath: given.path) {
                file = given
            } else {
                print("golden vectors: no study/\(name) in CONSILIUM_VECTORS, reading the committed file")
            }
        }
        return try Array(Data(contentsOf: file))
    }
}
