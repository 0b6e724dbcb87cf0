// SPDX-License-Identifier: Apache-2.0
// Owned float32 memory that is allocated once and used for every training step.

/// A block of floats on a 64-byte boundary, zero at first, freed with its owner.
///
/// Safe to hold: the memory lives exactly as long as the value. What ``elements`` returns does not keep it alive.
@safe package struct FloatBuffer: ~Copyable {
    private let memory: UnsafeMutableRawBufferPointer
    /// The number of floats.
    package let count: Int

    /// - Precondition: `count >= 0`.
    package init(count: Int) {
        precondition(count >= 0, "a buffer of \(count) floats")
        let bytes = count * MemoryLayout<Float>.stride
        unsafe memory = .allocate(byteCount: bytes, alignment: 64)
        unsafe memory.bindMemory(to: Float.self).initialize(repeating: 0)
        self.count = count
    }

    deinit { unsafe memory.deallocate() }

    /// All floats, valid while the buffer is.
    package var elements: UnsafeMutableBufferPointer<Float> { unsafe memory.assumingMemoryBound(to: Float.self) }

    /// Sets every float to zero.
    package func clear() { unsafe elements.update(repeating: 0) }
}
