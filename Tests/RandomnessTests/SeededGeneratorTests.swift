// SPDX-License-Identifier: Apache-2.0
// Pins the output of the seeded generator for ever and checks its helpers.

import Randomness
import Testing

@Suite struct SeededGeneratorTests {
    /// The sequence that the reference implementation prints from the state (1, 2, 3, 4).
    @Test func stepIsXoshiro256PlusPlus() {
        var generator = SeededGenerator(state: (1, 2, 3, 4))
        let expected: [UInt64] = [
            41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386,
            9_228_616_714_210_784_205, 9_973_669_472_204_895_162,
        ]
        #expect(expected.map { _ in generator.next() } == expected)
    }

    /// Computed by an independent Python implementation of the four steps in the type's description.
    @Test(
        arguments: [
            (0, "", [0x96bb_3c9c_ab98_ed3f, 0x65b6_4fbc_9a77_0e81, 0xed86_fb2d_91de_1ae1]),
            (42, "weights", [0x6bb9_b018_428c_df1b, 0x9ce1_9e7a_a57a_bb35, 0x2c4f_3163_3347_12be]),
            (.max, "batches/site-3", [0xf4cf_5c44_84d7_bde1, 0xe2d0_d085_c9af_143f, 0xcbb5_4091_d271_35ec]),
            (7, "größe", [0x244b_3f73_a77d_0306, 0xe116_c9db_98ca_de43, 0xc7dc_9aba_3b9b_4906]),
        ] as [(UInt64, String, [UInt64])])
    func outputOfASeedAndStreamNeverChanges(seed: UInt64, stream: String, expected: [UInt64]) {
        var generator = SeededGenerator(seed: seed, stream: stream)
        #expect(expected.map { _ in generator.next() } == expected)
    }

    @Test func uniformNumbersAreTheUpperBitsOfADraw() {
        var generator = SeededGenerator(seed: 42, stream: "uniform")
        #expect(generator.uniformDouble() == 3_816_282_695_103_132 * 0x1p-53)
        #expect(generator.uniformFloat() == 7_201_770 * 0x1p-24)
    }

    @Test func uniformNumbersStayBelowOne() {
        // Words 0 and 3 that add up to all ones, rotated and added to zero: the largest possible draw.
        let draw = SeededGenerator(state: (0, 1, 1, .max))
        var first = draw
        var second = draw
        var third = draw
        #expect(first.next() == UInt64.max)
        #expect(second.uniformDouble() == 1 - 0x1p-53)
        #expect(third.uniformFloat() == 1 - 0x1p-24)
    }

    /// The order an independent Python implementation gives.
    @Test func shuffleNeverChangesAndIsTheSameForBothElementTypes() {
        var first = SeededGenerator(seed: 42, stream: "shuffle")
        var second = first
        var values = Array(0..<10)
        var narrow = values.map(Int32.init)
        first.shuffle(&values)
        second.shuffle(&narrow)
        #expect(values == [9, 3, 6, 7, 2, 4, 0, 8, 5, 1])
        #expect(narrow.map(Int.init) == values)
    }

    @Test func shuffleOfNothingOrOneDrawsNothing() {
        var generator = SeededGenerator(seed: 1, stream: "short")
        var untouched = generator
        var none: [Int] = []
        var one: [Int32] = [5]
        generator.shuffle(&none)
        generator.shuffle(&one)
        #expect(one == [5])
        #expect(generator.next() == untouched.next())
    }

    /// 2 × 300 000 draws over 3 classes each: a count has standard deviation 258; seven of them (z = 7, odds 2.6e-12
    /// a class, six classes) are allowed. For the bound 3·2⁶¹ a quarter of all draws is surplus; kept, it would give
    /// the indices 2 modulo 3 only 75 000.
    @Test func indicesAreEquallyLikelyEvenForHugeBounds() {
        var generator = SeededGenerator(seed: 3, stream: "index")
        let huge = 3 << 61  // 3·2⁶¹ < 2⁶³
        var small = [0, 0, 0]
        var remainders = [0, 0, 0]
        for _ in 0..<300_000 {
            small[generator.index(below: 3)] += 1
            remainders[generator.index(below: huge) % 3] += 1
        }
        for count in small + remainders {
            #expect(abs(count - 100_000) < 1_807)
        }
    }

    @Test func everyOrderOfThreeIsEquallyLikely() {
        // 60 000 shuffles over 6 orders: standard deviation 91, seven of them allowed (odds below 2e-11 in all).
        var generator = SeededGenerator(seed: 4, stream: "orders")
        var counts: [[Int]: Int] = [:]
        for _ in 0..<60_000 {
            var values = [0, 1, 2]
            generator.shuffle(&values)
            counts[values, default: 0] += 1
        }
        #expect(counts.count == 6)
        #expect(counts.values.allSatisfy { abs($0 - 10_000) < 640 })
    }
}
