// SPDX-License-Identifier: Apache-2.0
// Checks where sections and chunks begin in the stream and in the packed form.

import RingArithmetic
import SecureAggregation
import Testing

@Suite struct MaskLayoutTests {
    private func section(_ name: String, _ count: Int, _ bits: Int) -> RingSection {
        RingSection(name: name, count: count, elementBits: bits == 64 ? .bits64 : .bits32(ringBits: bits))
    }

    @Test func sectionsStartAtWholeBlocks() throws {
        let layout = try MaskLayout(
            summing: [section("a", 5, 18), section("b", 3, 64), section("c", 1, 32), section("d", 4, 25)])
        // 5 words of 4 bytes take 2 blocks, 3 of 8 bytes take 2, 1 takes 1, 4 take 1.
        #expect(layout.chunks.map(\.firstBlock) == [0, 2, 4, 5, 6])
        #expect(layout.chunks.map(\.section) == [0, 1, 2, 3, 4])
        #expect(layout.chunks.map(\.index) == [0, 1, 2, 3, 4])
        #expect(layout.chunks.map(\.bytes) == layout.ring.byteRanges)
        #expect(layout.elementCount == 17)
    }

    @Test func longSectionsAreCut() throws {
        let whole = MaskLayout.chunkElements
        for (bits, elementsPerBlock) in [(18, 4), (25, 4), (32, 4), (64, 2)] {
            let layout = try MaskLayout(summing: [section("a", 2 * whole + 3, bits), section("b", whole, 32)])
            #expect(
                layout.chunks.map(\.elements)
                    == [0..<whole, whole..<2 * whole, 2 * whole..<2 * whole + 3, 0..<whole, 0..<4])
            let blocks = whole / elementsPerBlock
            let end = 2 * blocks + (elementsPerBlock == 4 ? 1 : 2)
            #expect(
                layout.chunks.map { Int($0.firstBlock) } == [0, blocks, 2 * blocks, end, end + whole / 4])
            #expect(layout.chunks[0].bytes.count == 32_768 * bits)
            // Chunks follow each other without a gap and end where the vector ends.
            #expect(layout.chunks.first?.bytes.lowerBound == 0)
            for (chunk, next) in zip(layout.chunks, layout.chunks.dropFirst()) {
                #expect(chunk.bytes.upperBound == next.bytes.lowerBound)
            }
            #expect(layout.chunks.last?.bytes.upperBound == layout.ring.packedByteCount)
        }
    }

    @Test func theLastSectionIsTheCheckLanes() throws {
        let layout = try MaskLayout(summing: [section("a", 5, 18)])
        #expect(layout.checkLaneSection == 1)
        #expect(layout.ring.sections[1].count == 4)
        #expect(layout.ring.sections[1].elementBits == .bits32(ringBits: 32))
        #expect(throws: RingError.duplicateName(section: 1)) {
            _ = try MaskLayout(summing: [section("check lanes", 5, 18)])
        }
    }

    @Test func emptySectionsHaveNoChunk() throws {
        let layout = try MaskLayout(summing: [section("a", 0, 18), section("b", 1, 18)])
        #expect(layout.chunks.map(\.section) == [1, 2])
        #expect(layout.chunks.map(\.firstBlock) == [0, 1])
    }

    @Test func aTaskWithOtherSectionsIsNotMatched() throws {
        let layout = try MaskLayout(summing: [section("a", 5, 18), section("b", 3, 64)])
        let task = [
            SecureTask.Section(entries: 5, ringBits: 18, valueBits: 16),
            SecureTask.Section(entries: 3, ringBits: 64, valueBits: 60), .checkLanes,
        ]
        #expect(layout.matches(task))
        #expect(!layout.matches(Array(task.dropLast())))
        #expect(!layout.matches([task[1], task[0], task[2]]))
        var other = task
        other[0].entries = 6
        #expect(!layout.matches(other))
        other = task
        other[1].ringBits = 63
        #expect(!layout.matches(other))
    }
}
