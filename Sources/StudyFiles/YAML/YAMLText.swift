// SPDX-License-Identifier: Apache-2.0
// Checks the bytes of a text file before they are parsed: UTF-8, no control characters, no tabs in indentation.

import Federation

enum YAMLText {
    /// The text of `bytes` without a byte order mark.
    ///
    /// - Throws: ``FileError`` with the first place that is not plain text.
    static func check(_ bytes: [UInt8], path: String) throws -> String {
        let start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        var number = 0
        for line in bytes[start...].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            number += 1
            if let finding = finding(in: line) {
                throw FileError(
                    code: .syntax, path: path, position: SourcePosition(line: number, column: finding.column),
                    problem: finding.problem, hint: finding.hint)
            }
        }
        // Every line was found valid, and no character of more than one byte holds a line feed.
        return String(decoding: bytes[start...], as: UTF8.self)
    }

    private struct Finding {
        var column: Int
        var problem: String
        var hint: String
    }

    private static func finding(in line: ArraySlice<UInt8>) -> Finding? {
        guard let text = String(validating: line, as: UTF8.self) else {
            return Finding(column: 1, problem: "this line is not UTF-8 text", hint: "save the file as UTF-8")
        }
        var isIndentation = true
        for (index, scalar) in text.unicodeScalars.enumerated() {
            if scalar == "\t" && isIndentation {
                return Finding(column: index + 1, problem: "a tab in the indentation", hint: "indent with blanks")
            }
            let isLineEnd = scalar == "\r" && index == text.unicodeScalars.count - 1
            // U+2028 and U+2029 end a line for YAML and for nothing else: places would no longer be what an editor shows.
            let isControl =
                scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value) || (0x2028...0x2029).contains(scalar.value)
            if isControl && scalar != "\t" && !isLineEnd {
                return Finding(
                    column: index + 1, problem: "a control character",
                    hint: "remove it, or write it as an escape between double quotes")
            }
            if scalar != " " { isIndentation = false }
        }
        return nil
    }
}
