// SPDX-License-Identifier: Apache-2.0
// The running sum into which packed contributions are added as they are read.

import Kernels

/// A sum of contributions that arrive as packed bytes, cut into chunks anywhere.
///
/// Adding modulo powers of two is exact, so the order of contributions cannot change the total. Memory: one vector and
/// at most 31 bytes for each open contribution.
///
/// Invariant: once a contribution fails after its first byte the sum holds a part of it and is spoiled for good; every
/// later call throws. Check ``RingLayout/paddedBytes`` of a spooled contribution first and this cannot happen.
/// The caller makes sure that no more contributions are added than the ring can hold; see ``RingWidth``.
package struct RingAccumulator: ~Copyable {
    /// How far the bytes of one contribution have been added. Finish it, or the accumulator gives no total.
    package struct Contribution: ~Copyable {
        /// Bytes taken so far.
        package fileprivate(set) var byteOffset = 0
        /// The section that the next byte belongs to.
        fileprivate var section = 0
        /// The beginning of a group of eight elements whose rest has not arrived; shorter than one group.
        fileprivate var carry: [UInt8] = []

        fileprivate init() {}
    }

    /// Which numbers are summed.
    package let layout: RingLayout
    /// Contributions that are wholly in the sum.
    package private(set) var contributionCount = 0

    private var sum: RingVector
    private var openContributions = 0
    private var isSpoiled = false

    /// An empty sum.
    package init(layout: RingLayout) {
        self.layout = layout
        sum = RingVector(layout: layout)
    }

    /// An empty sum in the memory of a vector that is needed no more.
    package init(reusing spare: consuming RingVector) {
        layout = spare.layout
        sum = spare
        sum.reset()
    }

    /// Begins a contribution of `byteCount` bytes in all.
    ///
    /// - Throws: ``RingError/wrongLength(expected:actual:)`` without touching the sum; ``RingError/spoiled``.
    package mutating func begin(byteCount: Int) throws(RingError) -> Contribution {
        guard !isSpoiled else { throw .spoiled }
        guard byteCount == layout.packedByteCount else {
            throw .wrongLength(expected: layout.packedByteCount, actual: byteCount)
        }
        openContributions += 1
        return Contribution()
    }

    /// Adds the next bytes of a contribution. Chunks may be cut anywhere, also inside an element.
    ///
    /// - Throws: ``RingError/wrongLength(expected:actual:)`` for bytes past the end,
    ///   ``RingError/nonzeroPadding(section:)``, ``RingError/spoiled``. All spoil the sum.
    /// - Complexity: O(bytes); no copy except around a cut.
    package mutating func add(
        packed chunk: UnsafeRawBufferPointer, to contribution: inout Contribution
    ) throws(RingError) {
        guard !isSpoiled else { throw .spoiled }
        do throws(RingError) {
            var offset = 0
            while offset < chunk.count {
                offset += try unsafe addOnce(UnsafeRawBufferPointer(rebasing: chunk[offset...]), to: &contribution)
            }
        } catch {
            isSpoiled = true
            throw error
        }
    }

    /// Ends a contribution.
    ///
    /// - Throws: ``RingError/wrongLength(expected:actual:)`` if bytes are missing, which spoils the sum;
    ///   ``RingError/spoiled``.
    package mutating func finish(_ contribution: consuming Contribution) throws(RingError) {
        guard !isSpoiled else { throw .spoiled }
        guard contribution.byteOffset == layout.packedByteCount else {
            isSpoiled = true
            throw .wrongLength(expected: layout.packedByteCount, actual: contribution.byteOffset)
        }
        openContributions -= 1
        contributionCount += 1
    }

    /// The sum of all finished contributions.
    ///
    /// - Throws: ``RingError/unfinishedContribution`` while one is open; ``RingError/spoiled``.
    package consuming func total() throws(RingError) -> RingVector {
        guard !isSpoiled else { throw .spoiled }
        guard openContributions == 0 else { throw .unfinishedContribution }
        return sum
    }
}

// MARK: - One step of a chunk

extension RingAccumulator {
    /// Takes a prefix of `bytes` within one section: into the carry, or straight into the sum.
    ///
    /// - Returns: The number of bytes taken, at least one.
    private mutating func addOnce(
        _ bytes: UnsafeRawBufferPointer, to contribution: inout Contribution
    ) throws(RingError) -> Int {
        while contribution.section < layout.sections.count,
            layout.byteRanges[contribution.section].upperBound == contribution.byteOffset
        {
            contribution.section += 1
        }
        guard contribution.section < layout.sections.count else {
            throw .wrongLength(
                expected: layout.packedByteCount, actual: contribution.byteOffset + bytes.count)
        }
        let section = contribution.section
        let range = layout.byteRanges[section]
        let groupBytes = Self.groupBytes(layout.sections[section].elementBits)
        let untilEnd = range.upperBound - contribution.byteOffset

        if !contribution.carry.isEmpty || bytes.count < min(groupBytes, untilEnd) {
            let held = contribution.carry.count
            let taken = min(groupBytes - held, untilEnd, bytes.count)
            unsafe contribution.carry.append(contentsOf: bytes.prefix(taken))
            contribution.byteOffset += taken
            guard held + taken == groupBytes || taken == untilEnd else { return taken }
            let start = contribution.byteOffset - contribution.carry.count - range.lowerBound
            try unsafe contribution.carry.withUnsafeBufferPointer { (group) throws(RingError) in
                try unsafe addGroups(UnsafeRawBufferPointer(group), section: section, sectionOffset: start)
            }
            contribution.carry.removeAll(keepingCapacity: true)
            return taken
        }

        let taken = bytes.count >= untilEnd ? untilEnd : bytes.count - bytes.count % groupBytes
        let start = contribution.byteOffset - range.lowerBound
        try unsafe addGroups(
            UnsafeRawBufferPointer(rebasing: bytes[..<taken]), section: section, sectionOffset: start)
        contribution.byteOffset += taken
        return taken
    }

    /// Adds whole groups, the last of which may be the section's shorter end, at a byte offset inside the section.
    private mutating func addGroups(
        _ bytes: UnsafeRawBufferPointer, section: Int, sectionOffset: Int
    ) throws(RingError) {
        let description = layout.sections[section]
        switch description.elementBits {
        case .bits32(let bits):
            let first = sectionOffset / bits * BitPacking.groupElements
            // Whole groups, rounded up: a section that ends inside a group has fewer elements than that.
            let elements = min((bytes.count + bits - 1) / bits * BitPacking.groupElements, description.count - first)
            try unsafe requireZeroPadding(bytes, count: elements, bits: bits, section: section)
            unsafe sum.withMutableWords32(section: section) { words in
                unsafe BitPacking.unpackAdd(
                    bytes, bits: bits,
                    into: UnsafeMutableBufferPointer(rebasing: words[first..<first + elements]))
            }
        case .bits64:
            let first = sectionOffset / 8
            unsafe sum.withMutableWords64(section: section) { words in
                guard let input = bytes.baseAddress, let output = words.baseAddress else { return }
                unsafe consilium_ring_add_words64(
                    output + first, input.assumingMemoryBound(to: UInt8.self), bytes.count / 8)
            }
        }
    }

    /// Refuses set bits after the last element. Whole groups have none; only the end of a section can.
    private func requireZeroPadding(
        _ bytes: UnsafeRawBufferPointer, count: Int, bits: Int, section: Int
    ) throws(RingError) {
        let used = count % BitPacking.groupElements * bits % 8
        guard used > 0, let last = unsafe bytes.last else { return }
        guard last >> UInt8(used) == 0 else { throw .nonzeroPadding(section: section) }
    }

    /// Bytes of the smallest run of elements that begins and ends at a byte.
    private static func groupBytes(_ elementBits: RingSection.ElementBits) -> Int {
        switch elementBits {
        case .bits32(let bits): bits
        case .bits64: 8
        }
    }
}
