// SPDX-License-Identifier: Apache-2.0
// Strict reading of documents: what is accepted, and what an error says.

import Federation
import Testing

@Suite struct DocumentReaderTests {
    private let place = SourcePosition(line: 3, column: 5)

    private func scalar(_ text: String) -> DocumentReader {
        DocumentReader(DocumentNode(.scalar(text), position: place), path: "a.b")
    }

    private func mapping(_ entries: [(String, DocumentNode)]) -> DocumentReader {
        let entries = entries.map {
            (key: $0.0, keyPosition: SourcePosition?.some(.init(line: 9, column: 1)), value: $0.1)
        }
        return DocumentReader(DocumentNode(.mapping(entries), position: place))
    }

    private func refusal(_ problem: String, _ hint: String) -> DocumentError {
        DocumentError(path: "a.b", position: place, problem: problem, hint: hint)
    }

    @Test func wholeNumbersAreReadWithinTheirRange() throws {
        #expect(try scalar("-3").integer(-3...4) == -3)
        #expect(try scalar("4").integer(-3...4) == 4)
        for text in ["5", "-4"] {
            #expect(throws: refusal("is out of range", "from -3 to 4")) { try scalar(text).integer(-3...4) }
        }
        for text in ["", "x", "1.0", "1e0", "0x1", " 1", "1_0", "99999999999999999999"] {
            #expect(throws: refusal("must be a whole number", "from -3 to 4")) { try scalar(text).integer(-3...4) }
        }
        #expect(try scalar("18446744073709551615").unsigned() == .max)
        #expect(throws: refusal("must be a whole number", "from 0 to 18446744073709551615")) {
            try scalar("-1").unsigned()
        }
    }

    @Test func decimalsAreFiniteAndWithinTheirRange() throws {
        #expect(try scalar("1e-3").decimal(0...1) == 0.001)
        #expect(try scalar("1").decimal(0...1) == 1)
        #expect(throws: refusal("is out of range", "from 0 to 0.5")) { try scalar("0.51").decimal(0...0.5) }
        for text in ["", "nan", "inf", "-infinity", "1e999", "0,5", "1 000", ".5.", "null"] {
            #expect(throws: refusal("must be a finite number", "from 0 to 0.5")) { try scalar(text).decimal(0...0.5) }
        }
    }

    @Test func booleansAndWordsHaveOneSpelling() throws {
        #expect(try scalar("true").boolean())
        #expect(try !scalar("false").boolean())
        for text in ["yes", "True", "1", ""] {
            #expect(throws: refusal("must be true or false", "write true or false")) { try scalar(text).boolean() }
        }
        #expect(try scalar("clip").keyword(OutOfRangeRule.self) == .clip)
        #expect(throws: refusal("is not a known word", "one of: refuse, clip, missing")) {
            try scalar("Clip").keyword(OutOfRangeRule.self)
        }
    }

    @Test func textsAreLimitedInBytes() throws {
        #expect(try scalar("éé").string(maximumLength: 4) == "éé")
        #expect(throws: refusal("is too long", "at most 3 bytes")) { try scalar("éé").string(maximumLength: 3) }
        let list = DocumentReader(DocumentNode(.sequence([]), position: place), path: "a.b")
        #expect(throws: refusal("must be a single value", "write text, not a list or mapping")) { try list.string() }
    }

    @Test func listsNameTheirElements() throws {
        let list = DocumentReader(
            DocumentNode(.sequence([DocumentNode(.scalar("x")), DocumentNode(.scalar("y"))])), path: "a.b")
        #expect(try list.strings() == ["x", "y"])
        #expect(try list.elements().map(\.path) == ["a.b[0]", "a.b[1]"])
        #expect(throws: refusal("must be a list", "write `- item` lines or [a, b]")) { try scalar("x").elements() }
    }

    @Test func unknownKeysAreRefusedAtTheirPlaceWithoutBeingRepeated() {
        let reader = mapping([("x", DocumentNode(.scalar("1"))), ("secret", DocumentNode(.scalar("2")))])
        let expected = DocumentError(
            path: "", position: SourcePosition(line: 9, column: 1), problem: "has an unknown key",
            hint: "known keys: x, y")
        #expect(throws: expected) { try reader.fields(["x", "y"]) }
        #expect(!expected.description.contains("secret"))
    }

    @Test func missingKeysAreRefusedAtTheMapping() throws {
        let fields = try mapping([("x", DocumentNode(.scalar("1")))]).fields(["x", "y"])
        #expect(try fields.required("x").path == "x")
        #expect(fields[optional: "y"] == nil)
        let expected = DocumentError(path: "", position: place, problem: "lacks the key `y`", hint: "add `y:`")
        #expect(throws: expected) { try fields.required("y") }
        #expect(expected.description == "line 3, column 5: lacks the key `y` (add `y:`)")
    }

    @Test func entriesKeepTheirOrderAndPath() throws {
        let inner = DocumentNode(
            .mapping([("q", nil, DocumentNode(.scalar("1"))), ("b", nil, DocumentNode(.scalar("2")))]))
        #expect(try DocumentReader(inner, path: "a").entries().map(\.value.path) == ["a.q", "a.b"])
        #expect(try DocumentReader(inner).entries().map(\.value.path) == ["q", "b"])
        #expect(throws: refusal("must be a mapping", "write `key: value` lines")) { try scalar("x").entries() }
    }

    @Test func aChoiceIsAWordOrOneEntry() throws {
        let hint = "one of: sgd, adam"
        #expect(try scalar("sgd").choice(["sgd", "adam"]).name == "sgd")
        #expect(try scalar("sgd").choice(["sgd", "adam"]).body.fields(["x"]).values.isEmpty)
        let empty = mapping([("adam", DocumentNode(.scalar("")))])
        #expect(try empty.choice(["sgd", "adam"]).body.fields(["x"]).values.isEmpty)
        let full = mapping([("adam", DocumentNode(.mapping([("x", nil, DocumentNode(.scalar("1")))])))])
        #expect(try full.choice(["sgd", "adam"]).body.fields(["x"]).required("x").string() == "1")
        #expect(throws: refusal("must name exactly one known kind", hint)) {
            try scalar("SGD").choice(["sgd", "adam"])
        }
        let two = mapping([("adam", DocumentNode(.scalar(""))), ("sgd", DocumentNode(.scalar("")))])
        #expect(throws: DocumentError.self) { try two.choice(["sgd", "adam"]) }
    }
}
