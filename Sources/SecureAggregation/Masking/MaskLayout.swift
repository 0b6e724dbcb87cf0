// SPDX-License-Identifier: Apache-2.0
// Where the words of a mask lie, and how a masked vector is cut into chunks.

package import RingArithmetic

/// The sections of a secure sum, with the place of each in the mask stream and in the chunks that travel.
///
/// A 32-bit element takes the next 4 bytes of a stream, a 64-bit element the next 8, little-endian; each section starts at
/// the next whole cipher block, so the bytes of a block that a section leaves over are unused. A chunk is 2¹⁸ elements of one
/// section, the last of a section may be shorter; it too starts at a whole block and at a whole byte of the packed form.
/// The last section is always the check lanes.
/// Source: privacy design review, A14; `protocol/secure-sum.md`, section 5.
package struct MaskLayout: Hashable, Sendable {
    /// Elements of a whole chunk.
    package static let chunkElements = 1 << 18
    /// Every site puts 1 into each of these, so their sums are |U|, or masks and set do not belong together.
    package static let checkLanes = RingSection(
        name: "check lanes", count: checkLaneValues.count, elementBits: .bits32(ringBits: 32))
    /// What a site writes into the check lanes.
    package static let checkLaneValues: [Int64] = [1, 1, 1, 1]

    /// A run of elements that travels, and is hashed, as one.
    package struct Chunk: Hashable, Sendable {
        /// Counted from 0 over all sections.
        package let index: Int
        package let section: Int
        /// Of the section.
        package let elements: Range<Int>
        /// In the packed form of the whole vector.
        package let bytes: Range<Int>
        /// The 16-byte block of a mask stream at which its words begin.
        package let firstBlock: UInt64
    }

    /// The sections with the check lanes, and their packed form.
    package let ring: RingLayout
    package let chunks: [Chunk]

    /// Adds the check lanes after the sections of a sum.
    ///
    /// - Throws: ``RingError`` as ``RingLayout`` does; `.duplicateName` for a section called like the check lanes.
    package init(summing sections: [RingSection]) throws(RingError) {
        ring = try RingLayout(sections + [Self.checkLanes])
        chunks = Self.chunks(of: ring)
    }

    /// Elements of one site's vector: what its input statement says.
    package var elementCount: Int { ring.sections.reduce(0) { $0 + $1.count } }

    package var checkLaneSection: Int { ring.sections.count - 1 }

    /// Bytes of a mask stream that an element of a section takes.
    func wordBytes(section: Int) -> Int { ring.sections[section].elementBits == .bits64 ? 8 : 4 }

    /// Whether a task sums the same sections: as many elements of as many bits each.
    package func matches(_ sections: [SecureTask.Section]) -> Bool {
        sections.map(\.entries) == ring.sections.map { UInt64($0.count) }
            && sections.map { Int($0.ringBits) } == ring.sections.map(\.elementBits.ringBits)
    }

    private static func chunks(of ring: RingLayout) -> [Chunk] {
        var chunks: [Chunk] = []
        var sectionBlock: UInt64 = 0
        for (section, description) in ring.sections.enumerated() {
            let elementsPerBlock = description.elementBits == .bits64 ? 2 : 4
            for start in stride(from: 0, to: description.count, by: chunkElements) {
                let end = min(start + chunkElements, description.count)
                // Eight elements of b bits are b bytes, and a chunk starts at a multiple of eight.
                let firstByte = ring.byteRanges[section].lowerBound + start / 8 * description.elementBits.ringBits
                let byteCount =
                    (end - start) / 8 * description.elementBits.ringBits
                    + ((end - start) % 8 * description.elementBits.ringBits + 7) / 8
                chunks.append(
                    Chunk(
                        index: chunks.count, section: section, elements: start..<end,
                        bytes: firstByte..<firstByte + byteCount,
                        firstBlock: sectionBlock + UInt64(start / elementsPerBlock)))
            }
            sectionBlock += UInt64((description.count + elementsPerBlock - 1) / elementsPerBlock)
        }
        return chunks
    }
}
