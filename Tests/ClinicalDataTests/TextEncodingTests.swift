// SPDX-License-Identifier: Apache-2.0
// Character encodings: Windows-1252 as a last resort, UTF-16 with surrogates, and what is refused.

import ClinicalData
import Testing

@Suite struct TextEncodingTests {
    private func name(_ bytes: [UInt8], _ encoding: TextEncoding? = nil) throws -> String? {
        try describe(bytes, encoding: encoding, hasHeader: true).columns[0].name
    }

    @Test func utf8OfEveryLengthIsKept() throws {
        for text in ["é", "€", "😀", "\u{7FF}\u{800}\u{FFFF}\u{10000}\u{10FFFF}"] {
            #expect(try name(Array(text.utf8)) == text)
        }
    }

    @Test func bytesThatAreNotUTF8AreReadAsWindows1252() throws {
        #expect(try name([0x80, 0xE4, 0x9F]) == "€äŸ")
        #expect(try describe([0x80, 0xE4, 0x9F]).encoding == "windows1252")
    }

    @Test func aLateForeignByteChangesTheWholeTable() throws {
        // The header reads differently in the two encodings; the byte that decides stands megabytes later.
        let text = Array("ä,y\n".utf8) + Array(String(repeating: "1,0\n", count: 500_000).utf8) + [0xE4, 0x2C, 0x30]
        let described = try describe(text, hasHeader: true)
        #expect(described.encoding == "windows1252")
        #expect(described.columns[0].name == "Ã¤")
        #expect(described.rows == 500_001)
    }

    @Test func givenUTF8IsNotGuessedAgain() {
        let error = dataError { () throws(DataError) in try describe([0x61, 0xE4, 0x62], encoding: .utf8) }
        #expect(error?.code == .wrongEncoding)
    }

    @Test func malformedUTF8IsRefused() {
        let wrong: [[UInt8]] = [
            [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF0, 0x80, 0x80, 0x80],
            [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xE2, 0x82], [0xE2, 0x82, 0x41], [0xFF],
        ]
        for bytes in wrong {
            for block in [1, 1 << 20] {
                let error = dataError { () throws(DataError) in
                    try describe([0x61] + bytes, encoding: .utf8, sourceBlock: block)
                }
                #expect(error?.code == .wrongEncoding, "\(bytes), block \(block)")
            }
        }
    }

    @Test func utf16SurrogatesBecomeOneCharacter() throws {
        for isBigEndian in [false, true] { #expect(try name("a😀é€".utf16Bytes(bigEndian: isBigEndian)) == "a😀é€") }
    }

    @Test func brokenUTF16IsRefusedAndNotTakenForSomethingElse() {
        let wrong: [[UInt8]] = [
            [0xFF, 0xFE, 0x61], [0xFF, 0xFE, 0x3D, 0xD8], [0xFF, 0xFE, 0x00, 0xDE],
            [0xFF, 0xFE, 0x3D, 0xD8, 0x61, 0x00],
        ]
        for bytes in wrong {
            #expect(dataError { () throws(DataError) in try describe(bytes) }?.code == .wrongEncoding, "\(bytes)")
        }
    }

    @Test func utf16WithoutAMarkIsRefusedWithAHint() {
        let error = dataError { () throws(DataError) in try load(Sample.text.utf16Bytes(bigEndian: false, mark: false))
        }
        #expect(error?.code == .zeroByte)
        #expect(error?.hint.contains("UTF-16") == true)
    }
}
