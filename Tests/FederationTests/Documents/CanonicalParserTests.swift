// SPDX-License-Identifier: Apache-2.0
// Canonical JSON from a peer: one spelling is read, every other one is refused.

import Federation
import Testing

@Suite struct CanonicalParserTests {
    @Test(arguments: [
        "{}", "[]", "0", "-1", "9223372036854775807", "-9223372036854775808", #""""#, #""é\n\u0000""#,
        #"{"a":{"b":[1,"2",{}]},"c":[]}"#,
    ])
    func canonicalBytesReadBackToTheSameBytes(_ text: String) throws {
        let value = try CanonicalValue(canonicalBytes: Array(text.utf8))
        #expect(value.bytes == Array(text.utf8))
    }

    @Test(arguments: [
        "-0", "01", "-01", "00", #"{"b":1,"a":2}"#, #"{"a":1,"a":1}"#, #"{"a":1,"a":2}"#, #""\u0008""#, #""\u000A""#,
        #""\u001F""#, #""\u+001""#, "\"\t\"", "\"\n\"", "\"\0\"",
    ])
    func otherSpellingsAreRefused(_ text: String) {
        #expect(throws: CanonicalJSONError.notCanonical) { try CanonicalValue(canonicalBytes: Array(text.utf8)) }
    }

    @Test(arguments: [
        ("", 0), (" 1", 0), ("1 ", 1), ("{ }", 1), ("[1, 2]", 3), ("[1,]", 3), (#"{"a" :1}"#, 4), (#"{"a":1,}"#, 7),
        ("1.0", 1), ("1e3", 1), ("+1", 0), ("-", 0), ("true", 0), ("null", 0), ("'a'", 0), ("{a:1}", 1), (#""a"#, 2),
        ("{\"a\"", 4), ("[", 1), ("[1", 2), ("]", 0), (#""\/""#, 2), (#""\u0041""#, 3), (#""\u00""#, 3), (#""\x""#, 2),
        (#""\"#, 2), ("9223372036854775808", 0), (#"{"a":1}{"#, 7), ("[1]]", 3),
    ])
    func whatIsNotOfThisFormIsMalformed(_ text: String, offset: Int) {
        #expect(throws: CanonicalJSONError.malformed(offset: offset)) {
            try CanonicalValue(canonicalBytes: Array(text.utf8))
        }
    }

    @Test func textThatIsNotUTF8IsMalformed() {
        for bytes: [UInt8] in [[0x80], [0xC3], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80]] {
            let quoted = [UInt8(ascii: "\"")] + bytes + [UInt8(ascii: "\"")]
            #expect(throws: CanonicalJSONError.malformed(offset: quoted.count)) {
                try CanonicalValue(canonicalBytes: quoted)
            }
        }
    }

    @Test func nestingIsLimited() throws {
        func nested(_ depth: Int) -> [UInt8] {
            Array(repeating: UInt8(ascii: "["), count: depth) + Array(repeating: UInt8(ascii: "]"), count: depth)
        }
        #expect(try CanonicalValue(canonicalBytes: nested(32)).bytes == nested(32))
        #expect(throws: CanonicalJSONError.tooDeep(limit: 32)) { try CanonicalValue(canonicalBytes: nested(33)) }
        #expect(throws: CanonicalJSONError.tooDeep(limit: 32)) { try CanonicalValue(canonicalBytes: nested(1 << 20)) }
    }

    @Test func everyTruncationIsRefused() throws {
        let bytes = Array(#"{"a":[1,"é\n"],"b":{"c":-20}}"#.utf8)
        _ = try CanonicalValue(canonicalBytes: bytes)
        for count in bytes.indices {
            #expect(throws: CanonicalJSONError.self) { try CanonicalValue(canonicalBytes: Array(bytes[..<count])) }
        }
    }

    @Test func aChangedByteNeverYieldsTheSameValue() throws {
        let bytes = Array(#"{"a":[1,"é\n\u0001"],"b":{"c":-20,"d":"0.5"}}"#.utf8)
        let original = try CanonicalValue(canonicalBytes: bytes)
        var accepted = 0
        for index in bytes.indices {
            for byte in UInt8.min...UInt8.max where byte != bytes[index] {
                var changed = bytes
                changed[index] = byte
                guard let value = try? CanonicalValue(canonicalBytes: changed) else { continue }
                accepted += 1
                #expect(value != original)
            }
        }
        #expect(accepted > 100)
    }

    @Test func documentsKeepTextsAndOrder() throws {
        let value = try CanonicalValue(canonicalBytes: Array(#"{"b":[1,"x"],"é":"0.5"}"#.utf8))
        guard case .mapping(let entries) = value.documentNode.content else {
            Issue.record("not a mapping")
            return
        }
        #expect(entries.map(\.key) == ["b", "é"])
        #expect(entries.allSatisfy { $0.keyPosition == nil && $0.value.position == nil })
        #expect(try DocumentReader(entries[0].value).strings() == ["1", "x"])
        #expect(try DocumentReader(entries[1].value).decimal(0...1) == 0.5)
    }
}
