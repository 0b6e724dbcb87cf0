// SPDX-License-Identifier: Apache-2.0
// Words of texts, their numbers, and the file that keeps them.

import ClinicalData
import Foundation
import Testing

@Suite struct VocabularyTests {
    /// The words that are found in a text: all of them listed, most frequent first, then by spelling.
    private func words(_ text: String) -> [String] { Vocabulary(texts: [text], limit: 100).words }

    @Test func wordsAreLowerCaseRunsOfLettersAndDigits() {
        #expect(
            words("The patient's age: 39 +/- 5.3yr (B12, IL-6)") == [
                "39", "3yr", "5", "6", "age", "b12", "il", "patient", "s", "the",
            ])
        #expect(words("Ödem NAÏVE Ошибка ΑΣΘΜΑ").sorted() == ["naïve", "ασθμα", "ödem", "ошибка"].sorted())
        #expect(words(" \n\t.,;-_") == [])
        #expect(words("") == [])
    }

    @Test func composedAndDecomposedLettersAreOneWord() {
        let words = Vocabulary(texts: ["e\u{301}tude", "\u{E9}tude", "\u{301} x"], limit: 10).words
        #expect(words == ["étude", "x"])
        #expect(words.first.map { Array($0.utf8) } == Array("\u{E9}tude".utf8))
    }

    @Test func ideographsAreWordsByThemselves() {
        let vocabulary = Vocabulary(texts: ["年龄≥18岁"], limit: 10)
        #expect(Set(vocabulary.words) == ["年", "龄", "18", "岁"])
        #expect(vocabulary.encode("18岁年", length: 3).tokens == ["18", "岁", "年"].map { vocabulary.token(of: $0) })
    }

    @Test func frequentWordsComeFirstAndTiesBySpelling() {
        let texts = ["b a c", "c B", "c d z"]
        let vocabulary = Vocabulary(texts: texts, limit: 4)
        #expect(vocabulary.words == ["c", "b", "a", "d"])
        #expect(vocabulary.count == 6)
        #expect(["c", "b", "a", "d", "z"].map { vocabulary.token(of: $0) } == [2, 3, 4, 5, Vocabulary.unknown])
        #expect(Vocabulary(texts: texts.reversed(), limit: 4) == vocabulary, "the order of the texts does not matter")
        #expect(Vocabulary(texts: texts, limit: 0).count == 2)
        #expect(Vocabulary(texts: [], limit: 5).words == [])
    }

    @Test func textsAreCutAndPadded() {
        let vocabulary = Vocabulary(texts: ["a a b"], limit: 2)
        #expect(vocabulary.encode("b, x A", length: 5) == ([3, 1, 2, 0, 0], 3))
        #expect(vocabulary.encode("b x A", length: 2) == ([3, 1], 2))
        #expect(vocabulary.encode("", length: 2) == ([0, 0], 0))
        let several = vocabulary.encode(["a", "", "b b b"], length: 2)
        #expect(several.tokens == [2, 0, 0, 0, 3, 3])
        #expect(several.lengths == [1, 0, 2])
    }

    @Test func filesKeepTheVocabulary() throws {
        let vocabulary = Vocabulary(texts: ["ödem 年 fever fever 39"], limit: 10)
        #expect(try Vocabulary(parsing: vocabulary.bytes) == vocabulary)
        #expect(
            String(decoding: Vocabulary(texts: ["a b a"], limit: 2).bytes, as: UTF8.self)
                == #"{"format":"consilium-vocabulary","version":1,"words":["a","b"]}"#)
        let url = FileManager.default.temporaryDirectory.appending(path: "vocabulary-\(UUID().uuidString).json")
        defer { try? FileManager.default.removeItem(at: url) }
        try vocabulary.write(path: url.path())
        #expect(try Vocabulary(path: url.path()) == vocabulary)
        let empty = Vocabulary(texts: [], limit: 0)
        #expect(try Vocabulary(parsing: empty.bytes) == empty)
    }

    @Test func otherFilesAreRefusedWithoutTheirWords() {
        func file(_ words: String, format: String = "consilium-vocabulary", version: String = "1") -> String {
            #"{"format":"\#(format)","version":\#(version),"words":\#(words)}"#
        }
        let wrong = [
            "", "secret", "[]", file("[]") + "\n", file("[]", format: "secret"), file("[]", version: "2"),
            file(#""secret""#), file("[1]"), file(#"["secret","secret"]"#), file(#"["Secret"]"#), file(#"[""]"#),
            file(#"["two secrets"]"#), #"{"format":"consilium-vocabulary","words":[]}"#,
        ]
        for text in wrong {
            let error = dataError { () throws(DataError) in try Vocabulary(parsing: Array(text.utf8)) }
            #expect(error?.code == .wrongVocabulary, "\(text)")
            #expect(error?.description.contains("ecret") == false)
        }
        let absent = dataError { () throws(DataError) in try Vocabulary(path: "/nonexistent/words.json") }
        #expect(absent?.code == .unreadableFile)
        let vocabulary = Vocabulary(texts: ["secret"], limit: 1)
        let unwritable = dataError { () throws(DataError) in try vocabulary.write(path: "/nonexistent/words.json") }
        #expect(unwritable?.code == .unwritableFile)
        #expect(unwritable?.description.contains("secret") == false)
    }
}
