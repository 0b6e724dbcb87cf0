// SPDX-License-Identifier: Apache-2.0
// Reads columns of codes, batch by batch.

import Kernels

/// Reads a column of codes. A text is looked up in the code book once and then remembered.
struct CodeReader {
    private static let memoryLimit = 4_096

    let column: Int
    private let book: CodeBook
    /// For each row of the last batch: the code's index, ``CodeBook/missing`` or ``CodeBook/unknown``.
    private(set) var codes = [Int32](repeating: 0, count: RowBatch.rowCapacity)
    private var words = [UInt64](repeating: 0, count: RowBatch.rowCapacity)
    private var shortTexts = WordTable()
    private var longTexts = TextIndex()
    private var longCodes: [Int32] = []

    init(_ plan: ColumnPlan, codes: [String]) {
        column = plan.source
        book = CodeBook(plan, codes: codes)
    }

    mutating func read(_ batch: RowBatch) {
        consilium_pack_fields(
            batch.bytes, batch.starts + column, batch.ends + column, batch.columnCount, batch.rowCount, &words)
        for row in 0..<batch.rowCount {
            codes[row] = shortTexts.code(of: words[row]) ?? lookUp(batch, row: row, word: words[row])
        }
    }

    private mutating func lookUp(_ batch: RowBatch, row: Int, word: UInt64) -> Int32 {
        return batch.withField(row: row, column: column) { text in
            if word != CONSILIUM_UNPACKABLE_FIELD {
                let code = book.code(of: text)
                shortTexts.remember(word, code: code)
                return code
            }
            guard longTexts.count < Self.memoryLimit else { return book.code(of: text) }
            let (number, isNew) = longTexts.number(of: text)
            if isNew { longCodes.append(book.code(of: text)) }
            return longCodes[number]
        }
    }
}

/// A small hash table from packed short texts to codes; when it is full it remembers no more.
private struct WordTable {
    private static let slotCount = 512
    private var words = [UInt64](repeating: CONSILIUM_UNPACKABLE_FIELD, count: slotCount)
    private var codes = [Int32](repeating: 0, count: slotCount)
    private var count = 0

    @inline(__always)
    func code(of word: UInt64) -> Int32? {
        guard word != CONSILIUM_UNPACKABLE_FIELD else { return nil }
        var slot = Self.slot(of: word)
        while words[slot] != word {
            if words[slot] == CONSILIUM_UNPACKABLE_FIELD { return nil }
            slot = (slot + 1) % Self.slotCount
        }
        return codes[slot]
    }

    mutating func remember(_ word: UInt64, code: Int32) {
        guard count < Self.slotCount / 2 else { return }
        var slot = Self.slot(of: word)
        while words[slot] != CONSILIUM_UNPACKABLE_FIELD { slot = (slot + 1) % Self.slotCount }
        words[slot] = word
        codes[slot] = code
        count += 1
    }

    /// The top nine bits of a product with 2^64 over the golden ratio (Knuth, TAOCP 3, §6.4).
    @inline(__always)
    private static func slot(of word: UInt64) -> Int { Int((word &* 0x9E37_79B9_7F4A_7C15) >> 55) }
}
