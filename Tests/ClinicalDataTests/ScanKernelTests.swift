// SPDX-License-Identifier: Apache-2.0
// The scanning kernels against plain twins, on random texts full of quotes and line ends.

import Kernels
import Testing

@Suite struct ScanKernelTests {
    private static let width = 3

    /// What a scan found: rows as fields or, when ragged, as their width; and how it ended.
    private struct Scan: Equatable {
        var rows: [Row] = []
        var ending = Ending.complete
    }

    private struct Row: Equatable {
        var line: Int
        /// Empty for a ragged row.
        var fields: [[UInt8]]
        var width: Int
    }

    private enum Ending { case complete, textAfterQuote, unclosedQuote }

    @Test func rowsAreThoseOfThePlainReader() {
        var generator = SplitMix(state: 7)
        let alphabets = ["aab,,\n\r\"\" 1.5,\n", "aab,,\n\r  1.5,\n", "a,\"\n"].map { Array($0.utf8) }
        var endings: [Ending] = []
        for round in 0..<30_000 {
            let alphabet = alphabets[round % alphabets.count]
            var text = (0..<Int(generator.next() % 200)).map { _ in
                alphabet[Int(generator.next() % UInt64(alphabet.count))]
            }
            if text.last != UInt8(ascii: "\n") && text.last != UInt8(ascii: "\r") { text.append(UInt8(ascii: "\n")) }
            let expected = Self.plainScan(text)
            #expect(Self.kernelScan(text) == expected, "\(String(decoding: text, as: UTF8.self).debugDescription)")
            endings.append(expected.ending)
        }
        for ending in [Ending.complete, .textAfterQuote, .unclosedQuote] { #expect(endings.contains(ending)) }
    }

    @Test func utf8ChecksAgreeWithSwiftOnRandomBytes() {
        var generator = SplitMix(state: 11)
        let bytes: [UInt8] = [0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC2, 0xE0, 0xE1, 0xED, 0xF0, 0xF1, 0xF4]
        var validCount = 0
        for _ in 0..<100_000 {
            let text = (0..<Int(generator.next() % 7)).map { _ in bytes[Int(generator.next() % UInt64(bytes.count))] }
            let padded = [UInt8](repeating: 0x20, count: Int(generator.next() % 70)) + text
            let cut = Int(generator.next() % UInt64(padded.count + 1))
            var state = consilium_utf8_state()
            let first = consilium_check_utf8(&state, Array(padded[..<cut]), cut)
            let isFirstGood = first == cut
            let rest = padded.count - cut
            let isGood =
                isFirstGood && consilium_check_utf8(&state, Array(padded[cut...]), rest) == rest && state.due == 0
            let isExpected = String(validating: padded, as: UTF8.self) != nil
            #expect(isGood == isExpected, "\(text)")
            if isExpected { validCount += 1 }
        }
        #expect((10_000..<90_000).contains(validCount), "both kinds must occur: \(validCount)")
    }

    @Test func fieldsOfUpToSevenBytesPackWithTheirLength() {
        let texts = ["", " ", "a", " ab ", "1234567", "12345678", "\0", "é"]
        let packed = texts.map { text -> UInt64 in
            let bytes = Array(text.utf8) + [UInt8](repeating: 0x7A, count: Int(CONSILIUM_SCAN_SLACK))
            var words: [UInt64] = [0]
            consilium_pack_fields(bytes, [0], [UInt32(text.utf8.count)], 1, 1, &words)
            return words[0]
        }
        #expect(packed[0] == 0)
        #expect(packed[1] == 0)
        #expect(packed[2] == 0x0100_0000_0000_0061)
        #expect(packed[3] == 0x0200_0000_0000_6261)
        #expect(packed[4] == 0x0737_3635_3433_3231)
        #expect(packed[5] == CONSILIUM_UNPACKABLE_FIELD)
        #expect(packed[6] == 0x0100_0000_0000_0000)
        #expect(packed[7] == 0x0200_0000_0000_A9C3)
    }

    private static func kernelScan(_ text: [UInt8]) -> Scan {
        // Quotes in the slack: the kernel must not look at it.
        let bytes = text + [UInt8](repeating: UInt8(ascii: "\""), count: Int(CONSILIUM_SCAN_SLACK))
        let capacity = 4
        var starts = [UInt32](repeating: 0, count: capacity * width)
        var ends = starts
        var lines = [UInt32](repeating: 0, count: capacity)
        var state = consilium_row_scanner()
        state.line = 1
        state.separator = UInt8(ascii: ",")
        var scan = Scan()
        while true {
            var rows = 0
            let status = consilium_scan_rows(
                &state, bytes, text.count, UInt32(width), false, capacity, &starts, &ends, &lines, &rows)
            for row in 0..<rows {
                let fields = (row * width..<(row + 1) * width).map { slot -> [UInt8] in
                    let end = ends[slot] & ~UInt32(CONSILIUM_FIELD_HAS_DOUBLED_QUOTES)
                    let field = Array(bytes[Int(starts[slot])..<Int(end)])
                    return end == ends[slot]
                        ? field : Array(String(decoding: field, as: UTF8.self).replacing("\"\"", with: "\"").utf8)
                }
                scan.rows.append(Row(line: Int(lines[row]), fields: fields, width: width))
            }
            switch status {
            case CONSILIUM_SCAN_FULL: continue
            case CONSILIUM_SCAN_RAGGED:
                scan.rows.append(Row(line: Int(state.problem_line), fields: [], width: Int(state.fields)))
            case CONSILIUM_SCAN_TEXT_AFTER_QUOTE:
                scan.ending = .textAfterQuote
                return scan
            default:
                if state.position < text.count { scan.ending = .unclosedQuote }
                return scan
            }
        }
    }

    /// Reads the rules of the kernel's documentation byte by byte.
    private static func plainScan(_ text: [UInt8]) -> Scan {
        var scan = Scan()
        var at = 0
        var line = 1
        func byte(_ offset: Int) -> UInt8? { offset < text.count ? text[offset] : nil }
        func isBlank(_ byte: UInt8?) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        func isRowEnd(_ byte: UInt8?) -> Bool { byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") }
        while at < text.count {
            var fields: [[UInt8]] = []
            let begun = line
            var hasQuotes = false
            repeat {
                if !fields.isEmpty { at += 1 }
                var field: [UInt8] = []
                var next = at
                while isBlank(byte(next)) { next += 1 }
                if byte(next) == UInt8(ascii: "\"") {
                    hasQuotes = true
                    next += 1
                    while byte(next) != UInt8(ascii: "\"") || byte(next + 1) == UInt8(ascii: "\"") {
                        guard let current = byte(next) else {
                            scan.ending = .unclosedQuote
                            return scan
                        }
                        if current == UInt8(ascii: "\n")
                            || current == UInt8(ascii: "\r") && byte(next + 1) != UInt8(ascii: "\n")
                        {
                            line += 1
                        }
                        field.append(current)
                        next += current == UInt8(ascii: "\"") ? 2 : 1
                    }
                    next += 1
                    while isBlank(byte(next)) { next += 1 }
                    guard byte(next) == UInt8(ascii: ",") || isRowEnd(byte(next)) else {
                        scan.ending = .textAfterQuote
                        return scan
                    }
                } else {
                    next = at
                    while let current = byte(next), current != UInt8(ascii: ","), !isRowEnd(current) {
                        field.append(current)
                        next += 1
                    }
                }
                fields.append(field)
                at = next
            } while byte(at) == UInt8(ascii: ",")
            at += byte(at) == UInt8(ascii: "\r") && byte(at + 1) == UInt8(ascii: "\n") ? 2 : 1
            line += 1
            if fields.count == 1 && !hasQuotes && fields[0].allSatisfy({ isBlank($0) }) { continue }
            scan.rows.append(
                Row(line: begun, fields: fields.count == width ? fields : [], width: fields.count))
        }
        return scan
    }
}
