// SPDX-License-Identifier: Apache-2.0
// Finds golden files for the tests of strategies and sums.

import Foundation

/// The files of `protocol/vectors/`: those of the folder named in `CONSILIUM_VECTORS`, else the committed ones.
enum GoldenFiles {
    /// The bytes of a file. One missing from `CONSILIUM_VECTORS` is reported and the committed one read instead, so that a
    /// golden test never passes without having read a file.
    static func bytes(_ path: String) throws -> [UInt8] {
        let root = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        var file = root.appending(path: "protocol/vectors/\(path)")
        if let folder = ProcessInfo.processInfo.environment["CONSILIUM_VECTORS"] {
            let given = URL(fileURLWithPath: folder).appending(path: path)
            if FileManager.default.fileExists(atPath: given.path) {
                file = given
            } else {
                print("golden vectors: no \(path) in CONSILIUM_VECTORS, reading the committed file")
            }
        }
        return try Array(Data(contentsOf: file))
    }

    /// Decodes a file; its keys `like_this` are properties `likeThis`.
    static func decode<Contents: Decodable>(_ type: Contents.Type, from path: String) throws -> Contents {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(type, from: Data(bytes(path)))
    }
}
