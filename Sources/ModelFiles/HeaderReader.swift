// SPDX-License-Identifier: Apache-2.0
// A strict reader of the little JSON that a safetensors header may contain.

/// Reads JSON tokens from the header's bytes, front to back, without building a tree.
///
/// Written by hand because general JSON readers keep the last of two equal names in silence, and accept numbers,
/// nesting and depths that have no place in this format. There is no recursion: a file cannot choose the stack depth.
struct HeaderReader {
    private let bytes: ArraySlice<UInt8>
    private var position: Int

    /// - Parameter bytes: The header alone, with its padding.
    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        position = bytes.startIndex
    }

    /// Whether only padding is left.
    mutating func isAtEnd() -> Bool {
        skipBlanks()
        return position == bytes.endIndex
    }

    /// Takes `byte` if it is the next token.
    mutating func take(_ byte: Character) -> Bool {
        skipBlanks()
        guard position < bytes.endIndex, bytes[position] == byte.asciiValue else { return false }
        position += 1
        return true
    }

    /// Takes `byte`, which must be the next token.
    mutating func expect(_ byte: Character) throws {
        guard take(byte) else { throw malformed() }
    }

    /// Reads the members of an object, calling `member` with each name while the reader stands at its value.
    ///
    /// - Throws: ``ModelFileError`` when the object is malformed or a name appears twice.
    mutating func object(_ member: (inout HeaderReader, String) throws -> Void) throws {
        try expect("{")
        if take("}") { return }
        var names: Set<String> = []
        repeat {
            let start = position
            let name = try string()
            guard names.insert(name).inserted else {
                throw ModelFileError(.duplicateName, "a name in the header appears twice, at byte \(start)")
            }
            try expect(":")
            try member(&self, name)
        } while take(",")
        try expect("}")
    }

    /// Reads an array of at most `limit` whole numbers without sign.
    mutating func numbers(limit: Int) throws -> [Int] {
        try expect("[")
        if take("]") { return [] }
        var result: [Int] = []
        repeat {
            guard result.count < limit else { throw malformed() }
            result.append(try number())
        } while take(",")
        try expect("]")
        return result
    }

    /// Reads a whole number without sign, fraction, exponent or leading zero.
    private mutating func number() throws -> Int {
        skipBlanks()
        let start = position
        var value = 0
        while position < bytes.endIndex, case let digit = Int(bytes[position]) - 48, (0...9).contains(digit) {
            let (product, tooLarge) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflow) = product.addingReportingOverflow(digit)
            guard !tooLarge, !overflow else { throw malformed() }
            value = sum
            position += 1
        }
        guard position > start, bytes[start] != 48 || position == start + 1 else { throw malformed() }
        return value
    }

    /// Reads a string with its escapes; control characters and invalid UTF-8 are refused.
    mutating func string() throws -> String {
        try expect("\"")
        var text: [UInt8] = []
        while position < bytes.endIndex {
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let string = String(validating: text, as: UTF8.self) else { throw malformed() }
                return string
            case UInt8(ascii: "\\"): text += Array(String(try escapedScalar()).utf8)
            case 0..<32: throw malformed()
            default: text.append(byte)
            }
        }
        throw malformed()
    }

    private mutating func escapedScalar() throws -> Unicode.Scalar {
        guard position < bytes.endIndex else { throw malformed() }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try unicodeScalar()
        default: throw malformed()
        }
    }

    /// Reads the digits of `\uXXXX`, and of the second half of a surrogate pair (RFC 8259, section 7).
    private mutating func unicodeScalar() throws -> Unicode.Scalar {
        let first = try hexadecimal()
        var value = first
        if (0xD800..<0xDC00).contains(first) {
            guard bytes[position...].prefix(2).elementsEqual("\\u".utf8) else { throw malformed() }
            position += 2
            let second = try hexadecimal()
            guard (0xDC00..<0xE000).contains(second) else { throw malformed() }
            value = 0x10000 + (first - 0xD800) << 10 + (second - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(value) else { throw malformed() }
        return scalar
    }

    private mutating func hexadecimal() throws -> UInt32 {
        let digits = bytes[position...].prefix(4)
        guard digits.count == 4 else { throw malformed() }
        position += 4
        return try digits.reduce(0) { value, digit in
            guard let nibble = Character(Unicode.Scalar(digit)).hexDigitValue else { throw malformed() }
            return value << 4 | UInt32(nibble)
        }
    }

    private mutating func skipBlanks() {
        while position < bytes.endIndex, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[position]) { position += 1 }
    }

    private func malformed() -> ModelFileError {
        ModelFileError(.malformedHeader, "the header is not valid at byte \(position)")
    }
}
