// SPDX-License-Identifier: Apache-2.0
// The memory of one edge of a compiled model.

package import Tensors

/// The memory behind one or more slots, given its place by the plan.
final class SlotStorage {
    /// Floats per example.
    let count: Int
    /// Whether all examples of the worker's share have a place of their own; else each chunk uses the same memory.
    var isKept = false
    var memory: Floats?
    /// Where in the step the memory is written and read, in the plan's times.
    var uses: [Int] = []

    init(count: Int) {
        self.count = count
    }
}

/// The lengths of the sequences of a worker's share, `[capacity]`, each from 0 to the padded length.
@safe package final class SequenceLengths {
    private let buffer: UnsafeMutableBufferPointer<Int32>

    init(capacity: Int) {
        unsafe buffer = .allocate(capacity: capacity)
        unsafe buffer.initialize(repeating: 0)
    }

    deinit { unsafe buffer.deallocate() }

    package subscript(example: Int) -> Int {
        get { unsafe Int(buffer[example]) }
        set { unsafe buffer[example] = Int32(newValue) }
    }
}

/// The values, or the gradient, at one edge of a model, for one worker.
package final class Slot {
    package let shape: Shape
    package let layout: Layout
    /// The lengths of the sequences, where the first dimension is time and the model was given lengths.
    package let lengths: SequenceLengths?
    let storage: SlotStorage

    init(_ shape: Shape, layout: Layout = .plain, lengths: SequenceLengths? = nil) {
        self.shape = shape
        self.layout = layout
        self.lengths = lengths
        storage = SlotStorage(count: shape.count)
    }

    /// The same memory under another shape.
    init(viewOf slot: Slot, as shape: Shape, lengths: SequenceLengths? = nil) {
        precondition(
            shape.count == slot.shape.count && (slot.layout == .plain || shape == slot.shape), "a view of another size")
        self.shape = shape
        layout = slot.layout
        self.lengths = lengths
        storage = slot.storage
    }

    /// Floats per example.
    package var count: Int { storage.count }

    /// The values of these examples of the worker's share.
    package func floats(_ examples: Range<Int>) -> Floats {
        guard let memory = storage.memory else { preconditionFailure("a slot without memory") }
        return storage.isKept
            ? memory.rows(examples, width: count) : memory.rows(0..<examples.count, width: count)
    }

    /// The values of one example of the part that the operation works on, `part` being the whole part.
    func values(_ one: Range<Int>, of part: Range<Int>) -> Floats {
        floats(part).rows(one.lowerBound - part.lowerBound..<one.upperBound - part.lowerBound, width: count)
    }

    /// The tokens of these examples.
    package func integers(_ examples: Range<Int>) -> Integers {
        let values = floats(examples)
        let start = unsafe UnsafeMutableRawPointer(values.start).bindMemory(to: Int32.self, capacity: values.count)
        return unsafe Integers(start: start, count: values.count)
    }
}
