// SPDX-License-Identifier: Apache-2.0
// Rows and fields: quotes, ragged rows, limits and the lines that errors name.

import ClinicalData
import Federation
import Testing

@Suite struct RowReadingTests {
    private func names(_ text: String, separator: Separator = .comma) throws -> [String?] {
        try describe(Array(text.utf8), separator: separator, hasHeader: true).columns.map(\.name)
    }

    private func code(_ text: String) -> DataError.Code? {
        dataError { () throws(DataError) in try describe(Array(text.utf8), separator: .comma, hasHeader: true) }?.code
    }

    @Test func quotedFieldsMayHoldSeparatorsLinesAndQuotes() throws {
        #expect(try names("\"a,b\",\"c\nd\",\"e\"\"f\",\"\"\"\",\"\"\n") == ["a,b", "c\nd", "e\"f", "\"", nil])
        #expect(try names("\"\"\"a\"\"\",\"b\"\"\"\"c\"\n") == ["\"a\"", "b\"\"c"])
    }

    @Test func quotesInsideUnquotedTextAreText() throws {
        #expect(try names("5\" tall,a \"b\" c\n") == ["5\" tall", "a \"b\" c"])
    }

    @Test func blanksAroundQuotedFieldsAreDropped() throws {
        #expect(try names(" \"a\" ,  b  ,\t\"c\"\n") == ["a", "b", "c"])
    }

    @Test func quotesInEveryPositionOfAWordAreRead() throws {
        for padding in 0..<140 {
            let first = String(repeating: "x", count: padding)
            #expect(try names("\(first)y,\"a,\"\"b\",c\n") == [first + "y", "a,\"b", "c"], "padding \(padding)")
        }
    }

    @Test func unclosedQuotesAndTextAfterQuotesAreRefused() {
        #expect(code("a,b\n1,\"2\n3,4\n") == .malformedQuotes)
        #expect(code("a,b\n1,\"2\"x\n") == .malformedQuotes)
        #expect(code("a,b\n1,\"2\" \"3\"\n") == .malformedQuotes)
    }

    @Test func zeroBytesAreRefusedWithTheirLine() throws {
        let error = try #require(dataError { () throws(DataError) in try load("y\n0\n1\n\u{0}\n", Sample.contract()) })
        #expect(error.code == .zeroByte)
        #expect(error.message == "line 4 holds a zero byte")
        #expect(code("a,\"b\u{0}\"\n") == .zeroByte)
    }

    @Test func raggedRowsAreCountedAndRefusedWithTheirLines() throws {
        let text = "x,y\n1,0\n2\n3,1\n\"4\n\",1,2\n5,0\n6,7,8,9\n"
        let contract = Sample.contract(Sample.number("x", 0...10))
        let error = try #require(dataError { () throws(DataError) in try load(text, contract) })
        #expect(error.code == .refused)
        #expect(error.findings.count == 1)
        #expect(error.findings.first?.kind == .raggedRow)
        #expect(error.findings.first?.count == 3)
        #expect(error.findings.first?.lines == [3, 5, 8])
    }

    @Test func onlyTheFirstTwentyPlacesAreKept() throws {
        let text = "x,y\n" + String(repeating: "word,0\n", count: 50)
        let contract = Sample.contract(Sample.number("x", 0...10))
        let finding = try #require(dataError { () throws(DataError) in try load(text, contract) }?.findings.first)
        #expect(finding.kind == .notANumber)
        #expect(finding.count == 50)
        #expect(finding.lines == Array(2...21))
    }

    @Test func emptyTablesAreRefusedAndAHeaderAloneIsNot() throws {
        for empty in ["", "\n", "\r\n\r\n", "  \n\t\n"] {
            #expect(code(empty) == .emptyTable, "\(empty.debugDescription)")
        }
        #expect(dataError { () throws(DataError) in try load([0xEF, 0xBB, 0xBF]) }?.code == .emptyTable)
        for header in [Sample.header, Sample.header + "\n"] {
            let loaded = try load(header)
            #expect(loaded.table.rowCount == 0)
            #expect(loaded.report.findings.map(\.kind) == [.noUsableRows])
        }
    }

    @Test func duplicateNamesAreRefusedWithoutShowingThem() throws {
        let error = try #require(
            dataError { () throws(DataError) in try describe(Array("a,b,a\n".utf8), hasHeader: true) })
        #expect(error.code == .duplicateColumn)
        #expect(error.message == "columns 1 and 3 have the same name")
        #expect(try names("a,,\n").count == 3, "columns without a name may repeat")
    }

    @Test func aMillionColumnsAreRefusedAndAHundredThousandAreNot() throws {
        let wide = String(repeating: "1,", count: 999_999) + "1\n"
        #expect(code(wide) == .tooManyColumns)
        let atLimit = String(repeating: "1,", count: 99_999) + "1\n"
        let described = try describe(Array((atLimit + atLimit).utf8), hasHeader: false)
        #expect(described.columns.count == 100_000)
        #expect(described.rows == 2)
        #expect(code("1," + atLimit) == .tooManyColumns)
    }

    @Test func aRowLongerThan64MiBIsRefused() {
        let bytes = Array("a,b\n1,\"".utf8) + [UInt8](repeating: UInt8(ascii: "x"), count: (64 << 20) + 10)
        let error = dataError { () throws(DataError) in try describe(bytes, separator: .comma, hasHeader: true) }
        #expect(error?.code == .rowTooLong)
        #expect(error?.message.contains("line 2") == true)
    }

    @Test func missingFilesAreNamed() {
        let mapping = TableMapping(path: "/nonexistent/table.csv")
        let error = dataError { () throws(DataError) in
            try TableLoader(contract: Sample.contract, mapping: mapping).load()
        }
        #expect(error?.code == .unreadableFile)
        #expect(error?.message.contains("/nonexistent/table.csv") == true)
        let folder = dataError { () throws(DataError) in
            try TableLoader(contract: Sample.contract, mapping: TableMapping(path: "/")).load()
        }
        #expect(folder?.code == .unreadableFile)
    }
}
