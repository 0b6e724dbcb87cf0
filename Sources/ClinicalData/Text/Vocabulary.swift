// SPDX-License-Identifier: Apache-2.0
// The words that a model of texts knows, and texts as their numbers.

import Federation
import Foundation

/// Numbers for the frequent words of the training texts.
///
/// 0 is padding and 1 every word that is not listed; the listed ones follow from 2 on. Words are those of ``Words``.
/// Privacy: lists words of the texts, and rare ones may be names. A vocabulary is as confidential as the texts until
/// somebody has read it.
package struct Vocabulary: Hashable, Sendable {
    package static let padding: Int32 = 0
    package static let unknown: Int32 = 1
    private static let firstWord: Int32 = 2
    /// The largest vocabulary file that is read.
    private static let byteLimit = 64 << 20

    /// The listed words, the most frequent first.
    package let words: [String]
    private let tokens: [String: Int32]

    /// Lists the `limit` most frequent words of `texts`; of equally frequent ones those first in the order of their
    /// UTF-8 bytes.
    ///
    /// - Parameter leastTexts: Words in fewer texts than that are not listed: names of single patients, for one.
    package init(texts: some Sequence<String>, limit: Int, leastTexts: Int = 1) {
        var (counts, textCounts): ([String: Int], [String: Int]) = ([:], [:])
        for text in texts {
            let words = Words.of(text)
            for word in words { counts[word, default: 0] += 1 }
            if leastTexts > 1 {
                for word in Set(words) { textCounts[word, default: 0] += 1 }
            }
        }
        if leastTexts > 1 { counts = counts.filter { textCounts[$0.key, default: 0] >= leastTexts } }
        let ordered = counts.sorted {
            $0.value == $1.value ? $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) : $0.value > $1.value
        }
        self.init(distinct: ordered.prefix(limit).map(\.key))
    }

    private init(distinct words: [String]) {
        self.words = words
        tokens = Dictionary(uniqueKeysWithValues: words.enumerated().map { ($1, Int32($0) + Self.firstWord) })
    }

    /// How many different numbers there are, padding and unknown among them: the rows of an embedding.
    package var count: Int { words.count + Int(Self.firstWord) }

    /// The number of a word in lower case.
    package func token(of word: String) -> Int32 { tokens[word] ?? Self.unknown }

    /// The first `length` words of a text as numbers, padded at the end, and how many are not padding.
    ///
    /// - Precondition: `length >= 0`.
    package func encode(_ text: String, length: Int) -> (tokens: [Int32], length: Int) {
        let encoded = Words.of(text).prefix(length).map { token(of: $0) }
        return (encoded + Array(repeating: Self.padding, count: length - encoded.count), encoded.count)
    }

    /// Several texts as ``encode(_:length:)-(String,_)``.
    ///
    /// Shapes: tokens `[texts.count, length]`, row-major; lengths `[texts.count]`, 0 for a text without words.
    package func encode(_ texts: [String], length: Int) -> (tokens: [Int32], lengths: [Int32]) {
        var (tokens, lengths): ([Int32], [Int32]) = ([], [])
        tokens.reserveCapacity(texts.count * length)
        for text in texts {
            let encoded = encode(text, length: length)
            tokens += encoded.tokens
            lengths.append(Int32(encoded.length))
        }
        return (tokens, lengths)
    }

    // MARK: Files

    private static let format = "consilium-vocabulary"
    private static let version = 1

    /// The canonical JSON file: `{"format":"consilium-vocabulary","version":1,"words":["the","of"]}`.
    package var bytes: [UInt8] {
        CanonicalValue.object([
            "format": .string(Self.format), "version": .count(Self.version), "words": .strings(words),
        ]).bytes
    }

    /// Reads what ``bytes`` wrote.
    ///
    /// - Throws: ``DataError`` `.wrongVocabulary`; its message holds no word of the file.
    package init(parsing bytes: [UInt8]) throws(DataError) {
        guard let value = try? CanonicalValue(canonicalBytes: bytes), case .object(let fields) = value,
            fields.count == 3,
            fields["format"] == .string(Self.format), fields["version"] == .count(Self.version),
            case .array(let values) = fields["words"]
        else { throw Self.wrong("the file is not a vocabulary that this version reads") }
        try self.init(
            words: values.map { value in
                if case .string(let word) = value { word } else { "" }
            })
    }

    /// A vocabulary of words that were listed before, in their order.
    ///
    /// - Throws: ``DataError`` `.wrongVocabulary` for what is no word, or twice; its message holds no word.
    package init(words: [String]) throws(DataError) {
        var known: Set<String> = []
        for (index, word) in words.enumerated() {
            guard Words.of(word) == [word] else { throw Self.wrong("entry \(index + 1) is not a word in lower case") }
            guard known.insert(word).inserted else { throw Self.wrong("entry \(index + 1) is there twice") }
        }
        self.init(distinct: words)
    }

    /// Reads a vocabulary's file.
    ///
    /// - Throws: ``DataError`` `.unreadableFile`, `.wrongVocabulary`.
    package init(path: String) throws(DataError) {
        let file = try PlacedBytes(.file(path: path))
        guard file.byteCount <= Self.byteLimit else { throw Self.wrong("the file is larger than 64 MiB") }
        try self.init(parsing: file.bytes(0..<file.byteCount))
    }

    /// Writes the file, whole or not at all.
    ///
    /// - Throws: ``DataError`` `.unwritableFile`.
    package func write(path: String) throws(DataError) {
        do { try Data(bytes).write(to: URL(filePath: path), options: .atomic) } catch {
            throw DataError(
                .unwritableFile, "cannot write the vocabulary \(path)",
                hint: "check that its folder exists, the permissions and the space on the disk")
        }
    }

    private static func wrong(_ reason: String) -> DataError {
        DataError(.wrongVocabulary, reason, hint: "make it again from the training texts")
    }
}
