// SPDX-License-Identifier: Apache-2.0
// The same table in every form a hospital may export it must give the same encoded content.

import ClinicalData
import Testing

@Suite struct TableFormsTests {
    private let plain = Sample.text

    private func expectSame(
        _ bytes: [UInt8], _ comment: Comment, _ mapping: TableMapping = TableMapping(path: "")
    ) throws {
        let expected = try load(plain)
        let loaded = try load(bytes, Sample.contract, mapping)
        #expect(loaded.table.contentHash == expected.table.contentHash, comment)
        #expect(loaded.report == expected.report, comment)
    }

    @Test func everySeparatorIsFound() throws {
        for separator in ["\t", "|", ";", ","] {
            try expectSame(Array(plain.replacing(",", with: separator).utf8), "separator \(separator.debugDescription)")
        }
    }

    @Test func everySeparatorCanBeGiven() throws {
        for separator in Separator.allCases {
            let text = plain.replacing(",", with: String(decoding: [separator.byte], as: UTF8.self))
            try expectSame(Array(text.utf8), "\(separator)", TableMapping(path: "", separator: separator))
        }
    }

    @Test func everyLineEndIsUnderstood() throws {
        for lineEnd in ["\r\n", "\r", "\n"] {
            let text = plain.replacing("\n", with: lineEnd)
            try expectSame(Array(text.utf8), "\(lineEnd.debugDescription)")
            try expectSame(Array(text.dropLast(1).utf8), "\(lineEnd.debugDescription), last one missing")
        }
    }

    @Test func quotesAndBlanksAroundFieldsDoNotMatter() throws {
        let quoted = plain.split(separator: "\n").map { line in
            line.split(separator: ",", omittingEmptySubsequences: false).map { "\"\($0)\"" }.joined(separator: " , ")
        }
        try expectSame(Array(quoted.joined(separator: "\r\n").utf8), "quoted")
        try expectSame(
            Array(plain.replacing(",", with: " ,\t").utf8), "blanks", TableMapping(path: "", separator: .comma))
    }

    @Test func encodingsAreFoundByTheirMarks() throws {
        try expectSame([0xEF, 0xBB, 0xBF] + Array(plain.utf8), "UTF-8 with a mark")
        try expectSame(plain.utf16Bytes(bigEndian: false), "UTF-16 LE")
        try expectSame(plain.utf16Bytes(bigEndian: true), "UTF-16 BE")
    }

    @Test func encodingsCanBeGivenWithoutMarks() throws {
        let little = TableMapping(path: "", encoding: .utf16LittleEndian)
        try expectSame(plain.utf16Bytes(bigEndian: false, mark: false), "UTF-16 LE", little)
        let big = TableMapping(path: "", encoding: .utf16BigEndian)
        try expectSame(plain.utf16Bytes(bigEndian: true, mark: false), "UTF-16 BE", big)
    }

    @Test func gzipIsFoundAlsoInSeveralMembersAndAroundUTF16() throws {
        let bytes = Array(plain.utf8)
        try expectSame(gzip(bytes), "one member")
        try expectSame(gzip(Array(bytes[..<50])) + gzip([]) + gzip(Array(bytes[50...])), "three members")
        try expectSame(gzip(bytes) + [0, 0, 0, 0], "zero padding")
        try expectSame(gzip(plain.utf16Bytes(bigEndian: false)), "UTF-16 within gzip")
    }

    @Test func damagedGzipIsRefused() throws {
        let whole = gzip(Array(plain.utf8))
        for length in 3..<whole.count {
            #expect(dataError { () throws(DataError) in try load(Array(whole[..<length])) }?.code == .damagedGzip)
        }
        var wrongSum = whole
        wrongSum[whole.count - 6] ^= 1
        #expect(dataError { () throws(DataError) in try load(wrongSum) }?.code == .damagedGzip)
        #expect(dataError { () throws(DataError) in try load(whole + [7, 7]) }?.code == .damagedGzip)
    }

    @Test func blankLinesAreSkipped() throws {
        let text = "\n \n" + plain.replacing("\n", with: "\n\n \t \n")
        let loaded = try load(text)
        #expect(loaded.table.contentHash == (try load(plain)).table.contentHash)
    }

    @Test func blocksOfAnySizeGiveTheSameTable() throws {
        let forms: [[UInt8]] = [
            Array(plain.utf8), Array(plain.replacing("\n", with: "\r\n").utf8),
            Array(plain.replacing("p3", with: "\"p\"\"3\r\n,\"").utf8), plain.utf16Bytes(bigEndian: true),
            gzip(Array(plain.utf8)),
        ]
        for (form, bytes) in forms.enumerated() {
            let whole = try load(bytes)
            for block in [1, 2, 3, 7, 63, 64, 65, 129] {
                let pieces = try load(bytes, sourceBlock: block, blockBytes: block)
                #expect(pieces.table.contentHash == whole.table.contentHash, "form \(form), block \(block)")
                #expect(pieces.report == whole.report, "form \(form), block \(block)")
            }
        }
    }

    @Test func tablesWithoutAHeaderAreMappedByNumber() throws {
        let names = ["patient", "age", "sex", "admitted", "outcome", "part"]
        let columns = Dictionary(
            uniqueKeysWithValues: names.enumerated().map { ($1, ColumnMapping(source: .number($0 + 1))) })
        let text = Sample.rows.joined(separator: "\n")
        let mapping = TableMapping(path: "", hasHeader: false, columns: columns)
        #expect(try load(text, Sample.contract, mapping).table.contentHash == load(plain).table.contentHash)
    }
}
