// SPDX-License-Identifier: Apache-2.0
// The header of an NPY file: a few bytes, then a Python dictionary of three entries, which is read and never run.

/// What an NPY file says about its array.
///
/// Layout: `\x93NUMPY`, version (major, minor), the length of the text in 2 bytes (version 1) or 4 (2 and 3), the text
/// `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }` with blanks after it, the elements.
/// Source: NumPy 2.4 reference, `numpy.lib.format`, "Format Version 1.0" to "3.0".
struct NumpyHeader {
    enum Problem: Error {
        case damaged(String)
        case unsupported(String, hint: String)
    }

    /// The longest text that is read, as in NumPy itself.
    static let textLimit = 10_000
    static let largestRank = 8
    private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

    let type: NumpyArray.ElementType
    let shape: [Int]
    /// Where the elements begin.
    let dataStart: Int

    /// Reads the header of a whole file, whose elements must fill the rest of it.
    init(_ bytes: [UInt8]) throws(Problem) {
        let text = try Self.text(in: bytes)
        dataStart = text.endIndex
        var reader = PythonLiteral(text)
        var values: [String: PythonLiteral.Value] = [:]
        guard reader.take("{") else { throw .damaged("its header is not a dictionary") }
        while !reader.take("}") {
            guard let key = reader.text(), reader.take(":"), let value = reader.value(),
                values.updateValue(value, forKey: key) == nil, reader.take(",") || reader.isAt("}")
            else { throw .damaged("its header cannot be understood") }
        }
        guard reader.isAtEnd, values.count == 3, let description = values["descr"],
            case .truth(let isFortran) = values["fortran_order"], case .numbers(let lengths) = values["shape"]
        else { throw .damaged("its header lacks an entry or has another one") }
        type = try Self.elementType(description)
        // The two orders are one with fewer than two dimensions.
        guard !isFortran || lengths.count < 2 else {
            throw .unsupported("is stored column by column", hint: "save numpy.ascontiguousarray of it")
        }
        shape = lengths
        try Self.requireFit(shape, type, byteCount: bytes.count - dataStart)
    }

    private static func text(in bytes: [UInt8]) throws(Problem) -> ArraySlice<UInt8> {
        guard bytes.count >= 12, bytes.starts(with: magic) else { throw .damaged("it is not an NPY file") }
        guard (1...3).contains(bytes[6]), bytes[7] == 0 else {
            throw .unsupported(
                "has version \(bytes[6]).\(bytes[7]) of the NPY format", hint: "save it again with numpy.savez")
        }
        let isFirst = bytes[6] == 1
        let start = isFirst ? 10 : 12
        let length = isFirst ? bytes.number16(at: 8) : bytes.number32(at: 8)
        guard length <= textLimit else {
            throw .unsupported(
                "has a header of \(length) bytes", hint: "save plain arrays of numbers, without named fields")
        }
        guard length <= bytes.count - start else { throw .damaged("it ends within its header") }
        return bytes[start..<start + length]
    }

    private static func elementType(_ value: PythonLiteral.Value) throws(Problem) -> NumpyArray.ElementType {
        let known = "bool, uint8, int8, int16, int32, int64, float32 or float64"
        guard case .text(let word) = value else {
            throw .unsupported("has elements of several fields", hint: "save each field as an array of its own")
        }
        if let type = NumpyArray.ElementType(rawValue: word) { return type }
        if word.contains("O") {
            throw .unsupported(
                "holds pickled objects, which are never read", hint: "save arrays of numbers: \(known)")
        }
        if word.hasPrefix(">") {
            throw .unsupported("is big-endian", hint: "save it after .astype of the type with `<`, such as '<f4'")
        }
        throw .unsupported("has elements of a type that is not read", hint: "convert it with .astype to \(known)")
    }

    private static func requireFit(
        _ shape: [Int], _ type: NumpyArray.ElementType, byteCount: Int
    ) throws(Problem) {
        guard shape.count <= largestRank else {
            throw .unsupported("has \(shape.count) dimensions", hint: "reshape it to \(largestRank) at most")
        }
        var needed = type.byteCount
        for length in shape {
            let (product, overflow) = needed.multipliedReportingOverflow(by: length)
            guard !overflow else { throw .damaged("its shape has too many elements") }
            needed = product
        }
        guard needed == byteCount else {
            throw .damaged("its shape takes \(needed) bytes, \(byteCount) are there")
        }
    }
}

/// Reads the few forms of Python literals that an NPY header has.
private struct PythonLiteral {
    enum Value {
        case text(String)
        case truth(Bool)
        /// A tuple of numbers that are not negative.
        case numbers([Int])
        /// A list, as for elements of several fields; what is in it does not matter.
        case list
    }

    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    private mutating func skipBlanks() { rest = rest.drop { $0 == 0x20 || $0 == 0x0A } }

    var isAtEnd: Bool {
        mutating get {
            skipBlanks()
            return rest.isEmpty
        }
    }

    mutating func isAt(_ mark: Unicode.Scalar) -> Bool {
        skipBlanks()
        return rest.first == UInt8(ascii: mark)
    }

    mutating func take(_ mark: Unicode.Scalar) -> Bool {
        guard isAt(mark) else { return false }
        rest.removeFirst()
        return true
    }

    mutating func value() -> Value? {
        if let text = text() { return .text(text) }
        if takeWord("True") { return .truth(true) }
        if takeWord("False") { return .truth(false) }
        if let numbers = numbers() { return .numbers(numbers) }
        return takeList() ? .list : nil
    }

    /// A text in single or double quotes, without escapes.
    mutating func text() -> String? {
        for quote: Unicode.Scalar in ["'", "\""] where take(quote) {
            guard let end = rest.firstIndex(of: UInt8(ascii: quote)) else { return nil }
            defer { rest = rest[(end + 1)...] }
            return String(validating: rest[..<end], as: UTF8.self)
        }
        return nil
    }

    private mutating func takeWord(_ word: String) -> Bool {
        skipBlanks()
        guard rest.starts(with: word.utf8) else { return false }
        rest.removeFirst(word.utf8.count)
        return true
    }

    /// `()`, `(3,)` or `(3, 4)`; `(3)` is a number to Python and not a tuple.
    private mutating func numbers() -> [Int]? {
        guard take("(") else { return nil }
        var numbers: [Int] = []
        var hasComma = false
        while !take(")") {
            guard numbers.isEmpty || hasComma, let number = number() else { return nil }
            numbers.append(number)
            hasComma = take(",")
        }
        return numbers.count == 1 && !hasComma ? nil : numbers
    }

    private mutating func number() -> Int? {
        skipBlanks()
        let digits = rest.prefix { (0x30...0x39).contains($0) }
        rest = rest[digits.endIndex...]
        return Int(String(decoding: digits, as: UTF8.self))
    }

    private mutating func takeList() -> Bool {
        guard take("["), let end = rest.lastIndex(of: UInt8(ascii: "]")) else { return false }
        rest = rest[(end + 1)...]
        return true
    }
}
