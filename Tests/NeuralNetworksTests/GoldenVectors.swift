// SPDX-License-Identifier: Apache-2.0
// Finds and reads the golden files of layers, losses and optimisers.

import Foundation
import ModelFiles
import Tensors
import Testing

/// The golden files under `nn/`: those of the folder named in `CONSILIUM_VECTORS`, else the committed ones.
enum GoldenVectors {
    /// A file's tensors and the description of the case in its metadata.
    struct Case {
        let file: SafetensorsFile
        let parameters: [String: Any]

        func number(_ name: String) -> Double? { (parameters[name] as? NSNumber)?.doubleValue }
        func flag(_ name: String) -> Bool { (parameters[name] as? NSNumber)?.boolValue ?? false }
        func numbers(_ name: String) -> [Double]? { (parameters[name] as? [NSNumber])?.map(\.doubleValue) }
    }

    private static let folder = ProcessInfo.processInfo.environment["CONSILIUM_VECTORS"]
    private static let root =
        folder ?? URL(fileURLWithPath: #filePath + "/../../../protocol/vectors").standardized.path

    /// A file beside the golden ones.
    static func bytes(of name: String) throws -> Data {
        try Data(contentsOf: URL(fileURLWithPath: "\(root)/nn/\(name)"))
    }

    /// Runs `body` on each named file. A file missing from `CONSILIUM_VECTORS` is reported; a missing committed file is
    /// an error, and so is a run that found none.
    static func forEach(_ names: [String], _ body: (String, Case) throws -> Void) throws {
        let (folder, root) = (Self.folder, Self.root)
        var read = 0
        for name in names {
            let path = "\(root)/nn/\(name).safetensors"
            guard folder == nil || FileManager.default.fileExists(atPath: path) else {
                print("golden vectors: no nn/\(name).safetensors in CONSILIUM_VECTORS")
                continue
            }
            let file = try SafetensorsFile(bytes: [UInt8](Data(contentsOf: URL(fileURLWithPath: path))))
            let description = Data((file.header.metadata["case"] ?? "{}").utf8)
            let parameters = try JSONSerialization.jsonObject(with: description) as? [String: Any]
            try body(name, Case(file: file, parameters: parameters ?? [:]))
            read += 1
        }
        #expect(read > 0, "no golden file was read")
    }

    /// Whether values agree to 2·10⁻⁵ of the larger of each value and the tensor's mean size; in bfloat16 to 10⁻² of the
    /// tensor's norm.
    static func agree(_ values: [Float], _ expected: [Double], _ precision: Precision = .float32) -> Bool {
        if precision == .bfloat16 {
            let error = zip(values, expected).reduce(0) { $0 + (Double($1.0) - $1.1) * (Double($1.0) - $1.1) }
            return values.count == expected.count && error <= 1e-4 * expected.reduce(0) { $0 + $1 * $1 }
        }
        let scale = expected.reduce(0) { $0 + abs($1) } / Double(max(expected.count, 1))
        return values.count == expected.count && !values.isEmpty
            && zip(values, expected).allSatisfy { abs(Double($0) - $1) <= 2e-5 * max(abs($1), scale) }
    }
}
