// SPDX-License-Identifier: Apache-2.0
// The first look at an unknown table.

import ClinicalData
import Testing

@Suite struct TableDescriptionTests {
    @Test func kindsMissingAndDistinctAreFound() throws {
        let rows = (0..<60).map { row in
            "\(row),\(Double(row) / 7),\(row % 3),\(["a", "b", "?"][row % 3]),2020-01-\(10 + row % 20),free text \(row),"
        }
        let text = "id;value;code;word;day;note;none\n" + rows.joined(separator: "\n").replacing(",", with: ";")
        let description = try describe(Array(text.utf8))
        #expect(description.hasHeader)
        #expect(description.separator == "semicolon")
        #expect(description.rows == 60)
        #expect(
            description.columns.map(\.kind) == [.wholeNumber, .number, .category, .category, .date, .text, .empty])
        #expect(description.columns.map(\.name) == ["id", "value", "code", "word", "day", "note", "none"])
        #expect(description.columns.map(\.missing) == [0, 0, 0, 20, 0, 0, 60])
        #expect(description.columns.map(\.distinct) == [nil, nil, 3, 2, 20, nil, 0])
    }

    @Test func aFirstLineWithNumbersOrMissingWordsIsNoHeader() throws {
        for text in ["1,2\n3,4\n", "a,1\nb,2\n", "a,?\nb,2\n", "a,a\nb,2\n"] {
            let description = try describe(Array(text.utf8))
            #expect(!description.hasHeader, "\(text.debugDescription)")
            #expect(description.rows == 2)
            #expect(description.columns[0].name == nil)
        }
        #expect(try describe(Array(",x\n1,2\n".utf8)).hasHeader, "an unnamed first column numbers the rows")
    }

    @Test func decimalCommasDoNotHideTheSemicolon() throws {
        let description = try describe(Array("1,5;2,25;3\n1,5;2;4,0\n".utf8))
        #expect(description.separator == "semicolon")
        #expect(description.columns.count == 3)
    }

    @Test func raggedRowsAreOnlyCounted() throws {
        #expect(try describe(Array("a,b\n1,2\n3\n4,5,6\n".utf8)).raggedRows == 2)
    }
}
