// SPDX-License-Identifier: Apache-2.0
// Values as bfloat16, made from float32 for the products and convolutions that read them so.

import Kernels

/// The bfloat16 form of values that several products read, made by the first of them that wants it.
///
/// The owner says when the values have changed; the memory is allocated when first needed and kept.
package final class Bfloat16Copy {
    private let memory = Bfloat16Memory()
    private var isCurrent = false
    private var part = 0..<0

    package init() {}

    /// The values are new.
    package func expire() { isCurrent = false }

    /// The values are new, and those of these examples.
    package func begin(_ part: Range<Int>) {
        isCurrent = false
        self.part = part
    }

    /// The values are again those of ``begin(_:)`` for these examples: the copy is good unless others came between.
    package func resume(_ part: Range<Int>) {
        if part != self.part { begin(part) }
    }

    func start(of values: Floats) -> UnsafeMutableRawPointer {
        defer { isCurrent = true }
        return unsafe isCurrent ? memory.current(count: values.count) : memory.convert(values)
    }
}

/// Memory for bfloat16 values, as large as the most that were converted.
final class Bfloat16Memory {
    private var memory = FloatBuffer(count: 0)
    private var count = 0

    var byteCount: Int { memory.count * MemoryLayout<Float>.stride }

    /// The values as bfloat16, until the next call.
    func convert(_ values: Floats) -> UnsafeMutableRawPointer {
        if 2 * memory.count < values.count { memory = FloatBuffer(count: (values.count + 1) / 2) }
        let target = unsafe UnsafeMutableRawPointer(memory.floats.start)
        unsafe consilium_to_bfloat16(
            values.count, values.start, target.bindMemory(to: UInt16.self, capacity: values.count))
        count = values.count
        return unsafe target
    }

    /// What the last call converted.
    func current(count: Int) -> UnsafeMutableRawPointer {
        precondition(count == self.count, "a copy of \(self.count) values for \(count)")
        return unsafe UnsafeMutableRawPointer(memory.floats.start)
    }
}

/// The bit patterns of values as bfloat16.
package func bfloat16Patterns(of values: Floats) -> [UInt16] {
    unsafe .init(unsafeUninitializedCapacity: values.count) { patterns, count in
        if let start = patterns.baseAddress { unsafe consilium_to_bfloat16(values.count, values.start, start) }
        count = values.count
    }
}
