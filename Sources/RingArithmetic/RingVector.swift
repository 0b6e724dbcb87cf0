// SPDX-License-Identifier: Apache-2.0
// One site's contribution, or a sum of contributions, as integers modulo powers of two.

import Kernels
package import Randomness

/// Integers in the rings of a layout: one site's contribution or a sum.
///
/// Elements of 32-bit sections are computed with modulo 2³², a multiple of every narrower ring; only their low b bits
/// mean something, and the bits above are dropped when an element is read as a number or packed.
package struct RingVector: Sendable {
    /// Which numbers these are.
    package let layout: RingLayout
    /// Elements of each 32-bit section; empty for the others. Shape: `[sections][count]`.
    private var words32: [[UInt32]]
    /// Elements of each 64-bit section; empty for the others. Shape: `[sections][count]`.
    private var words64: [[UInt64]]

    /// The zero vector of a layout.
    package init(layout: RingLayout) {
        self.layout = layout
        words32 = layout.sections.map { section in
            section.elementBits == .bits64 ? [] : [UInt32](repeating: 0, count: section.count)
        }
        words64 = layout.sections.map { section in
            section.elementBits == .bits64 ? [UInt64](repeating: 0, count: section.count) : []
        }
    }

    /// Makes every element zero, in the memory that is there.
    package mutating func reset() {
        for section in layout.sections.indices {
            unsafe words32[section].withUnsafeMutableBufferPointer { unsafe $0.update(repeating: 0) }
            unsafe words64[section].withUnsafeMutableBufferPointer { unsafe $0.update(repeating: 0) }
        }
    }

    /// The element as a two's complement number of its section's b bits; setting keeps the number modulo 2ᵇ.
    package subscript(section section: Int, index index: Int) -> Int64 {
        get {
            switch layout.sections[section].elementBits {
            case .bits32(let bits):
                let unused = Int32(32 - bits)
                return Int64((Int32(bitPattern: words32[section][index]) << unused) >> unused)
            case .bits64:
                return Int64(bitPattern: words64[section][index])
            }
        }
        set {
            switch layout.sections[section].elementBits {
            case .bits32: words32[section][index] = UInt32(truncatingIfNeeded: newValue)
            case .bits64: words64[section][index] = UInt64(bitPattern: newValue)
            }
        }
    }

    /// Lends the elements of a 32-bit section.
    ///
    /// - Precondition: the section has 32-bit elements.
    package func withWords32<Result, Failure: Error>(
        section: Int, _ body: (UnsafeBufferPointer<UInt32>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        requireWidth32(section)
        return try unsafe words32[section].withUnsafeBufferPointer(body)
    }

    /// Lends the elements of a 32-bit section for changing, modulo 2³².
    ///
    /// - Precondition: the section has 32-bit elements.
    package mutating func withMutableWords32<Result, Failure: Error>(
        section: Int, _ body: (UnsafeMutableBufferPointer<UInt32>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        requireWidth32(section)
        return try unsafe words32[section].withUnsafeMutableBufferPointer { (words) throws(Failure) in
            try unsafe body(words)
        }
    }

    /// Lends the elements of a 64-bit section.
    ///
    /// - Precondition: the section has 64-bit elements.
    package func withWords64<Result, Failure: Error>(
        section: Int, _ body: (UnsafeBufferPointer<UInt64>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        requireWidth64(section)
        return try unsafe words64[section].withUnsafeBufferPointer(body)
    }

    /// Lends the elements of a 64-bit section for changing, modulo 2⁶⁴.
    ///
    /// - Precondition: the section has 64-bit elements.
    package mutating func withMutableWords64<Result, Failure: Error>(
        section: Int, _ body: (UnsafeMutableBufferPointer<UInt64>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        requireWidth64(section)
        return try unsafe words64[section].withUnsafeMutableBufferPointer { (words) throws(Failure) in
            try unsafe body(words)
        }
    }

    /// Adds another vector of the same layout, element by element.
    package mutating func add(_ other: RingVector) {
        precondition(other.layout == layout, "only vectors of one layout add up")
        for section in layout.sections.indices {
            for index in words32[section].indices { words32[section][index] &+= other.words32[section][index] }
            for index in words64[section].indices { words64[section][index] &+= other.words64[section][index] }
        }
    }

    private func requireWidth32(_ section: Int) {
        precondition(layout.sections[section].elementBits != .bits64, "the section has 64-bit elements")
    }

    private func requireWidth64(_ section: Int) {
        precondition(layout.sections[section].elementBits == .bits64, "the section has 32-bit elements")
    }
}

// MARK: - Real numbers in and out

extension RingVector {
    /// Fills a 32-bit section with stochastically rounded, weighted values; see ``FixedPoint``.
    ///
    /// Shapes: `values` has the section's count.
    package mutating func quantize(
        _ values: [Float], section: Int, as fixedPoint: FixedPoint, weight: UInt32,
        using stream: inout KeyedStream, firstBlock: UInt64 = 0
    ) -> QuantizationReport {
        requireWidth32(section)
        return unsafe words32[section].withUnsafeMutableBufferPointer { elements in
            unsafe values.withUnsafeBufferPointer { values in
                unsafe fixedPoint.quantize(
                    values, weight: weight, using: &stream, firstBlock: firstBlock, into: elements)
            }
        }
    }

    /// Writes `factor` × element for the elements `range` of a section.
    ///
    /// The product is formed in double precision and rounded once to `Float`.
    /// Shapes: `output` `[range.count]`.
    package func dequantize(
        section: Int, range: Range<Int>, factor: Double, into output: UnsafeMutableBufferPointer<Float>
    ) {
        precondition(output.count == range.count, "one number for each element")
        switch layout.sections[section].elementBits {
        case .bits32(let bits):
            unsafe words32[section][range].withUnsafeBufferPointer { words in
                guard let input = words.baseAddress, let output = output.baseAddress else { return }
                unsafe consilium_ring_dequantize(input, words.count, UInt32(bits), factor, output)
            }
        case .bits64:
            unsafe words64[section][range].withUnsafeBufferPointer { words in
                guard let input = words.baseAddress, let output = output.baseAddress else { return }
                unsafe consilium_ring_dequantize64(input, words.count, factor, output)
            }
        }
    }

    /// `factor` × element for every element of a section.
    package func dequantized(section: Int, factor: Double) -> [Float] {
        let count = layout.sections[section].count
        return unsafe [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            let output = unsafe UnsafeMutableBufferPointer(rebasing: buffer[..<count])
            unsafe dequantize(section: section, range: 0..<count, factor: factor, into: output)
            initialized = count
        }
    }
}
