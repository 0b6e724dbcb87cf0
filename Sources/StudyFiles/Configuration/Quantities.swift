// SPDX-License-Identifier: Apache-2.0
// Amounts as people write them: bytes with a unit, and large whole numbers with an exponent.

import Federation

/// A number of bytes: `4 GiB`, `500MB`, or bytes without a unit.
package struct ByteCount: Hashable, Sendable {
    package let bytes: Int

    private static let units: [(name: String, bytes: Int)] = [
        ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40),
        ("kB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("B", 1),
    ]

    /// nil for what is no whole number of a unit, and for more than an `Int` holds.
    package init?(_ text: String) {
        let unit = Self.units.first { text.hasSuffix($0.name) }
        var digits = text.dropLast(unit?.name.count ?? 0)
        if unit != nil, digits.last == " " { digits.removeLast() }
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(digits) else {
            return nil
        }
        let (bytes, overflows) = number.multipliedReportingOverflow(by: unit?.bytes ?? 1)
        guard !overflows else { return nil }
        self.bytes = bytes
    }
}

extension DocumentReader {
    func byteCount() throws(DocumentError) -> Int {
        guard let count = ByteCount(try string(maximumLength: 32)) else {
            throw error(
                "is no amount of memory", hint: "a whole number with B, kB, MB, GB, TB, KiB, MiB, GiB or TiB: 4 GiB")
        }
        return count.bytes
    }

    /// A whole number, `2000000` or `2e15`.
    func largeInteger(_ range: ClosedRange<Int>) throws(DocumentError) -> Int {
        let text = try string(maximumLength: 32)
        let problem = error(
            "is no whole number from \(range.lowerBound) to \(range.upperBound)", hint: "write it as 2e15")
        let number: Int
        if let whole = Int(text) {
            number = whole
        } else {
            guard text.contains(where: { $0 == "e" || $0 == "E" }), let value = Double(text),
                let whole = Int(exactly: value)
            else { throw problem }
            number = whole
        }
        guard range.contains(number) else { throw problem }
        return number
    }
}
