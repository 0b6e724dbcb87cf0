// SPDX-License-Identifier: Apache-2.0
// One site's contribution in its packed form, section by section, without ever being whole in memory.

package import Randomness

/// Writes the sections of a layout in order, in pieces that are gone when the sink returns.
///
/// A contribution to a model of any size needs two buffers of a piece.
/// Invariant: the bytes are those of the ``RingVector`` with the same elements.
package struct RingWriter: ~Copyable {
    /// Elements quantised and packed at a time: a whole number of packing groups and of keystream blocks.
    private static let pieceElements = 65_536

    package let layout: RingLayout
    /// The section that is written next.
    private var section = 0

    package init(layout: RingLayout) { self.layout = layout }

    /// Writes the next section as exact integers, modulo its ring.
    ///
    /// - Precondition: the section has one element for each value.
    /// - Throws: what `sink` throws.
    package mutating func write(
        integers values: [Int64], to sink: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        switch take(count: values.count).elementBits {
        case .bits32(let bits):
            let elements = values.map { UInt32(truncatingIfNeeded: $0) }
            try unsafe elements.withUnsafeBufferPointer { elements in
                try unsafe writePieces(elements.count, bits: bits, to: sink) { range, _ in
                    unsafe UnsafeBufferPointer(rebasing: elements[range])
                }
            }
        case .bits64:
            // Little-endian words are their own packed form; Kernels refuses to compile anywhere else.
            try unsafe values.withUnsafeBytes { bytes in
                for start in stride(from: 0, to: bytes.count, by: RingVector.defaultPieceBytes) {
                    let end = min(start + RingVector.defaultPieceBytes, bytes.count)
                    try unsafe sink(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
                }
            }
        }
    }

    /// Writes the next section, a 32-bit one, as stochastically rounded, weighted values; see ``FixedPoint``.
    ///
    /// Privacy: see ``FixedPoint/quantize(_:weight:using:firstBlock:into:)``.
    /// - Precondition: the section has 32-bit elements, one for each value.
    /// - Throws: what `sink` throws.
    package mutating func write(
        quantized values: [Float], as fixedPoint: FixedPoint, weight: UInt32, using stream: inout KeyedStream,
        firstBlock: UInt64 = 0, to sink: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> QuantizationReport {
        let next = take(count: values.count)
        guard case .bits32(let bits) = next.elementBits else {
            preconditionFailure("rounded values go into a 32-bit section")
        }
        var report = QuantizationReport()
        try unsafe values.withUnsafeBufferPointer { values in
            try unsafe writePieces(values.count, bits: bits, to: sink) { range, scratch in
                let piece = unsafe fixedPoint.quantize(
                    UnsafeBufferPointer(rebasing: values[range]), weight: weight, using: &stream,
                    firstBlock: firstBlock &+ UInt64(range.lowerBound / FixedPoint.elementsPerBlock), into: scratch)
                report.clipped += piece.clipped
                report.nonFinite += piece.nonFinite
                return UnsafeBufferPointer(scratch)
            }
        }
        return report
    }

    /// Packs `count` elements of `bits` bits piece by piece.
    ///
    /// - Parameter elements: gives the elements of a range; it may put them into the scratch buffer, which is as long.
    private func writePieces(
        _ count: Int, bits: Int, to sink: (UnsafeRawBufferPointer) throws -> Void,
        elements: (Range<Int>, UnsafeMutableBufferPointer<UInt32>) -> UnsafeBufferPointer<UInt32>
    ) throws {
        let capacity = min(Self.pieceElements, count)
        let scratch = UnsafeMutableBufferPointer<UInt32>.allocate(capacity: capacity)
        let packed = UnsafeMutableRawBufferPointer.allocate(byteCount: 4 * capacity, alignment: 64)
        defer {
            unsafe scratch.deallocate()
            unsafe packed.deallocate()
        }
        for start in stride(from: 0, to: count, by: Self.pieceElements) {
            let range = start..<min(start + Self.pieceElements, count)
            let piece = unsafe elements(range, UnsafeMutableBufferPointer(rebasing: scratch[..<range.count]))
            let size = BitPacking.packedByteCount(count: range.count, bits: bits)
            let output = unsafe UnsafeMutableRawBufferPointer(rebasing: packed[..<size])
            unsafe BitPacking.pack(piece, bits: bits, into: output)
            try unsafe sink(UnsafeRawBufferPointer(output))
        }
    }

    /// Ends the contribution.
    ///
    /// - Precondition: every section has been written.
    package consuming func finish() {
        precondition(section == layout.sections.count, "a contribution has every section of its layout")
    }

    private mutating func take(count: Int) -> RingSection {
        precondition(section < layout.sections.count, "no section is left to write")
        let next = layout.sections[section]
        precondition(next.count == count, "one value for each element of the section")
        section += 1
        return next
    }
}
