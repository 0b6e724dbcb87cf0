// SPDX-License-Identifier: Apache-2.0
// Decimal numbers as people and programs write them; the slow, complete twin of the column kernel.

/// Reads blanks, sign, digits with one decimal mark, exponent, blanks: `63.0`, `.7`, `-1e-3`, `+5`.
package enum DecimalText {
    /// The nearest Double; `nil` for anything else, `nan`, `inf`, hexadecimal and numbers beyond Double among them.
    static func value(of text: UnsafeBufferPointer<UInt8>, mark: UInt8 = UInt8(ascii: ".")) -> Double? {
        let trimmed = text.trimmingBlanks
        guard isDecimal(trimmed, mark: mark) else { return nil }
        var copy = String(decoding: trimmed, as: UTF8.self)
        if mark == UInt8(ascii: ",") { copy = String(copy.map { $0 == "," ? "." : $0 }) }
        guard let value = Double(copy), value.isFinite else { return nil }
        return value
    }

    /// The same for a whole text.
    package static func value(of text: String, mark: UInt8 = UInt8(ascii: ".")) -> Double? {
        Array(text.utf8).withUnsafeBufferPointer { value(of: $0, mark: mark) }
    }

    private static func isDecimal(_ text: UnsafeBufferPointer<UInt8>, mark: UInt8) -> Bool {
        var rest = text[...]
        func takeDigits() -> Int {
            let digits = rest.prefix { (0x30...0x39).contains($0) }
            rest = rest.dropFirst(digits.count)
            return digits.count
        }
        func take(_ bytes: UInt8...) -> Bool {
            guard let first = rest.first, bytes.contains(first) else { return false }
            rest = rest.dropFirst()
            return true
        }
        _ = take(UInt8(ascii: "-"), UInt8(ascii: "+"))
        var digits = takeDigits()
        if take(mark) { digits += takeDigits() }
        guard digits > 0 else { return false }
        if take(UInt8(ascii: "e"), UInt8(ascii: "E")) {
            _ = take(UInt8(ascii: "-"), UInt8(ascii: "+"))
            guard takeDigits() > 0 else { return false }
        }
        return rest.isEmpty
    }
}
