// SPDX-License-Identifier: Apache-2.0
// Finds the golden vector files for the tests of this module.

import Foundation

/// The golden files: those of the folder named in `CONSILIUM_VECTORS`, else the committed ones.
enum GoldenVectors {
    /// Decodes `protocol/vectors/<path>`. A file missing from `CONSILIUM_VECTORS` is reported and the committed one
    /// read instead, so that a golden test never passes without having read numbers.
    static func decode<Contents: Decodable>(_ type: Contents.Type, from path: String) throws -> Contents {
        let root = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        var file = root.appending(path: "protocol/vectors/\(path)")
        if let folder = ProcessInfo.processInfo.environment["CONSILIUM_VECTORS"] {
            let given = URL(fileURLWithPath: folder).appending(path: path)
            if FileManager.default.fileExists(atPath: given.path) {
                file = given
            } else {
                print("golden vectors: no \(path) in CONSILIUM_VECTORS, reading the committed file")
            }
        }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(Contents.self, from: Data(contentsOf: file))
    }
}
