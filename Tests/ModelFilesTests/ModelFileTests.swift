// SPDX-License-Identifier: Apache-2.0
// Model files: exact bytes, round trips to the bit, chunks, and durable replacement.

import Foundation
import ModelFiles
import Testing

@Suite struct ModelFileTests {
    /// Every kind of float, among them NaNs with a payload and the signalling one.
    private static let parameters: [Float] = [
        0, -0.0, 1, -1.5, .pi, .infinity, -.infinity, .leastNonzeroMagnitude, .greatestFiniteMagnitude,
        Float(bitPattern: 0x7FC0_1234), Float(bitPattern: 0x7F80_0001), Float(bitPattern: 0xFFFF_FFFF),
    ]
    private static let tensors: [(name: String, shape: [Int])] = [
        ("0.weight", [2, 4]), ("0.bias", [2]), ("empty", [0, 3]), ("scalar", []), ("2.bias", [1]),
    ]
    private static let metadata = ["study": "köln \"1\"", "a": "tab\tand\\", "é": ""]

    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try body(folder)
    }

    @Test func theBytesAreExactlyThese() {
        let bytes = ModelFile.bytes(
            metadata: ["b": "2", "a": "1"], tensors: [("w", [1, 2]), ("b", [1])], parameters: [1, 2, -3])
        let header =
            #"{"__metadata__":{"a":"1","b":"2"},"w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"#
            + #""b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}"#
        let padded = header + String(repeating: " ", count: (8 - header.utf8.count % 8) % 8)
        let data: [UInt8] = [0, 0, 0x80, 0x3F, 0, 0, 0, 0x40, 0, 0, 0x40, 0xC0]
        #expect(bytes == [UInt8(padded.utf8.count), 0, 0, 0, 0, 0, 0, 0] + Array(padded.utf8) + data)
    }

    @Test func filesComeBackToTheBit() throws {
        try withFolder { folder in
            let path = folder + "/model.safetensors"
            try ModelFile.write(
                to: path, metadata: Self.metadata, tensors: Self.tensors, parameters: Self.parameters)
            let (model, parameters) = try ModelFile.readWithParameters(path)
            #expect(parameters.map(\.bitPattern) == Self.parameters.map(\.bitPattern))
            #expect(model.metadata == Self.metadata)
            #expect(model.floatCount == 12)
            #expect(model.tensors.filter { $0.count > 0 }.map(\.name) == ["0.weight", "0.bias", "scalar", "2.bias"])
            #expect(model.tensors.first { $0.name == "2.bias" }?.offset == 11)
            #expect(try ModelFile.read(path) == model)

            let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
            let inMemory = ModelFile.bytes(
                metadata: Self.metadata, tensors: Self.tensors, parameters: Self.parameters)
            #expect(bytes == inMemory)
            #expect(try ModelFile(bytes: bytes) == model)
            #expect(try model.parameters(in: bytes).map(\.bitPattern) == Self.parameters.map(\.bitPattern))
            #expect(model.dataStart % 8 == 0)
        }
    }

    @Test(arguments: [0, 5, 12]) func spareMemoryLeavesNothingInTheParameters(count: Int) throws {
        try withFolder { folder in
            let path = folder + "/model.safetensors"
            try ModelFile.write(
                to: path, metadata: Self.metadata, tensors: Self.tensors, parameters: Self.parameters)
            let spare = [Float](repeating: 7, count: count)
            let parameters = try ModelFile.readWithParameters(path, reusing: spare).parameters
            #expect(parameters.map(\.bitPattern) == Self.parameters.map(\.bitPattern))
            #expect(spare.allSatisfy { $0 == 7 })
        }
    }

    @Test func chunksAddUpToTheParameters() throws {
        try withFolder { folder in
            let path = folder + "/model.safetensors"
            let parameters = (0..<1001).map { Float($0) }
            try ModelFile.write(to: path, metadata: [:], tensors: [("w", [7, 11, 13])], parameters: parameters)
            let model = try ModelFile.read(path)
            for size in [4, 100, 4004, 1 << 20] {
                var read: [Float] = []
                try model.forEachChunk(at: path, largestByteCount: size) { chunk in
                    #expect(chunk.count <= size)
                    read += ModelFile.floats(littleEndian: chunk)
                }
                #expect(read == parameters)
            }
        }
    }

    @Test func aReplacedFileIsNoticedByItsReader() throws {
        try withFolder { folder in
            let path = folder + "/model.safetensors"
            try ModelFile.write(to: path, metadata: [:], tensors: [("w", [2])], parameters: [1, 2])
            let model = try ModelFile.read(path)
            try ModelFile.write(to: path, metadata: [:], tensors: [("w", [3])], parameters: [1, 2, 3])
            #expect(throws: ModelFileError.self) { try model.forEachChunk(at: path) { _ in } }
        }
    }

    @Test func writingReplacesAndLeavesNothingBehind() throws {
        try withFolder { folder in
            let path = folder + "/model.safetensors"
            for value in [Float(1), 2] {
                try ModelFile.write(to: path, metadata: [:], tensors: [("w", [1])], parameters: [value])
                #expect(try ModelFile.readWithParameters(path).parameters == [value])
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["model.safetensors"])
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
        }
    }

    @Test func failuresNameTheReasonAndLeaveNothingBehind() throws {
        try withFolder { folder in
            func code(_ body: () throws -> Void) -> ModelFileError.Code? {
                do { try body() } catch { return (error as? ModelFileError)?.code }
                return nil
            }
            #expect(code { _ = try ModelFile.read(folder + "/absent") } == .inputOutput)
            #expect(code { _ = try ModelFile.read(folder) } != nil)
            #expect(
                code {
                    try ModelFile.write(
                        to: folder + "/absent/model", metadata: [:], tensors: [("w", [1])], parameters: [1])
                } == .inputOutput)
            // A folder stands where the file should go: the rename fails after the temporary file is written.
            try FileManager.default.createDirectory(atPath: folder + "/taken/inside", withIntermediateDirectories: true)
            #expect(
                code {
                    try ModelFile.write(to: folder + "/taken", metadata: [:], tensors: [("w", [1])], parameters: [1])
                } == .inputOutput)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["taken"])
        }
    }

    @Test func onlyFloat32IsAModel() throws {
        let header = #"{"w":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}"#
        let bytes =
            [UInt8(header.utf8.count), 0, 0, 0, 0, 0, 0, 0] + Array(header.utf8) + [UInt8](repeating: 0, count: 8)
        #expect(try SafetensorsFile(bytes: bytes).values("w") == [0])
        #expect(throws: ModelFileError.self) { try ModelFile(bytes: bytes) }
    }
}
