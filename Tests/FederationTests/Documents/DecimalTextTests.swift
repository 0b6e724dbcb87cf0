// SPDX-License-Identifier: Apache-2.0
// The one text of a decimal: shortest, and the same in every language.

import Federation
import Foundation
import Randomness
import Testing

@Suite struct DecimalTextTests {
    @Test(arguments: [
        (0.0, "0"), (-0.0, "0"), (1.0, "1"), (-1.0, "-1"), (15.0, "15"), (0.01, "0.01"), (0.0001, "0.0001"),
        (0.00001, "1e-5"), (-0.000015, "-1.5e-5"), (1e15, "1000000000000000"),
        (9_007_199_254_740_992, "9007199254740992"),
        (1e16, "1e16"),
        (1e17, "1e17"), (1e300, "1e300"), (.leastNonzeroMagnitude, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e308"),
        (0.1 + 0.2, "0.30000000000000004"),
    ])
    func textIsShortAndPlain(_ value: Double, text: String) {
        #expect(decimalText(value) == text)
    }

    @Test func textReadsBackToTheSameDouble() {
        var generator = SeededGenerator(seed: 11, stream: "decimal text")
        for _ in 0..<20_000 {
            let value = Double(bitPattern: generator.next())
            guard value.isFinite else { continue }
            let text = decimalText(value)
            #expect(Double(text) == value, "\(text)")
            #expect(!text.contains("+") && !text.contains("E") && !text.hasSuffix(".0") && !text.contains(".0e"))
        }
    }
}

@Suite struct DecimalTextGoldenTests {
    private struct Row: Decodable {
        var bits: String
        var text: String
    }

    @Test func textsAreThoseOfAnotherLanguage() throws {
        let rows = try JSONDecoder().decode([Row].self, from: Data(StudyVectors.bytes("decimal-text.json")))
        #expect(rows.count >= 1000)
        for row in rows {
            let value = Double(bitPattern: try #require(UInt64(row.bits, radix: 16)))
            #expect(decimalText(value) == row.text)
        }
    }
}
