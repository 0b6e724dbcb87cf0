// SPDX-License-Identifier: Apache-2.0
// Which numbers a contribution consists of, and where each lies in its packed bytes.

/// One named run of elements of the same width.
package struct RingSection: Hashable, Sendable {
    /// How wide the elements are.
    package enum ElementBits: Hashable, Sendable {
        /// Elements of ℤ/2ᵇ, b = `ringBits` in `2...32`, bit-packed; computed with in 32 bits.
        case bits32(ringBits: Int)
        /// Elements of ℤ/2⁶⁴, 8 bytes little-endian each.
        case bits64

        /// b: bits of one element in the packed form.
        package var ringBits: Int {
            switch self {
            case .bits32(let ringBits): ringBits
            case .bits64: 64
            }
        }
    }

    /// Unique in its layout, for people and for looking the section up.
    package let name: String
    /// Number of elements.
    package let count: Int
    /// Width of each element.
    package let elementBits: ElementBits

    package init(name: String, count: Int, elementBits: ElementBits) {
        self.name = name
        self.count = count
        self.elementBits = elementBits
    }
}

/// The sections of a contribution, in order, each beginning at a byte.
package struct RingLayout: Hashable, Sendable {
    /// A byte at the end of a section that is only partly used.
    package struct PaddedByte: Hashable, Sendable {
        /// The section that ends in it.
        package let section: Int
        /// Where it lies in the packed form.
        package let byteOffset: Int
        /// The bits that must be zero.
        package let paddingMask: UInt8
    }

    /// The sections in order of their bytes.
    package let sections: [RingSection]
    /// Where each section lies in the packed form; consecutive, without gaps.
    package let byteRanges: [Range<Int>]

    /// Lays sections out one after the other.
    ///
    /// - Throws: ``RingError`` `.invalidCount`, `.invalidRingBits`, `.duplicateName` with the index of the section,
    ///   `.layoutTooLarge` if a size overflows. Limits on what is reasonable are the caller's.
    package init(_ sections: [RingSection]) throws(RingError) {
        var ranges: [Range<Int>] = []
        var names: Set<String> = []
        var end = 0
        for (index, section) in sections.enumerated() {
            guard section.count >= 0 else { throw .invalidCount(section: index) }
            if case .bits32(let bits) = section.elementBits, !(2...32).contains(bits) {
                throw .invalidRingBits(section: index, bits: bits)
            }
            guard names.insert(section.name).inserted else { throw .duplicateName(section: index) }
            let bits = section.count.multipliedReportingOverflow(by: section.elementBits.ringBits)
            let next = end.addingReportingOverflow(bits.partialValue / 8 + (bits.partialValue % 8 == 0 ? 0 : 1))
            guard !bits.overflow, !next.overflow else { throw .layoutTooLarge }
            ranges.append(end..<next.partialValue)
            end = next.partialValue
        }
        self.sections = sections
        byteRanges = ranges
    }

    /// Bytes of one contribution.
    package var packedByteCount: Int {
        byteRanges.last?.upperBound ?? 0
    }

    /// The partly used bytes, so that a spooled contribution can be refused before any of it is added.
    package var paddedBytes: [PaddedByte] {
        sections.indices.compactMap { index in
            let used = sections[index].count % 8 * sections[index].elementBits.ringBits % 8
            guard used > 0 else { return nil }
            return PaddedByte(
                section: index, byteOffset: byteRanges[index].upperBound - 1, paddingMask: UInt8.max << UInt8(used))
        }
    }

    /// The index of the section called `name`.
    package func index(named name: String) -> Int? {
        sections.firstIndex { $0.name == name }
    }
}
