// SPDX-License-Identifier: Apache-2.0
// Tables of numbers alone, and columns of text: what is read, and what is refused without showing a value.

import ClinicalData
import Testing

@Suite struct NumericTextTableTests {
    private func table(
        _ text: String, separator: Separator? = nil, skippedLines: Int = 0, valueLimit: Int = 1_000,
        block: Int = 1 << 20
    ) throws(DataError) -> NumericTextTable {
        try NumericTextTable(
            .memory(Array(text.utf8), blockBytes: block), separator: separator, skippedLines: skippedLines,
            valueLimit: valueLimit)
    }

    private func failure(_ text: String, separator: Separator? = nil, valueLimit: Int = 1_000) -> DataError? {
        dataError { () throws(DataError) in try table(text, separator: separator, valueLimit: valueLimit) }
    }

    @Test func blanksOfAnyWidthSeparate() throws {
        let table = try table("   1.0e+00  -2.5\t3\n\n 4 5   6  \n")
        #expect(table.rowCount == 2 && table.columnCount == 3)
        #expect(table.values == [1, -2.5, 3, 4, 5, 6])
        #expect(table.columns(0..<1) == [1, 4])
        #expect(table.columns(1..<3) == [-2.5, 3, 5, 6])
    }

    @Test func separatorsAndSkippedLinesAreUnderstood() throws {
        let table = try table("569,30,a,b\n1, 2 ,.5\n-4,5e1,6\n", separator: .comma, skippedLines: 1)
        #expect(table.values == [1, 2, 0.5, -4, 50, 6])
    }

    @Test func everyLineEndAndBlockGivesTheSameTable() throws {
        for lineEnd in ["\n", "\r\n", "\r"] {
            let text = ["1 2", "3 4", "", "5 6"].joined(separator: lineEnd)
            for text in [text, text + lineEnd] {
                for block in [1, 2, 3, 1_024] {
                    let table = try table(text, block: block)
                    #expect(table.values == [1, 2, 3, 4, 5, 6], "\(text.debugDescription), block \(block)")
                }
            }
        }
    }

    @Test func compressedTextIsRead() throws {
        let bytes = gzip(Array("1 2\n3 4\n".utf8))
        #expect(try NumericTextTable(.memory(bytes, blockBytes: 7)).values == [1, 2, 3, 4])
    }

    @Test func anythingElseIsRefusedWithItsPlaceAndNotItsText() throws {
        for (text, place) in [
            ("1 2\n3 secret\n", "line 2, column 2"), ("1 2\nnan 4\n", "line 2, column 1"),
            ("1e300\n", "line 1, column 1"),
        ] {
            let error = try #require(failure(text))
            #expect(error.code == .wrongNumbers)
            #expect(error.message.hasPrefix(place), "\(error.message)")
            #expect(!error.description.contains("secret"))
        }
        #expect(failure("1,,2\n", separator: .comma)?.code == .wrongNumbers)
        #expect(failure("1 2\n\r\n3\n")?.message == "line 3 has 1 numbers, the first has 2")
    }

    @Test func emptyAndTooLargeTablesAreRefused() {
        #expect(failure("")?.code == .emptyTable)
        #expect(failure(" \n\n")?.code == .emptyTable)
        #expect(failure("1 2\n3 4\n", valueLimit: 4) == nil)
        #expect(failure("1 2\n3 4\n", valueLimit: 3)?.code == .tooManyRows)
    }
}

@Suite struct TextColumnsTests {
    private func read(_ text: String, _ names: [String], byteLimit: Int = 1_000) throws(DataError) -> [[String]] {
        try TextColumns.read(.memory(Array(text.utf8), blockBytes: 5), names: names, byteLimit: byteLimit)
    }

    private func failure(_ text: String, _ names: [String], byteLimit: Int = 1_000) -> DataError? {
        dataError { () throws(DataError) in try read(text, names, byteLimit: byteLimit) }
    }

    @Test func quotedTextsAreRead() throws {
        let text = "label,note,other\n1,\"a, \"\"b\"\"\nc\",x\n2, d é ,y\n"
        #expect(try read(text, ["note", "label"]) == [["a, \"b\"\nc", "d é"], ["1", "2"]])
    }

    @Test func wrongTablesAreRefused() {
        #expect(failure("a,b\n1,2\n", ["c"])?.code == .missingColumn)
        let ragged = failure("a,b\n1,2\n3\n", ["a"])
        #expect(ragged?.code == .refused)
        #expect(ragged?.findings.first?.lines == [3])
        #expect(failure("a,b\n12345,2\n", ["a"], byteLimit: 4)?.code == .tooManyRows)
    }
}
