// SPDX-License-Identifier: Apache-2.0
// The byte between two fields, given by the mapping or found in the first lines.

/// What stands between two fields of a row.
package enum Separator: String, CaseIterable, Hashable, Sendable {
    // In the order in which a tie is decided: a comma is the likeliest to be something else.
    case tab
    case bar
    case semicolon
    case comma

    package var byte: UInt8 {
        switch self {
        case .tab: UInt8(ascii: "\t")
        case .bar: UInt8(ascii: "|")
        case .semicolon: UInt8(ascii: ";")
        case .comma: UInt8(ascii: ",")
        }
    }

    /// The separator that occurs equally often, and most often, in each of the first lines of `sample`; when none
    /// does, the one most frequent in the first line; a comma for a single column.
    static func detect(in sample: [UInt8]) -> Separator {
        let lines = counts(in: sample, lineLimit: 20)
        guard let header = lines.first else { return .comma }
        func best(_ candidates: [Separator]) -> Separator? {
            let most = candidates.map { header[$0, default: 0] }.max() ?? 0
            return most == 0 ? nil : candidates.first { header[$0] == most }
        }
        let steady = allCases.filter { candidate in lines.allSatisfy { $0[candidate] == header[candidate] } }
        return best(steady) ?? best(allCases) ?? .comma
    }

    /// How often each separator stands outside quotes in each of the first non-blank lines. A line that the sample
    /// cuts short is left out, unless it is the only one.
    private static func counts(in sample: [UInt8], lineLimit: Int) -> [[Separator: Int]] {
        var lines: [[Separator: Int]] = []
        var current: [Separator: Int] = [:]
        var isQuoted = false
        var isBlank = true
        for byte in sample {
            switch byte {
            case UInt8(ascii: "\""):
                isQuoted.toggle()
                isBlank = false
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
                if isQuoted { continue }
                if !isBlank { lines.append(current) }
                if lines.count == lineLimit { return lines }
                current = [:]
                isBlank = true
            default:
                if isQuoted { continue }
                if let separator = allCases.first(where: { $0.byte == byte }) { current[separator, default: 0] += 1 }
                isBlank = isBlank && byte == UInt8(ascii: " ")
            }
        }
        if lines.isEmpty && !isBlank { lines.append(current) }
        return lines
    }
}
