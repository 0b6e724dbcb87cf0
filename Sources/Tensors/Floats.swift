// SPDX-License-Identifier: Apache-2.0
// A run of float32 memory with a length, on which every kernel of this module works.

import Kernels

/// A run of `count` floats that somebody else owns.
///
/// Every kernel checks the lengths it is given and every slice its bounds. What the type cannot check is the lifetime:
/// the owner (a ``FloatBuffer`` held by a plan, an array inside a closure) must outlive the value. Values are made and
/// used inside the engine only, which holds the owners as long as the operations.
@safe package struct Floats {
    package let start: UnsafeMutablePointer<Float>
    package let count: Int

    package init(start: UnsafeMutablePointer<Float>, count: Int) {
        precondition(count >= 0, "\(count) floats")
        unsafe self.start = start
        self.count = count
    }

    /// All of a buffer.
    package init(_ buffer: UnsafeMutableBufferPointer<Float>) {
        guard let start = buffer.baseAddress else { preconditionFailure("a buffer without memory") }
        unsafe self.init(start: start, count: buffer.count)
    }

    /// The floats `range`, counted from the first.
    package subscript(range: Range<Int>) -> Floats {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "\(range) of \(count) floats")
        return unsafe Floats(start: start + range.lowerBound, count: range.count)
    }

    package subscript(index: Int) -> Float {
        get {
            precondition(index >= 0 && index < count, "float \(index) of \(count)")
            return unsafe start[index]
        }
        nonmutating set {
            precondition(index >= 0 && index < count, "float \(index) of \(count)")
            unsafe start[index] = newValue
        }
    }

    /// Row-major rows of `width`, from row `rows.lowerBound`.
    package func rows(_ rows: Range<Int>, width: Int) -> Floats {
        self[rows.lowerBound * width..<rows.upperBound * width]
    }

    package func fill(with value: Float) { unsafe start.update(repeating: value, count: count) }

    /// Copies as many floats as `source` has.
    package func copy(from source: Floats) {
        precondition(source.count == count, "\(source.count) floats into \(count)")
        unsafe start.update(from: source.start, count: count)
    }

    /// Fills this run from an array, from its element `offset` on.
    package func copy(from source: [Float], at offset: Int) {
        precondition(offset >= 0 && offset + count <= source.count, "\(count) floats at \(offset) of \(source.count)")
        unsafe source.withUnsafeBufferPointer { source in
            guard let first = source.baseAddress else { return }
            unsafe start.update(from: first + offset, count: count)
        }
    }

    /// Every float times `factor`.
    package func scale(by factor: Float) { unsafe consilium_scale(count, factor, start) }

    /// The same memory as a buffer pointer.
    package var elements: UnsafeMutableBufferPointer<Float> { unsafe .init(start: start, count: count) }

    package var array: [Float] { unsafe Array(UnsafeBufferPointer(start: start, count: count)) }
}

/// A run of 32-bit integers that somebody else owns: tokens, lengths, places. As safe as ``Floats``.
@safe package struct Integers {
    package let start: UnsafeMutablePointer<Int32>
    package let count: Int

    package init(start: UnsafeMutablePointer<Int32>, count: Int) {
        precondition(count >= 0, "\(count) integers")
        unsafe self.start = start
        self.count = count
    }

    package subscript(range: Range<Int>) -> Integers {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "\(range) of \(count) integers")
        return unsafe Integers(start: start + range.lowerBound, count: range.count)
    }

    package subscript(index: Int) -> Int32 {
        get {
            precondition(index >= 0 && index < count, "integer \(index) of \(count)")
            return unsafe start[index]
        }
        nonmutating set {
            precondition(index >= 0 && index < count, "integer \(index) of \(count)")
            unsafe start[index] = newValue
        }
    }

    /// Fills this run from an array, from its element `offset` on.
    package func copy(from source: [Int32], at offset: Int) {
        precondition(offset >= 0 && offset + count <= source.count, "\(count) integers at \(offset) of \(source.count)")
        unsafe source.withUnsafeBufferPointer { source in
            guard let first = source.baseAddress else { return }
            unsafe start.update(from: first + offset, count: count)
        }
    }

    /// Whether every number is the place of a row in a table of `count`.
    package func allLie(below count: Int) -> Bool {
        guard let bound = UInt32(exactly: count) else { return false }
        var largest: UInt32 = 0
        for index in 0..<self.count { largest = max(largest, UInt32(bitPattern: unsafe start[index])) }
        return self.count == 0 || largest < bound
    }
}

extension FloatBuffer {
    /// All floats; see ``Floats`` for how long they may be used.
    package var floats: Floats { unsafe Floats(elements) }
}
