// SPDX-License-Identifier: Apache-2.0
// The packed form of a vector, written in pieces and read back.

extension RingVector {
    /// Largest piece that ``write(pieceBytes:to:)`` hands out unless told otherwise.
    package static let defaultPieceBytes = 262_144

    /// Hands the packed form to `sink`, in order, in pieces that are gone when `sink` returns.
    ///
    /// A piece never crosses a section. A vector of any size needs one extra buffer of `pieceBytes`.
    ///
    /// - Precondition: `pieceBytes >= 64`, room for eight elements of any width.
    /// - Throws: what `sink` throws; the rest is then not handed out.
    package func write<Failure: Error>(
        pieceBytes: Int = defaultPieceBytes, to sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        precondition(pieceBytes >= 64, "a piece holds at least eight elements")
        let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: pieceBytes, alignment: 64)
        defer { unsafe scratch.deallocate() }
        for (section, description) in layout.sections.enumerated() {
            // Eight elements of b bits are b bytes.
            let elements = pieceBytes / description.elementBits.ringBits * BitPacking.groupElements
            for start in stride(from: 0, to: description.count, by: elements) {
                let end = min(start + elements, description.count)
                let size = unsafe pack(section: section, elements: start..<end, into: scratch)
                try unsafe sink(UnsafeRawBufferPointer(rebasing: scratch[..<size]))
            }
        }
    }

    /// Packs some elements of a section to the start of a buffer.
    ///
    /// - Precondition: `elements` begins at a multiple of ``BitPacking/groupElements`` and fits the buffer.
    /// - Returns: The number of bytes written; unused bits of the last one are zero.
    package func pack(section: Int, elements: Range<Int>, into buffer: UnsafeMutableRawBufferPointer) -> Int {
        precondition(elements.lowerBound % BitPacking.groupElements == 0, "elements begin at a byte")
        switch layout.sections[section].elementBits {
        case .bits32(let bits):
            let size = BitPacking.packedByteCount(count: elements.count, bits: bits)
            let output = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[..<size])
            unsafe withWords32(section: section) { words in
                unsafe BitPacking.pack(UnsafeBufferPointer(rebasing: words[elements]), bits: bits, into: output)
            }
            return size
        case .bits64:
            // Little-endian words are their own packed form; Kernels refuses to compile anywhere else.
            let size = 8 * elements.count
            unsafe withWords64(section: section) { words in
                unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[..<size])
                    .copyMemory(from: UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: words[elements])))
            }
            return size
        }
    }

    /// The whole packed form, for small vectors.
    package func packed() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(layout.packedByteCount)
        unsafe write { piece in unsafe bytes.append(contentsOf: piece) }
        return bytes
    }

    /// Reads a packed contribution.
    ///
    /// - Throws: ``RingError/wrongLength(expected:actual:)`` or ``RingError/nonzeroPadding(section:)``.
    package static func decode(_ bytes: UnsafeRawBufferPointer, layout: RingLayout) throws(RingError) -> RingVector {
        guard bytes.count == layout.packedByteCount else {
            throw .wrongLength(expected: layout.packedByteCount, actual: bytes.count)
        }
        var accumulator = RingAccumulator(layout: layout)
        var contribution = try accumulator.begin(byteCount: bytes.count)
        try unsafe accumulator.add(packed: bytes, to: &contribution)
        try accumulator.finish(contribution)
        return try accumulator.total()
    }

    /// Reads a packed contribution from an array.
    ///
    /// - Throws: ``RingError/wrongLength(expected:actual:)`` or ``RingError/nonzeroPadding(section:)``.
    package static func decode(_ bytes: [UInt8], layout: RingLayout) throws(RingError) -> RingVector {
        try unsafe bytes.withUnsafeBufferPointer { (bytes) throws(RingError) in
            try unsafe decode(UnsafeRawBufferPointer(bytes), layout: layout)
        }
    }
}
