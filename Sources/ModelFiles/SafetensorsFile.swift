// SPDX-License-Identifier: Apache-2.0
// A whole safetensors file in memory with tensors of several types, such as test vectors.

/// A file whose tensors are read by name.
package struct SafetensorsFile: Sendable {
    package let header: SafetensorsHeader
    private let bytes: [UInt8]

    /// - Throws: ``ModelFileError`` for anything but a valid file, whole and with nothing after it.
    package init(bytes: [UInt8]) throws {
        let count = try SafetensorsHeader.headerByteCount(prefix: bytes.prefix(8), fileByteCount: bytes.count)
        header = try SafetensorsHeader(parsing: bytes[8..<8 + count], fileByteCount: bytes.count)
        self.bytes = bytes
    }

    /// The tensor called `name`.
    ///
    /// - Throws: ``ModelFileError`` with the code `noSuchTensor`.
    package func tensor(_ name: String) throws -> TensorEntry {
        guard let entry = header.tensors.first(where: { $0.name == name }) else {
            throw ModelFileError(.noSuchTensor, "the file has no tensor of that name", hint: "compare with its header")
        }
        return entry
    }

    /// The elements of a tensor of any type, row-major; integers beyond 2⁵³ are rounded.
    ///
    /// - Throws: ``ModelFileError`` with the code `noSuchTensor`.
    package func values(_ name: String) throws -> [Double] {
        let entry = try tensor(name)
        let start = header.dataStart + entry.byteOffset
        return bytes.withUnsafeBytes { raw in
            (0..<entry.count).map { index in
                let place = start + index * entry.type.byteCount
                func load<Bits: FixedWidthInteger>(_ type: Bits.Type) -> Bits {
                    Bits(littleEndian: raw.loadUnaligned(fromByteOffset: place, as: type))
                }
                return switch entry.type {
                case .float32: Double(Float(bitPattern: load(UInt32.self)))
                case .float64: Double(bitPattern: load(UInt64.self))
                case .int32: Double(load(Int32.self))
                case .int64: Double(load(Int64.self))
                }
            }
        }
    }

    /// The elements of a tensor as floats: float32 bit for bit, other types rounded.
    ///
    /// - Throws: ``ModelFileError`` with the code `noSuchTensor`.
    package func floats(_ name: String) throws -> [Float] {
        let entry = try tensor(name)
        guard entry.type == .float32 else { return try values(name).map { Float($0) } }
        let start = header.dataStart + entry.byteOffset
        return ModelFile.floats(littleEndian: bytes[start..<start + entry.byteCount])
    }
}
