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
        return try decode(type, at: file)
    }

    /// A file that others published and that is not ours to commit: of `CONSILIUM_VECTORS`, else of `shared/vectors` beside
    /// the project; nil where it is not there.
    static func published(_ path: String) -> URL? {
        let beside = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "shared/vectors")
        let given = ProcessInfo.processInfo.environment["CONSILIUM_VECTORS"].map { URL(fileURLWithPath: $0) }
        return [given, beside].compactMap { $0?.appending(path: path) }
            .first { FileManager.default.fileExists(atPath: $0.path) }
    }

    static func decode<Contents: Decodable>(_ type: Contents.Type, at file: URL) throws -> Contents {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(Contents.self, from: Data(contentsOf: file))
    }
}
