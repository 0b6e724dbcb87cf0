// SPDX-License-Identifier: Apache-2.0
// Checks where sections lie and which layouts are refused.

import RingArithmetic
import Testing

@Suite struct RingLayoutTests {
    @Test func sectionsFollowEachOtherAtByteBoundaries() throws {
        let layout = try RingLayout([
            RingSection(name: "update", count: 5, elementBits: .bits32(ringBits: 18)),
            RingSection(name: "empty", count: 0, elementBits: .bits32(ringBits: 32)),
            RingSection(name: "counts", count: 3, elementBits: .bits64),
            RingSection(name: "lanes", count: 4, elementBits: .bits32(ringBits: 32)),
        ])
        #expect(layout.byteRanges == [0..<12, 12..<12, 12..<36, 36..<52])
        #expect(layout.packedByteCount == 52)
        #expect(layout.paddedBytes.map(\.section) == [0])
        #expect(layout.paddedBytes.map(\.byteOffset) == [11])
        #expect(layout.paddedBytes.map(\.paddingMask) == [0b1111_1100])
        #expect(layout.index(named: "counts") == 2)
        #expect(layout.index(named: "nothing") == nil)
    }

    @Test func layoutWithoutSectionsIsEmpty() throws {
        let layout = try RingLayout([])
        #expect(layout.packedByteCount == 0)
        #expect(layout.paddedBytes.isEmpty)
    }

    @Test func paddingMasksCoverExactlyTheUnusedBits() throws {
        for bits in 2...32 {
            for count in 0...17 {
                let layout = try RingLayout([
                    RingSection(name: "a", count: count, elementBits: .bits32(ringBits: bits))
                ])
                let unused = 8 * layout.packedByteCount - count * bits
                #expect(layout.paddedBytes.first?.paddingMask.nonzeroBitCount ?? 0 == unused)
                #expect(layout.paddedBytes.allSatisfy { $0.byteOffset == layout.packedByteCount - 1 })
            }
        }
    }

    @Test(arguments: [-1, 0, 1, 33, 64, Int.max])
    func ringBitsOutsideTheFormAreRefused(bits: Int) {
        #expect(throws: RingError.invalidRingBits(section: 1, bits: bits)) {
            try RingLayout([
                RingSection(name: "a", count: 1, elementBits: .bits64),
                RingSection(name: "b", count: 1, elementBits: .bits32(ringBits: bits)),
            ])
        }
    }

    @Test func impossibleSectionsAreRefused() {
        #expect(throws: RingError.invalidCount(section: 0)) {
            try RingLayout([RingSection(name: "a", count: -1, elementBits: .bits64)])
        }
        #expect(throws: RingError.duplicateName(section: 1)) {
            try RingLayout([
                RingSection(name: "a", count: 1, elementBits: .bits64),
                RingSection(name: "a", count: 2, elementBits: .bits64),
            ])
        }
        #expect(throws: RingError.layoutTooLarge) {
            try RingLayout([RingSection(name: "a", count: .max / 8, elementBits: .bits64)])
        }
        #expect(throws: RingError.layoutTooLarge) {
            try RingLayout(
                (0..<9).map { RingSection(name: "\($0)", count: .max / 64, elementBits: .bits64) })
        }
    }
}
