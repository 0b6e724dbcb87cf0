// SPDX-License-Identifier: Apache-2.0
// Checks the ring width against the published table and against its definition.

import RingArithmetic
import Testing

@Suite struct RingWidthGoldenTests {
    private struct File: Decodable {
        struct Row: Decodable {
            let valueBits: Int
            let clients: Int
            let maxWeightUnits: Int
            let ringBits: Int
        }

        let ringBits: [Row]
    }

    @Test func everyPublishedRowHolds() throws {
        let rows = try GoldenVectors.decode(File.self, from: "secagg/secagg.json").ringBits
        #expect(!rows.isEmpty)
        for row in rows {
            let bits = RingWidth.bits(
                sites: row.clients, maximumWeight: row.maxWeightUnits, valueBits: row.valueBits)
            #expect(bits == row.ringBits, "n = \(row.clients), w = \(row.maxWeightUnits), v = \(row.valueBits)")
        }
    }
}

@Suite struct RingWidthTests {
    @Test func widthIsTheSmallestThatHoldsEverySum() {
        for sites in 1...40 {
            for weight in [1, 2, 3, 64, 1000] {
                for valueBits in 2...20 {
                    let largest = sites * weight * ((1 << (valueBits - 1)) - 1)
                    let bits = RingWidth.bits(sites: sites, maximumWeight: weight, valueBits: valueBits)
                    #expect(largest <= (1 << (bits - 1)) - 1)
                    #expect(largest > (1 << (bits - 2)) - 1)
                }
            }
        }
    }

    /// (2⁶³−1)²·(2³⁰−1) has 156 digits.
    @Test func hugeArgumentsDoNotOverflow() {
        #expect(RingWidth.bits(sites: .max, maximumWeight: .max, valueBits: 31) == 157)
        #expect(RingWidth.bits(sites: .max, maximumWeight: 1, valueBits: 2) == 64)
    }
}
