// SPDX-License-Identifier: Apache-2.0
// Made-up data and training files for the tests.

import Foundation
import ModelTraining
import StudyFiles

enum SampleData {
    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// A folder that is removed after `body`.
    static func withFolder<Value>(_ body: (URL) throws -> Value) throws -> Value {
        let folder = FileManager.default.temporaryDirectory.appending(path: "training-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try body(folder)
    }

    static func parse(_ text: String, path: String = "training.yaml") throws -> TrainingFile {
        try TrainingFile.parse(YAMLDocument.parse(text, path: path), path: path)
    }

    /// Rows whose class follows from their features, each patient twice.
    static func table(rows: Int = 120) -> String {
        var text = "patient,age,marker,sex,died\n"
        for row in 0..<rows {
            let (age, marker) = (40 + row * 37 % 45, Double(row * 13 % 29) / 10)
            let died = Double(age) / 20 + marker > 4.5 ? "yes" : "no"
            text += "patient-\(row / 2)-secret,\(age),\(marker),\(row % 3 == 0 ? "f" : "m"),\(died)\n"
        }
        return text
    }

    /// - Parameter extra: Lines of `training` beside the fixed ones.
    static func tableTraining(
        epochs: Int = 3, extra: String = "",
        model: String = "layers: [dense: {units: 8, activation: relu}, dropout: {rate: 0.2}, dense: {units: 1}]"
    ) -> String {
        """
        model: {\(model)}
        loss: sigmoidCrossEntropy
        training:
          optimizer: adamW
          learningRate: 0.01
          schedule: {cosine: {final: 0}}
          batchSize: 16
          epochs: \(epochs)
          seed: 7
        \(extra)
        data:
          table:
            file: table.csv
            features: [age, marker, {sex: [f, m]}]
            label: died
            classes: ["no", "yes"]
            patient: patient
          validation: {share: 0.2}
          test: {share: 0.2}
        """
    }

    static func write(_ text: String, _ name: String, in folder: URL) throws {
        try Data(text.utf8).write(to: folder.appending(path: name))
    }

    /// An NPZ file of stored float32 and uint8 arrays.
    static func archive(_ arrays: [(name: String, type: String, shape: String, bytes: [UInt8])]) -> [UInt8] {
        func little(_ number: Int, _ bytes: Int) -> [UInt8] {
            (0..<bytes).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
        }
        var (file, directory): ([UInt8], [UInt8]) = ([], [])
        for array in arrays {
            var header = Array("{'descr': '\(array.type)', 'fortran_order': False, 'shape': \(array.shape), }".utf8)
            header += Array(repeating: 0x20, count: (64 - (11 + header.count) % 64) % 64) + [0x0A]
            let member = [0x93] + Array("NUMPY".utf8) + [1, 0] + little(header.count, 2) + header + array.bytes
            let name = Array("\(array.name).npy".utf8)
            let fields = little(0, 8) + little(checksum(member), 4) + little(member.count, 4) + little(member.count, 4)
            directory +=
                Array("PK".utf8) + [1, 2] + little(20, 2) + little(20, 2) + fields + little(name.count, 2)
                + little(0, 12) + little(file.count, 4) + name
            file +=
                Array("PK".utf8) + [3, 4] + little(20, 2) + fields + little(name.count, 2) + little(0, 2) + name
                + member
        }
        return file + directory + Array("PK".utf8) + [5, 6] + little(0, 4) + little(arrays.count, 2)
            + little(arrays.count, 2) + little(directory.count, 4) + little(file.count, 4) + little(0, 2)
    }

    static func bytes(_ floats: [Float]) -> [UInt8] {
        floats.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) } }
    }

    /// CRC-32, bit by bit.
    private static func checksum(_ bytes: [UInt8]) -> Int {
        var crc: UInt32 = 0xFFFF_FFFF
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
        }
        return Int(~crc)
    }
}
