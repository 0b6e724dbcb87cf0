// SPDX-License-Identifier: Apache-2.0
// Checks packing and adding packed elements for every width and every awkward length.

import Foundation
import Randomness
import RingArithmetic
import Testing

@Suite struct BitPackingTests {
    private static let counts = Array(0...70) + [127, 128, 129, 1001]

    @Test(arguments: 1...32)
    func packingEqualsThePlainTwinAndIgnoresHigherBits(bits: Int) {
        var generator = SeededGenerator(seed: UInt64(bits), stream: "pack")
        for count in Self.counts {
            let elements = generator.words(count)
            #expect(BitPacking.packed(elements, bits: bits) == PlainRing.pack(elements, bits: bits), "count \(count)")
        }
    }

    @Test(arguments: 1...32)
    func unpackingGivesBackTheLowBits(bits: Int) {
        var generator = SeededGenerator(seed: UInt64(bits), stream: "unpack")
        let mask = UInt32.max >> UInt32(32 - bits)
        for count in Self.counts {
            let elements = generator.words(count)
            var unpacked = [UInt32](repeating: 0, count: count)
            BitPacking.unpackAdd(PlainRing.pack(elements, bits: bits), bits: bits, into: &unpacked)
            #expect(unpacked == elements.map { $0 & mask }, "count \(count)")
        }
    }

    @Test(arguments: 1...32)
    func addingPackedEqualsAddingPlainModuloTheRing(bits: Int) {
        var generator = SeededGenerator(seed: UInt64(bits), stream: "sum")
        let mask = UInt32.max >> UInt32(32 - bits)
        for count in [1, 8, 33, 100] {
            var sum = generator.words(count)
            var plain = sum
            for _ in 0..<20 {
                let elements = generator.words(count)
                BitPacking.unpackAdd(BitPacking.packed(elements, bits: bits), bits: bits, into: &sum)
                for index in plain.indices { plain[index] &+= elements[index] }
            }
            #expect(sum.map { $0 & mask } == plain.map { $0 & mask })
        }
    }

    /// Puts the packed bytes right before a page that nobody may read: a load past the end would end the process.
    @Test(arguments: [1, 7, 18, 25, 31, 32])
    func nothingIsReadPastTheLastByte(bits: Int) throws {
        let page = sysconf(Int32(_SC_PAGESIZE))
        let mapping = mmap(nil, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        let base = try #require(mapping)
        try #require(base != MAP_FAILED && mprotect(base + page, page, PROT_NONE) == 0)
        defer { munmap(base, 2 * page) }
        for count in 1...90 {
            let elements = [UInt32](repeating: .max, count: count)
            let bytes = BitPacking.packed(elements, bits: bits)
            let end = UnsafeMutableRawBufferPointer(start: base + (page - bytes.count), count: bytes.count)
            end.copyBytes(from: bytes)
            var sum = [UInt32](repeating: 0, count: count)
            sum.withUnsafeMutableBufferPointer {
                BitPacking.unpackAdd(UnsafeRawBufferPointer(end), bits: bits, into: $0)
            }
            #expect(sum.allSatisfy { $0 == UInt32.max >> UInt32(32 - bits) })
        }
    }

    @Test func packedByteCountIsTheBitsRoundedUp() {
        for bits in 1...32 {
            for count in 0...100 {
                #expect(BitPacking.packedByteCount(count: count, bits: bits) == (count * bits + 7) / 8)
            }
        }
        #expect(BitPacking.packedByteCount(count: .max / 4, bits: 32) == (.max / 4) * 4 as Int)
    }
}
