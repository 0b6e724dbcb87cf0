// SPDX-License-Identifier: Apache-2.0
// Some hundred rows of a table as byte ranges, without a copy of any field.

import Kernels

/// Rows of equal width whose fields point into the reader's buffer.
///
/// Shapes: `starts` and `ends` are `[rowCount, columnCount]`, row-major; `lines` is `[rowCount]`.
/// Invariant: valid only until the reader that made it advances.
struct RowBatch {
    static let rowCapacity = 1_024

    let bytes: UnsafePointer<UInt8>
    let starts: UnsafePointer<UInt32>
    let ends: UnsafePointer<UInt32>
    let lines: UnsafePointer<UInt32>
    let rowCount: Int
    let columnCount: Int
    /// Number of the batch's first row among the table's data rows, from zero.
    let firstRow: Int

    /// About how many rows are in `byteCount` bytes like those of this batch, with some to spare.
    func estimatedRows(in byteCount: Int) -> Int {
        let bytesOfBatch =
            Int(ends[rowCount * columnCount - 1] & ~UInt32(CONSILIUM_FIELD_HAS_DOUBLED_QUOTES)) - Int(starts[0])
        return Int(1.05 * Double(byteCount) * Double(rowCount) / Double(max(1, bytesOfBatch + rowCount))) + rowCount
    }

    func line(_ row: Int) -> Int { Int(lines[row]) }

    /// Hands the field's text to `body`: trimmed of blanks, doubled quotes made single.
    @inline(__always)
    func withField<Result>(
        row: Int, column: Int, _ body: (UnsafeBufferPointer<UInt8>) -> Result
    ) -> Result {
        let slot = row * columnCount + column
        let flag = UInt32(CONSILIUM_FIELD_HAS_DOUBLED_QUOTES)
        let raw = UnsafeBufferPointer(
            start: bytes + Int(starts[slot]), count: Int(ends[slot] & ~flag) - Int(starts[slot]))
        let trimmed = raw.trimmingBlanks
        guard ends[slot] & flag != 0 else { return body(trimmed) }
        return unquoted(trimmed).withUnsafeBufferPointer(body)
    }

    /// Keeps one of each pair of quotes.
    private func unquoted(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var single: [UInt8] = []
        var skipsQuote = false
        for byte in text {
            let isQuote = byte == UInt8(ascii: "\"")
            if !(isQuote && skipsQuote) { single.append(byte) }
            skipsQuote = isQuote && !skipsQuote
        }
        return single
    }
}

extension UnsafeBufferPointer<UInt8> {
    /// Without blanks and tabs at both ends.
    @inline(__always)
    var trimmingBlanks: UnsafeBufferPointer<UInt8> {
        var (start, end) = (0, count)
        while start < end, self[start] == 0x20 || self[start] == 0x09 { start += 1 }
        while start < end, self[end - 1] == 0x20 || self[end - 1] == 0x09 { end -= 1 }
        return UnsafeBufferPointer(rebasing: self[start..<end])
    }
}
