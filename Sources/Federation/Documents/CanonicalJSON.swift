// SPDX-License-Identifier: Apache-2.0
// Canonical JSON: one byte string for one value, so that a hash names a study, a task or a log entry.

/// A value that has exactly one encoding: objects, arrays, strings and 64-bit integers.
///
/// Encoding: UTF-8, keys sorted by their bytes, no blanks, only `"`, `\` and control characters escaped
/// (`\b \t \n \f \r`, else `\u00xx` in lower case). Decimals and Booleans are strings, see ``decimalText(_:)``.
package enum CanonicalValue: Hashable, Sendable {
    case object([String: CanonicalValue])
    case array([CanonicalValue])
    case string(String)
    case integer(Int64)

    package static func decimal(_ value: Double) -> CanonicalValue { .string(decimalText(value)) }
    package static func boolean(_ value: Bool) -> CanonicalValue { .string(value ? "true" : "false") }
    package static func count(_ value: Int) -> CanonicalValue { .integer(Int64(value)) }
    package static func strings(_ values: [String]) -> CanonicalValue { .array(values.map { .string($0) }) }

    /// The canonical bytes.
    package var bytes: [UInt8] {
        var output: [UInt8] = []
        append(to: &output)
        return output
    }

    private func append(to output: inout [UInt8]) {
        switch self {
        case .integer(let value): output.append(contentsOf: String(value).utf8)
        case .string(let text): Self.appendQuoted(text, to: &output)
        case .array(let values):
            output.append(UInt8(ascii: "["))
            for (index, value) in values.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                value.append(to: &output)
            }
            output.append(UInt8(ascii: "]"))
        case .object(let fields):
            output.append(UInt8(ascii: "{"))
            // Swift compares strings by canonical equivalence; the canonical order is that of the bytes.
            let keys = fields.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            for (index, key) in keys.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                Self.appendQuoted(key, to: &output)
                output.append(UInt8(ascii: ":"))
                fields[key]?.append(to: &output)
            }
            output.append(UInt8(ascii: "}"))
        }
    }

    private static func appendQuoted(_ text: String, to output: inout [UInt8]) {
        let hexDigits = Array("0123456789abcdef".utf8)
        output.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): output.append(contentsOf: [UInt8(ascii: "\\"), byte])
            case 0x08: output.append(contentsOf: "\\b".utf8)
            case 0x09: output.append(contentsOf: "\\t".utf8)
            case 0x0A: output.append(contentsOf: "\\n".utf8)
            case 0x0C: output.append(contentsOf: "\\f".utf8)
            case 0x0D: output.append(contentsOf: "\\r".utf8)
            case 0..<0x20:
                output.append(contentsOf: "\\u00".utf8)
                output.append(hexDigits[Int(byte >> 4)])
                output.append(hexDigits[Int(byte & 15)])
            default: output.append(byte)
            }
        }
        output.append(UInt8(ascii: "\""))
    }
}

/// The shortest decimal text that reads back to the same Double: `0.01`, `15`, `1e-5`, never `15.0` or `1e-05`.
///
/// Plain from 1e-4 to 2⁵³, else with an exponent.
package func decimalText(_ value: Double) -> String {
    precondition(value.isFinite, "only finite numbers have a canonical text")
    if value == 0 { return "0" }
    var text = value.description  // Swift prints the shortest digits that round-trip.
    if text.hasSuffix(".0") { text.removeLast(2) }
    guard let marker = text.firstIndex(of: "e") else { return text }
    var mantissa = String(text[..<marker])
    if mantissa.hasSuffix(".0") { mantissa.removeLast(2) }
    let exponent = Int(text[text.index(after: marker)...].drop { $0 == "+" }) ?? 0
    return "\(mantissa)e\(exponent)"
}
