// SPDX-License-Identifier: Apache-2.0
// The bytes before a model's parameters: the same names, shapes and texts give the same bytes.

extension SafetensorsHeader {
    /// The first bytes of a file: length and header, padded with blanks to a multiple of 8.
    ///
    /// Metadata comes first, in the order of the UTF-8 bytes of its keys, then the tensors in the given order, each
    /// float32 and directly after the one before it. No blank but the padding.
    /// - Precondition: Names are not empty, differ, and are not `"__metadata__"`; shapes have no negative length and at
    ///   most ``largestRank`` dimensions; the header stays within ``largestHeaderBytes``.
    package static func headerBytes(
        tensors: [(name: String, shape: [Int])], metadata: [String: String]
    ) -> [UInt8] {
        let names = Set(tensors.map(\.name))
        precondition(
            names.count == tensors.count && !names.contains("__metadata__") && !names.contains(""),
            "tensor names must differ")
        var members: [String] = []
        if !metadata.isEmpty {
            let texts = metadata.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
                .map { "\(quoted($0.key)):\(quoted($0.value))" }
            members.append("\"__metadata__\":{\(texts.joined(separator: ","))}")
        }
        var offset = 0
        for (name, shape) in tensors {
            precondition(shape.count <= largestRank && shape.allSatisfy { $0 >= 0 }, "a shape that cannot be read")
            let end = offset + shape.reduce(4, *)
            let lengths = shape.map(String.init).joined(separator: ",")
            members.append(
                "\(quoted(name)):{\"dtype\":\"F32\",\"shape\":[\(lengths)],\"data_offsets\":[\(offset),\(end)]}")
            offset = end
        }
        var header = Array("{\(members.joined(separator: ","))}".utf8)
        header += [UInt8](repeating: UInt8(ascii: " "), count: (8 - header.count % 8) % 8)
        precondition(header.count <= largestHeaderBytes, "a header of \(header.count) bytes")
        return (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) } + header
    }

    /// `text` as a JSON string: only what RFC 8259, section 7, obliges to escape is escaped.
    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case _ where scalar.value < 32:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
