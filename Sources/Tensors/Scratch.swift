// SPDX-License-Identifier: Apache-2.0
// Memory that one worker's operations take turns in.

/// Scratch memory of one worker: as large as the largest request, its content lost between two operations.
///
/// An operation reserves what it needs when it is made and asks for the memory when it runs, so that a later, larger
/// request may move it.
@safe package final class Scratch {
    private var memory = unsafe UnsafeMutableRawBufferPointer(start: nil, count: 0)

    /// Operands of one product or convolution as bfloat16, where nobody keeps a copy.
    let operands = (Bfloat16Memory(), Bfloat16Memory())

    package init() {}

    deinit { unsafe memory.deallocate() }

    /// Makes sure that there are at least `bytes`; what ``floats(_:)`` and ``start`` gave before is no longer valid.
    package func reserve(bytes: Int) {
        guard unsafe bytes > memory.count else { return }
        unsafe memory.deallocate()
        unsafe memory = .allocate(byteCount: bytes, alignment: 64)
    }

    package func reserve(floats: Int) { reserve(bytes: floats * MemoryLayout<Float>.stride) }

    package var byteCount: Int {
        unsafe memory.count + operands.0.byteCount + operands.1.byteCount
    }

    var start: UnsafeMutableRawPointer? { unsafe memory.baseAddress }

    /// The first `count` floats.
    ///
    /// - Precondition: They were reserved.
    package func floats(_ count: Int) -> Floats {
        unsafe precondition(
            count * MemoryLayout<Float>.stride <= memory.count, "\(count) floats of scratch were not reserved")
        guard let start = unsafe memory.baseAddress else { preconditionFailure("no scratch was reserved") }
        return unsafe Floats(start: start.bindMemory(to: Float.self, capacity: count), count: count)
    }
}
