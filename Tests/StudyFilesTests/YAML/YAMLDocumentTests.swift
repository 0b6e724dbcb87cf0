// SPDX-License-Identifier: Apache-2.0
// Which YAML is read, with which places, and which is refused where.

import Federation
import Foundation
import Randomness
import StudyFiles
import Testing

@Suite struct YAMLDocumentTests {
    private func parse(_ text: String) throws -> DocumentNode { try YAMLDocument.parse(text, path: "f.yaml") }

    @Test func everyNodeHasItsPlace() throws {
        let text = """
            # comment
            a: x
            bb:
              - 1.0
              - {c: "no", d: [~, yes]}
            'e f':
            """
        #expect(
            try parse(text).text
                == "{a@2:1: x@2:4, bb@3:1: [1.0@4:5, {c@5:6: no@5:9, d@5:15: [~@5:19, yes@5:22]@5:18}@5:5]@4:3, "
                + "e f@6:1: @6:7}@2:1")
    }

    @Test func columnsCountCharactersNotBytes() throws {
        #expect(
            try parse("é: 漢字 # x\nü: {\u{1F600}: y}").text == "{é@1:1: 漢字@1:4, ü@2:1: {\u{1F600}@2:5: y@2:8}@2:4}@1:1")
    }

    @Test func scalarsStayText() throws {
        let text = "[1.0, 0x10, 1_000, yes, No, null, ~, 2024-01-31, '007', \"a\\tb\", .inf, =]"
        #expect(
            try DocumentReader(parse(text)).strings()
                == ["1.0", "0x10", "1_000", "yes", "No", "null", "~", "2024-01-31", "007", "a\tb", ".inf", "="])
    }

    @Test func blockTextsAreRead() throws {
        let text = "folded: >-\n  a\n  b\nliteral: |\n  a\n   b\n"
        #expect(try parse(text).text == "{folded@1:1: a b@1:9, literal@4:1: a\n b\n@4:10}@1:1")
    }

    @Test func textsAreBroughtToNFC() throws {
        for spelling in ["e\u{301}", "\"e\\u0301\"", "\u{E9}"] {
            guard case .mapping(let entries) = try parse("\(spelling): \(spelling)").content,
                case .scalar(let value) = entries[0].value.content
            else {
                Issue.record("not a mapping of a text")
                return
            }
            #expect(Array(entries[0].key.utf8) == [0xC3, 0xA9])
            #expect(Array(value.utf8) == [0xC3, 0xA9])
        }
    }

    @Test func windowsFilesAreRead() throws {
        #expect(try parse("\u{FEFF}a: 1\r\nb:\r\n  - 2\r\n").text == "{a@1:1: 1@1:4, b@2:1: [2@3:5]@3:3}@1:1")
    }

    @Test func startAndEndMarksAreAllowed() throws {
        #expect(try parse("---\na: 1\n...\n").text == "{a@2:1: 1@2:4}@2:1")
    }

    struct Refusal: Sendable {
        var text: String
        var place: SourcePosition?
        var problem: String
        var hint: String

        init(_ text: String, _ line: Int, _ column: Int, _ problem: String, _ hint: String) {
            self.text = text
            self.place = line == 0 ? nil : SourcePosition(line: line, column: column)
            self.problem = problem
            self.hint = hint
        }
    }

    private static let once = "write the value out wherever it is needed"
    private static let untag = "remove the `!…`; what a value means is decided by its key"
    private static let indent = "check quotes, colons and the indentation of this line and the one above"
    private static let escape = "remove it, or write it as an escape between double quotes"

    @Test(arguments: [
        Refusal("", 0, 0, "the file is empty", "write `key: value` lines"),
        Refusal("# only a comment\n", 0, 0, "the file is empty", "write `key: value` lines"),
        Refusal("a: 1\nb: 2\na: 3\n", 1, 1, "this key appears again in the same mapping", "keep one of them"),
        Refusal("a: 1\nb: {c: 1, 'c': 2}\n", 2, 5, "this key appears again in the same mapping", "keep one of them"),
        Refusal("1: 1\n\"1\": 2\n", 1, 1, "this key appears again in the same mapping", "keep one of them"),
        Refusal("e\u{301}: 1\n\u{E9}: 2\n", 1, 1, "this key appears again in the same mapping", "keep one of them"),
        Refusal("a: &x 1\nb: 2\n", 1, 4, "carries an anchor or is an alias", once),
        Refusal("a: &x [1]\nb: *x\n", 1, 4, "carries an anchor or is an alias", once),
        Refusal("a: &x {b: 1}\n", 1, 4, "carries an anchor or is an alias", once),
        Refusal("&x a: 1\n", 1, 1, "a key that is not plain text", "write `key: value`"),
        Refusal("a: 1\nb: *x\n", 2, 4, "uses an alias", "write the value out"),
        Refusal("a:\n  <<: {b: 1}\n", 2, 3, "a merge key", "write the merged keys out"),
        Refusal("a: !!str 1\n", 1, 4, "carries a tag", untag),
        Refusal("a: !!int \"1\"\n", 1, 4, "carries a tag", untag),
        Refusal("a: !mine {}\n", 1, 4, "carries a tag", untag),
        Refusal("a: !mine [1]\n", 1, 4, "carries a tag", untag),
        Refusal("!mine a: 1\n", 1, 1, "carries a tag", untag),
        Refusal("a: ! 1\n", 1, 4, "carries a tag", untag),
        Refusal("[a]: 1\n", 1, 1, "a key that is not plain text", "write `key: value`"),
        Refusal("? {a: 1}\n: 1\n", 1, 3, "a key that is not plain text", "write `key: value`"),
        Refusal("a: 1\n---\nb: 2\n", 2, 1, "starts a second document", "keep one document in a file"),
        Refusal("a:\n\tb: 1\n", 2, 1, "a tab in the indentation", "indent with blanks"),
        Refusal("a:\n  \tb: 1\n", 2, 3, "a tab in the indentation", "indent with blanks"),
        Refusal("a: 1\nb: x\u{7}y\n", 2, 5, "a control character", escape),
        Refusal("a: x\u{0}y\n", 1, 5, "a control character", escape),
        Refusal("a: x\u{85}y\n", 1, 5, "a control character", escape),
        Refusal("a: x\u{2028}y\n", 1, 5, "a control character", escape),
        Refusal("a: 1\rb: 2\r", 1, 5, "a control character", escape),
        Refusal("a: b: c\n", 1, 5, "mapping values are not allowed in this context", indent),
        Refusal("a: [1, 2\nb: 3\n", 2, 2, "did not find expected ',' or ']'", indent),
        Refusal("a: 'x\n", 2, 1, "found unexpected end of stream", indent),
        Refusal("a: 1\n b: 2\n", 2, 3, "mapping values are not allowed in this context", indent),
        Refusal("a: \"\\q\"\n", 1, 5, "found unknown escape character", indent),
        Refusal("a: @x\n", 1, 4, "found character that cannot start any token", indent),
        Refusal("a: %x\n", 1, 4, "found character that cannot start any token", indent),
    ])
    func ambiguousOrBrokenYAMLIsRefusedAtItsPlace(_ refusal: Refusal) {
        let expected = FileError(
            code: .syntax, path: "f.yaml", position: refusal.place, problem: refusal.problem, hint: refusal.hint)
        #expect(throws: expected) { try parse(refusal.text) }
    }

    @Test func bytesThatAreNotUTF8AreRefusedWithTheirLine() {
        let latin1 = Array("a: 1\nb: caf".utf8) + [0xE9, UInt8(ascii: "\n")]
        let expected = FileError(
            code: .syntax, path: "f.yaml", position: SourcePosition(line: 2, column: 1),
            problem: "this line is not UTF-8 text", hint: "save the file as UTF-8")
        #expect(throws: expected) { try YAMLDocument.parse(bytes: latin1, path: "f.yaml") }
        let utf16 = Array("a: 1".utf16).flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }
        #expect(throws: FileError.self) { try YAMLDocument.parse(bytes: [0xFF, 0xFE] + utf16, path: "f.yaml") }
    }

    @Test func nestingIsLimited() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + "x" + String(repeating: "]", count: depth)
        }
        _ = try parse(nested(32))
        let expected = FileError(
            code: .syntax, path: "f.yaml", position: SourcePosition(line: 1, column: 34),
            problem: "is nested too deep", hint: "at most 32 levels of lists and mappings")
        #expect(throws: expected) { try parse(nested(33)) }
        #expect(throws: FileError.self) { try parse(nested(100_000)) }
        #expect(throws: FileError.self) { try parse(String(repeating: "- ", count: 100_000) + "x") }
        #expect(throws: FileError.self) { try parse(String(repeating: "{a: ", count: 50_000)) }
    }

    @Test func filesAreLimitedToOneMebibyte() throws {
        let limit = YAMLDocument.largestFileBytes
        let prefix = Array("a: 1 #".utf8)
        let full = prefix + Array(repeating: UInt8(ascii: "x"), count: limit - prefix.count)
        _ = try ProjectFiles.withFile(full) { try YAMLDocument.load(contentsOf: $0) }
        try ProjectFiles.withFile(full + [UInt8(ascii: "x")]) { path in
            let expected = FileError(
                code: .syntax, path: path, position: nil, problem: "the file is larger than 1048576 bytes",
                hint: "this is not a study or configuration file")
            #expect(throws: expected) { try YAMLDocument.load(contentsOf: path) }
        }
        #expect(throws: FileError.self) { try YAMLDocument.load(contentsOf: "/dev/zero") }
    }

    @Test func filesThatCannotBeReadAreNamed() throws {
        let absent = FileError(
            code: .unreadable, path: "no/such.yaml", position: nil, problem: "the file does not exist",
            hint: "check the name; it counts from the current folder")
        #expect(throws: absent) { try YAMLDocument.load(contentsOf: "no/such.yaml") }
        #expect(
            absent.description
                == "no/such.yaml: the file does not exist\nhint: check the name; it counts from the current folder")
        let folder = FileManager.default.temporaryDirectory.path
        let isFolder = FileError(
            code: .unreadable, path: folder, position: nil, problem: "is a folder", hint: "name the file inside it")
        #expect(throws: isFolder) { try YAMLDocument.load(contentsOf: folder) }
    }

    @Test func changedFilesAreReadOrRefusedButNeverCrash() throws {
        let file = try Array(Data(contentsOf: URL(fileURLWithPath: ProjectFiles.path("studies/heart-disease.yaml"))))
        var generator = SeededGenerator(seed: 5, stream: "yaml")
        let spice = Array("&*!|>%@`'\"{}[],:?- \n\t#<\\\u{0}".utf8) + [0xC3, 0xA9, 0xFF]
        var refused = 0
        for _ in 0..<1_500 {
            let start = generator.index(below: file.count)
            var changed = Array(file[start..<min(file.count, start + 400)])
            for _ in 0..<1 + generator.index(below: 4) {
                changed[generator.index(below: changed.count)] = spice[generator.index(below: spice.count)]
            }
            do {
                _ = try YAMLDocument.parse(bytes: changed, path: "f.yaml")
            } catch let error as FileError {
                refused += 1
                #expect(error.path == "f.yaml")
            }
        }
        #expect(refused > 500)
    }
}
