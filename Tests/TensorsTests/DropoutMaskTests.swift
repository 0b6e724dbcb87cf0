// SPDX-License-Identifier: Apache-2.0
// Dropout: its definition, the same mask in any split and in backward, and its odds.

import Tensors
import Testing

@Suite struct DropoutMaskTests {
    private static let rates = [0, 0.1, 0.5, 0.9]

    @Test(arguments: rates) func maskIsTheDefinition(rate: Double) {
        // The last one crosses from one upper half of the element's number to the next.
        for first in [0, 1, 12345, 1 << 40, (1 << 32) - 20] {
            for count in [1, 15, 17, 40] {
                let x = seededFloats(count, "x")
                let expected = x.indices.map {
                    Self.isDropped(UInt64(first + $0), key: 99, rate: rate) ? 0 : x[$0] * Float(1 / (1 - rate))
                }
                #expect(Self.apply(DropoutMask(rate: rate, key: 99), x, first: first) == expected, "from \(first)")
                let rows = onFloats([x, unwritten(count)]) {
                    DropoutMask(rate: rate, key: 99).apply($0[0], rowWidth: 1, firstRow: first, into: $0[1])
                }[1]
                #expect(rows == expected, "rows from \(first)")
            }
        }
    }

    @Test func maskIsTheSameInAnySplit() {
        let (mask, x) = (DropoutMask(rate: 0.4, key: 3), seededFloats(300, "x"))
        let whole = Self.apply(mask, x, first: 1000)
        for part in [1, 7, 16, 50, 299] {
            let split = stride(from: 0, to: 300, by: part).flatMap {
                Self.apply(mask, Array(x[$0..<min($0 + part, 300)]), first: 1000 + $0)
            }
            #expect(split == whole, "parts of \(part)")
        }
    }

    @Test func backwardTakesTheSameMask() {
        let (mask, x, dy) = (DropoutMask(rate: 0.3, key: 5), seededFloats(99, "x"), seededFloats(99, "dy"))
        let (y, dx) = (Self.apply(mask, x, first: 7), Self.apply(mask, dy, first: 7))
        for index in 0..<99 {
            #expect((y[index] == 0) == (dx[index] == 0))
            #expect(dx[index] == 0 || dx[index] == dy[index] * Float(1 / 0.7))
        }
        #expect(y.contains(0) && y.contains { $0 != 0 })
        let inPlace = onFloats([x]) { mask.apply($0[0], firstElement: 7, into: $0[0]) }[0]
        #expect(inPlace == y)
    }

    @Test func aRowIsDroppedAsAWhole() {
        let (mask, rows) = (DropoutMask(rate: 0.5, key: 11), 64)
        for width in [1, 5, 16, 37] {
            let x = [Float](repeating: 1, count: rows * width)
            let y = onFloats([x, unwritten(x.count)]) {
                mask.apply($0[0], rowWidth: width, firstRow: 20, into: $0[1])
            }[1]
            let expected = (0..<rows).flatMap { row in
                [Float](repeating: Self.isDropped(UInt64(20 + row), key: 11, rate: 0.5) ? 0 : 2, count: width)
            }
            #expect(y == expected, "width \(width)")
        }
    }

    /// n = 2²⁰ decisions are compared with 5.5 standard deviations: odds of a false alarm 4e-8 for each of twelve
    /// comparisons, 5e-7 in all (normal approximation, two-sided).
    @Test(arguments: [0.01, 0.1, 0.5, 0.9]) func rateIsTheOddsOfZero(rate: Double) {
        let count = 1 << 20
        let ones = [Float](repeating: 1, count: count)
        func isNear(_ hits: Int, _ odds: Double) -> Bool {
            abs(Double(hits) - odds * Double(count)) < 5.5 * (Double(count) * odds * (1 - odds)).squareRoot()
        }
        let masks = [1, 2].map { Self.apply(DropoutMask(rate: rate, key: $0), ones, first: 0) }
        for mask in masks { #expect(isNear(mask.count { $0 == 0 }, rate)) }
        // Two keys decide independently.
        #expect(isNear(zip(masks[0], masks[1]).count { $0.0 == 0 && $0.1 == 0 }, rate * rate))
    }

    @Test func aRateOfZeroKeepsEveryValue() {
        let x = seededFloats(100, "x") + [.nan]
        let y = Self.apply(DropoutMask(rate: 0, key: 1), x, first: 0)
        #expect(Array(y.dropLast()) == Array(x.dropLast()))
        #expect(y[100].isNaN)
    }

    @Test func nanIsZeroOnlyWhereDropped() {
        let y = Self.apply(DropoutMask(rate: 0.5, key: 1), unwritten(100), first: 0)
        for (index, value) in y.enumerated() {
            #expect(Self.isDropped(UInt64(index), key: 1, rate: 0.5) ? value == 0 : value.isNaN, "\(index)")
        }
    }

    private static func apply(_ mask: DropoutMask, _ x: [Float], first: Int) -> [Float] {
        onFloats([x, unwritten(x.count)]) { mask.apply($0[0], firstElement: first, into: $0[1]) }[1]
    }

    /// The definition at the head of dropout.c.
    private static func isDropped(_ element: UInt64, key: UInt64, rate: Double) -> Bool {
        func mix(_ value: UInt64) -> UInt64 {
            var z = value
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
        let golden: UInt64 = 0x9E37_79B9_7F4A_7C15
        let seed = mix(mix(key &+ golden) &+ (element >> 32) &* golden)
        var x = UInt32(truncatingIfNeeded: element) &+ UInt32(truncatingIfNeeded: seed)
        x = (x ^ (x >> 17)) &* 0xED5A_D4BB
        x = ((x ^ (x >> 11)) &+ UInt32(seed >> 32)) &* 0xAC4C_1B51
        x = (x ^ (x >> 15)) &* 0x3184_8BAB
        return x ^ (x >> 14) < UInt32(rate * 0x1p32)
    }
}
