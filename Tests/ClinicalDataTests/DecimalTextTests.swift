// SPDX-License-Identifier: Apache-2.0
// Numbers: the column kernel, the slow parser and Swift's own agree to the last bit.

import ClinicalData
import Kernels
import Testing

@Suite struct DecimalTextTests {
    /// The kernel's reading: the value, or `nil` when it passes the field on.
    private func kernel(_ text: String, mark: UInt8 = UInt8(ascii: ".")) -> (kind: UInt8, value: Double) {
        let bytes = Array(text.utf8) + [UInt8](repeating: 0, count: Int(CONSILIUM_SCAN_SLACK))
        var values = [0.0]
        var kinds: [UInt8] = [9]
        consilium_parse_decimals(bytes, [0], [UInt32(text.utf8.count)], 1, 1, mark, &values, &kinds)
        return (kinds[0], values[0])
    }

    @Test func formsThatPeopleWriteAreRead() {
        let forms: [(String, Double)] = [
            ("63.0", 63), (".7", 0.7), ("-1e-3", -0.001), ("+5", 5), ("  12 ", 12), ("\t7\t", 7), ("5.", 5),
            ("1E+2", 100),
            ("-0", 0), ("0.1", 0.1), ("9007199254740992", 9_007_199_254_740_992), ("1e22", 1e22), ("1e23", 1e23),
            ("123456789012345678901234567890", 1.2345678901234568e29), ("0.000000000000000000000000000001", 1e-30),
            ("5e-324", 0x1p-1074), ("1.7976931348623157e308", 1.7976931348623157e308),
        ]
        for (text, value) in forms {
            #expect(DecimalText.value(of: text) == value, "\(text)")
            let fast = kernel(text)
            #expect(fast.kind == 2 || fast.value == value, "\(text)")
        }
        #expect(DecimalText.value(of: "63,5", mark: UInt8(ascii: ",")) == 63.5)
        #expect(kernel("63,5", mark: UInt8(ascii: ",")).value == 63.5)
    }

    @Test func otherTextsAreNotNumbers() {
        let wrong = [
            "", " ", ".", "+", "-", "e5", "1e", "1e+", "1 2", "1,5", "1.2.3", "--1", "0x10", "nan", "NaN", "inf",
            "Infinity",
            "1e999", "-1e999", "1_000", "12a", "a12", "١",
        ]
        for text in wrong {
            #expect(DecimalText.value(of: text) == nil, "\(text)")
            #expect(kernel(text).kind != 0, "\(text)")
        }
    }

    @Test func fastAndSlowAgreeOnRandomNumbers() {
        var generator = SplitMix(state: 20_240_611)
        var fastCount = 0
        for _ in 0..<20_000 {
            let whole = String(generator.next() >> (generator.next() % 64))
            let fraction =
                generator.next() % 3 == 0 ? "" : "." + String(generator.next() >> (20 + generator.next() % 44))
            let exponent = generator.next() % 4 == 0 ? "e\(Int(generator.next() % 50) - 25)" : ""
            let text = (generator.next() % 2 == 0 ? "-" : "") + whole + fraction + exponent
            let expected = Double(text)
            #expect(DecimalText.value(of: text) == expected, "\(text)")
            let fast = kernel(text)
            if fast.kind == 0 {
                fastCount += 1
                #expect(fast.value == expected, "\(text)")
            }
        }
        #expect(fastCount > 5_000, "the kernel must do most of the work: \(fastCount)")
    }
}

/// SplitMix64 (Steele et al. 2014), to draw test cases.
struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}
