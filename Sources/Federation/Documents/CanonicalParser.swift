// SPDX-License-Identifier: Apache-2.0
// Reads canonical JSON bytes from a peer or a store and refuses every other spelling of the same value.

/// Why bytes are not canonical JSON.
package enum CanonicalJSONError: Error, Equatable, Sendable {
    /// The bytes are not JSON of objects, arrays, strings and integers; `offset` is where reading stopped.
    case malformed(offset: Int)
    /// The value nests deeper than the parser allows.
    case tooDeep(limit: Int)
    /// The bytes are JSON but not its canonical spelling (order, blanks, escapes, duplicate keys, `-0`).
    case notCanonical
}

extension CanonicalValue {
    /// Parses canonical bytes.
    ///
    /// The check is by re-encoding: what does not encode to the same bytes is refused, so no laxness of the parser
    /// can give one value two hashes.
    package init(canonicalBytes bytes: [UInt8]) throws(CanonicalJSONError) {
        var parser = CanonicalParser(bytes: bytes)
        let value = try parser.value(depth: 0)
        guard parser.offset == bytes.count else { throw .malformed(offset: parser.offset) }
        guard value.bytes == bytes else { throw .notCanonical }
        self = value
    }

    /// The same value as a document without positions, for the readers of studies and tasks.
    package var documentNode: DocumentNode {
        switch self {
        case .integer(let value): DocumentNode(.scalar(String(value)))
        case .string(let text): DocumentNode(.scalar(text))
        case .array(let values): DocumentNode(.sequence(values.map(\.documentNode)))
        case .object(let fields):
            DocumentNode(
                .mapping(
                    fields.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
                        .map { ($0.key, nil, $0.value.documentNode) }))
        }
    }
}

private struct CanonicalParser {
    static let depthLimit = 32
    let bytes: [UInt8]
    var offset = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func value(depth: Int) throws(CanonicalJSONError) -> CanonicalValue {
        guard depth < Self.depthLimit else { throw .tooDeep(limit: Self.depthLimit) }
        switch peek() {
        case UInt8(ascii: "{"): return .object(try object(depth: depth))
        case UInt8(ascii: "["): return .array(try array(depth: depth))
        case UInt8(ascii: "\""): return .string(try string())
        default: return .integer(try integer())
        }
    }

    private func peek() -> UInt8? { offset < bytes.count ? bytes[offset] : nil }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard peek() == byte else { return false }
        offset += 1
        return true
    }

    private mutating func expect(_ byte: UInt8) throws(CanonicalJSONError) {
        guard take(byte) else { throw .malformed(offset: offset) }
    }

    private mutating func object(depth: Int) throws(CanonicalJSONError) -> [String: CanonicalValue] {
        try expect(UInt8(ascii: "{"))
        var fields: [String: CanonicalValue] = [:]
        if take(UInt8(ascii: "}")) { return fields }
        repeat {
            let key = try string()
            try expect(UInt8(ascii: ":"))
            let field = try value(depth: depth + 1)
            guard fields.updateValue(field, forKey: key) == nil else { throw .notCanonical }
        } while take(UInt8(ascii: ","))
        try expect(UInt8(ascii: "}"))
        return fields
    }

    private mutating func array(depth: Int) throws(CanonicalJSONError) -> [CanonicalValue] {
        try expect(UInt8(ascii: "["))
        var values: [CanonicalValue] = []
        if take(UInt8(ascii: "]")) { return values }
        repeat { values.append(try value(depth: depth + 1)) } while take(UInt8(ascii: ","))
        try expect(UInt8(ascii: "]"))
        return values
    }

    private mutating func integer() throws(CanonicalJSONError) -> Int64 {
        let start = offset
        _ = take(UInt8(ascii: "-"))
        while let byte = peek(), (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { offset += 1 }
        guard let value = Int64(String(decoding: bytes[start..<offset], as: UTF8.self)) else {
            throw .malformed(offset: start)
        }
        return value
    }

    private mutating func string() throws(CanonicalJSONError) -> String {
        try expect(UInt8(ascii: "\""))
        var content: [UInt8] = []
        while let byte = peek(), byte != UInt8(ascii: "\"") {
            offset += 1
            guard byte == UInt8(ascii: "\\") else {
                content.append(byte)
                continue
            }
            content.append(try escape())
        }
        try expect(UInt8(ascii: "\""))
        guard let text = String(validating: content, as: UTF8.self) else { throw .malformed(offset: offset) }
        return text
    }

    private mutating func escape() throws(CanonicalJSONError) -> UInt8 {
        guard let byte = peek() else { throw .malformed(offset: offset) }
        offset += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): return byte
        case UInt8(ascii: "b"): return 0x08
        case UInt8(ascii: "t"): return 0x09
        case UInt8(ascii: "n"): return 0x0A
        case UInt8(ascii: "f"): return 0x0C
        case UInt8(ascii: "r"): return 0x0D
        case UInt8(ascii: "u"):
            guard offset + 4 <= bytes.count,
                let code = UInt32(String(decoding: bytes[offset..<offset + 4], as: UTF8.self), radix: 16), code < 0x20
            else { throw .malformed(offset: offset) }
            offset += 4
            return UInt8(code)
        default: throw .malformed(offset: offset - 1)
        }
    }
}
