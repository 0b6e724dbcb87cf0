// SPDX-License-Identifier: Apache-2.0
// Which steps of padded sequences exist, and copies between the two orders of their rows.

/// Which sequences of a share exist at each step of time: sequence e lives at step t when t is below its length.
@safe package final class LiveSteps {
    package let steps: Int
    private let capacity: Int
    /// The sequences marked last.
    package private(set) var examples = 0
    /// Whether every sequence has its full length.
    package private(set) var areAllLive = true
    /// `[steps, examples]`, one where the step exists.
    private let flags: UnsafeMutableBufferPointer<UInt8>

    package init(steps: Int, capacity: Int) {
        precondition(steps > 0 && capacity > 0, "\(steps) steps of \(capacity) sequences")
        self.steps = steps
        self.capacity = capacity
        unsafe flags = .allocate(capacity: steps * capacity)
        unsafe flags.initialize(repeating: 0)
    }

    deinit { unsafe flags.deallocate() }

    /// Marks the steps of `examples` sequences.
    ///
    /// - Parameter length: The length of the sequence with this number, from 0 to `steps`.
    package func mark(examples: Int, length: (Int) -> Int) {
        precondition(examples > 0 && examples <= capacity, "\(examples) sequences in room for \(capacity)")
        self.examples = examples
        areAllLive = true
        for example in 0..<examples {
            let length = length(example)
            precondition(length >= 0 && length <= steps, "a length of \(length) in \(steps) steps")
            if length < steps { areAllLive = false }
            for step in 0..<steps { unsafe flags[step * examples + example] = step < length ? 1 : 0 }
        }
    }

    /// Whether a sequence exists at a step.
    package func isLive(_ example: Int, at step: Int) -> Bool {
        precondition(example >= 0 && example < examples && step >= 0 && step < steps, "no such step")
        return unsafe flags[step * examples + example] != 0
    }

    /// One byte for each sequence; nil where all live.
    func flags(at step: Int) -> UnsafePointer<UInt8>? {
        precondition(step >= 0 && step < steps, "step \(step) of \(steps)")
        guard !areAllLive, let start = unsafe flags.baseAddress else { return nil }
        return unsafe UnsafePointer(start + step * examples)
    }
}

/// Some columns of the rows that a share of sequences has, one row for each step of each sequence.
package struct SequenceRows {
    /// Which rows are neighbours.
    package enum Order: Sendable {
        /// `[examples, steps, width]`, as between layers.
        case exampleMajor
        /// `[steps, examples, width]`, as inside recurrent layers: what one step reads is dense.
        case timeMajor
    }

    let values: Floats
    let order: Order
    let width: Int
    let columns: Range<Int>

    /// - Parameter columns: Those that are meant; nil: all.
    package init(_ values: Floats, _ order: Order, width: Int, columns: Range<Int>? = nil) {
        let columns = columns ?? 0..<width
        precondition(
            width > 0 && values.count % width == 0 && columns.lowerBound >= 0 && columns.upperBound <= width,
            "columns \(columns) in rows of \(width) of \(values.count) values")
        self.values = values
        self.order = order
        self.width = width
        self.columns = columns
    }

    /// Copies the rows of steps that exist into `target` and makes the others zero there.
    package func copy(to target: SequenceRows, _ live: LiveSteps) {
        let (steps, examples, count) = (live.steps, live.examples, columns.count)
        precondition(
            values.count == steps * examples * width && target.values.count == steps * examples * target.width
                && target.columns.count == count, "a copy of sequences: shapes disagree")
        let isFull = live.areAllLive
        for example in 0..<examples {
            for step in 0..<steps {
                let place = unsafe target.start(example, step, live)
                if isFull || live.isLive(example, at: step) {
                    unsafe place.update(from: start(example, step, live), count: count)
                } else {
                    unsafe place.update(repeating: 0, count: count)
                }
            }
        }
    }

    private func start(_ example: Int, _ step: Int, _ live: LiveSteps) -> UnsafeMutablePointer<Float> {
        let row = order == .exampleMajor ? example * live.steps + step : step * live.examples + example
        return unsafe values.start + (row * width + columns.lowerBound)
    }
}
