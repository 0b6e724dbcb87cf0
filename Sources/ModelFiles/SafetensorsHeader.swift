// SPDX-License-Identifier: Apache-2.0
// The header of a safetensors file, read with suspicion and written byte for byte the same every time.

/// The names, shapes and places of a file's tensors.
///
/// A file is: the header's length, 8 bytes little-endian; the header, JSON; the data. Invariant: the tensors, in the
/// order of their places, cover the data without gap or overlap.
/// Source: github.com/huggingface/safetensors, README "Format".
package struct SafetensorsHeader: Hashable, Sendable {
    /// The file's free texts, by name.
    package let metadata: [String: String]
    /// The tensors in the order of their places in the data.
    package let tensors: [TensorEntry]
    /// Where the data begins, in bytes from the start of the file.
    package let dataStart: Int
    /// The length of the data, in bytes.
    package let dataByteCount: Int

    /// The longest header that is read: 16 MiB.
    package static let largestHeaderBytes = 16 << 20
    /// The most dimensions of a tensor.
    package static let largestRank = 8

    /// Reads the length of the header from the first 8 bytes of a file.
    ///
    /// - Throws: ``ModelFileError`` when the file is shorter than its header says, or the header too long.
    package static func headerByteCount(prefix: some Collection<UInt8>, fileByteCount: Int) throws -> Int {
        guard prefix.count >= 8, fileByteCount >= 8 else {
            throw ModelFileError(.truncated, "the file has \(fileByteCount) bytes, fewer than a header's length takes")
        }
        let length = prefix.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard length <= UInt64(largestHeaderBytes) else {
            throw ModelFileError(.headerTooLarge, "the header claims more than \(largestHeaderBytes) bytes")
        }
        guard Int(length) <= fileByteCount - 8 else {
            throw ModelFileError(
                .truncated, "the header claims \(length) bytes, the file has \(fileByteCount - 8) after its length")
        }
        return Int(length)
    }

    /// Reads a header.
    ///
    /// - Parameters:
    ///   - bytes: The JSON, without the 8 bytes of its length.
    ///   - fileByteCount: The length of the whole file.
    /// - Throws: ``ModelFileError`` for anything but one valid header that describes all of the data.
    package init(parsing bytes: ArraySlice<UInt8>, fileByteCount: Int) throws {
        guard bytes.first == UInt8(ascii: "{") else {
            throw ModelFileError(.malformedHeader, "the header does not begin with a brace")
        }
        let (start, size) = (8 + bytes.count, fileByteCount - 8 - bytes.count)
        guard size >= 0 else { throw ModelFileError(.truncated, "the file ends inside its header") }
        var texts: [String: String] = [:]
        var entries: [TensorEntry] = []
        var reader = HeaderReader(bytes)
        try reader.object { reader, name in
            if name == "__metadata__" {
                try reader.object { reader, key in texts[key] = try reader.string() }
            } else {
                entries.append(try Self.entry(named: name, index: entries.count, dataByteCount: size, &reader))
            }
        }
        guard reader.isAtEnd() else {
            throw ModelFileError(.malformedHeader, "something follows the object in the header")
        }
        // An empty tensor goes before the one that begins at the same place.
        entries.sort { ($0.byteOffset, $0.byteCount, $0.name) < ($1.byteOffset, $1.byteCount, $1.name) }
        var end = 0
        for (index, entry) in entries.enumerated() {
            guard entry.byteOffset == end else {
                throw ModelFileError(
                    .wrongOffsets, "tensor \(index) begins at byte \(entry.byteOffset) of the data, \(end) was expected"
                )
            }
            end += entry.byteCount
        }
        guard end == size else {
            throw ModelFileError(.wrongLength, "the tensors take \(end) bytes, the file has \(size) bytes of data")
        }
        metadata = texts
        tensors = entries
        dataStart = start
        dataByteCount = size
    }

    private static func entry(
        named name: String, index: Int, dataByteCount: Int, _ reader: inout HeaderReader
    ) throws -> TensorEntry {
        var (type, shape, range): (ElementType?, [Int]?, [Int]?) = (nil, nil, nil)
        try reader.object { reader, key in
            switch key {
            case "dtype":
                type = ElementType(rawValue: try reader.string())
                guard type != nil else {
                    throw ModelFileError(
                        .unsupportedType, "tensor \(index) has an element type that is not read here",
                        hint: "export the model with 32-bit floats")
                }
            case "shape": shape = try reader.numbers(limit: largestRank)
            case "data_offsets": range = try reader.numbers(limit: 2)
            default: throw ModelFileError(.malformedHeader, "tensor \(index) has a field the format does not know")
            }
        }
        guard !name.isEmpty, let type, let shape, let range, range.count == 2 else {
            throw ModelFileError(.malformedHeader, "tensor \(index) lacks its name, type, shape or offsets")
        }
        guard range[0] <= range[1], range[1] <= dataByteCount else {
            throw ModelFileError(
                .wrongOffsets, "tensor \(index) takes bytes \(range[0]) to \(range[1]) of \(dataByteCount)")
        }
        var byteCount = type.byteCount
        for length in shape {
            let (product, overflow) = byteCount.multipliedReportingOverflow(by: length)
            guard !overflow else { throw ModelFileError(.wrongShape, "tensor \(index) has too many elements") }
            byteCount = product
        }
        guard byteCount == range[1] - range[0] else {
            throw ModelFileError(
                .wrongShape, "tensor \(index) has \(range[1] - range[0]) bytes, its shape needs \(byteCount)")
        }
        return TensorEntry(
            name: name, type: type, shape: shape, count: byteCount / type.byteCount, byteOffset: range[0])
    }
}
