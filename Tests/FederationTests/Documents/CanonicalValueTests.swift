// SPDX-License-Identifier: Apache-2.0
// The encoding of canonical JSON: order, escapes, numbers.

import Federation
import Testing

@Suite struct CanonicalValueTests {
    private func text(_ value: CanonicalValue) -> String { String(decoding: value.bytes, as: UTF8.self) }

    @Test func valuesHaveOneSpelling() {
        #expect(text(.object([:])) == "{}")
        #expect(text(.array([])) == "[]")
        #expect(
            text(.object(["b": .array([.integer(1), .string("x")]), "a": .object([:])])) == #"{"a":{},"b":[1,"x"]}"#)
        #expect(text(.integer(.min)) == "-9223372036854775808")
        #expect(text(.integer(.max)) == "9223372036854775807")
        #expect(text(.boolean(true)) == #""true""#)
        #expect(text(.boolean(false)) == #""false""#)
        #expect(text(.decimal(0.5)) == #""0.5""#)
        #expect(text(.count(7)) == "7")
    }

    @Test func keysAreSortedByTheirBytes() {
        // U+FFFD comes after U+1F600 when UTF-16 units are compared, and before it as bytes; "a" is after "B".
        let value = CanonicalValue.object([
            "\u{1F600}": .integer(1), "\u{FFFD}": .integer(2), "é": .integer(3), "z": .integer(4), "a": .integer(5),
            "B": .integer(6), "": .integer(7), "aa": .integer(8),
        ])
        #expect(text(value) == "{\"\":7,\"B\":6,\"a\":5,\"aa\":8,\"z\":4,\"é\":3,\"\u{FFFD}\":2,\"\u{1F600}\":1}")
    }

    @Test func onlyQuotesBackslashesAndControlCharactersAreEscaped() {
        #expect(text(.string("\"\\/")) == #""\"\\/""#)
        #expect(text(.string("\u{8}\t\n\u{C}\r")) == #""\b\t\n\f\r""#)
        #expect(text(.string("\0\u{1}\u{1F}")) == #""\u0000\u0001\u001f""#)
        #expect(text(.string("\u{7F}é\u{2028}\u{1F600}")) == "\"\u{7F}é\u{2028}\u{1F600}\"")
    }
}
