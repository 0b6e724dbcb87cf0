// SPDX-License-Identifier: Apache-2.0
// A recurrent layer compiled for one worker: its levels and directions, and the way into and out of time-major memory.

import Tensors

/// The levels of a recurrent layer, each of one or two directions.
///
/// A part of the share lies time-major as a whole, so both passes and the clipped sums must be given the same parts.
/// Backward writes over what forward left, so there is one backward pass for each forward pass.
final class RecurrentOperation: Operation {
    private let hidden: Int
    private let inputWidth: Int
    /// The directions of each level, forward first.
    private let levels: [[RecurrentDirection]]
    /// x of each level, `[steps, examples, width]`.
    private let levelInputs: [Slot]
    /// ∂loss/∂h of each direction of the level that backward has reached, `[steps, examples, hidden]`.
    private let stateGradients: [Slot]
    /// ∂loss/∂x of each level, `[steps, examples, width]`.
    private let levelInputGradients: [Slot]
    private let live: LiveSteps
    private let dropout: LevelDropout?
    /// Private mode: x or h, and dz, of one patient.
    private let inputRows: PatientRows
    private let gradientRows: PatientRows

    init<Kind: RecurrentLayer>(_ layer: Kind, _ context: OperationContext) {
        let (input, steps) = (context.inputs[0].shape, context.inputs[0].shape.sizes[0])
        hidden = layer.hidden
        inputWidth = input.sizes[1]
        levels = (0..<layer.layers).map { level in
            (0..<layer.directions).map { direction in
                let first = 4 * (level * layer.directions + direction)
                return RecurrentDirection(
                    layer.makeCell(steps: steps), steps: steps, inputs: layer.inputWidth(ofLevel: level, input),
                    hidden: layer.hidden, gates: Kind.gateCount, isReverse: direction == 1,
                    parameters: Array(context.parameters[first..<first + 4]),
                    gradients: context.isTraining ? Array(context.gradients[first..<first + 4]) : [], context)
            }
        }
        func inputSlots() -> [Slot] {
            (0..<layer.layers).map { Slot(Shape([steps, layer.inputWidth(ofLevel: $0, input)])) }
        }
        (levelInputs, levelInputGradients) = (inputSlots(), inputSlots())
        stateGradients = (0..<layer.directions).map { _ in Slot(Shape([steps, layer.hidden])) }
        dropout =
            context.isTraining && layer.dropout > 0
            ? LevelDropout(
                rate: layer.dropout, node: context.node, steps: steps, width: layer.directions * layer.hidden)
            : nil
        live = LiveSteps(steps: steps, capacity: context.capacity)
        (inputRows, gradientRows) = (PatientRows(steps: steps), PatientRows(steps: steps))
        super.init(inputs: context.inputs, output: context.output(keepsLengths: true))
    }

    override var saved: [Slot] { levelInputs + levels.joined().flatMap(\.saved) }
    override var backwardTemporaries: [Slot] {
        stateGradients + levelInputGradients.dropFirst(inputGradients[0] == nil ? 1 : 0)
            + levels.joined().flatMap(\.backwardTemporaries)
    }
    override var readByClipping: [Slot] { levelInputs + levels.joined().flatMap(\.readByClipping) }
    override var implementations: [String] { levels.joined().flatMap(\.implementations) }

    override func begin(_ step: Step) {
        for level in levels { for direction in level { direction.begin() } }
        dropout?.begin(step)
    }

    override func forward(_ examples: Range<Int>) {
        markLive(examples)
        // x of the first level: x[b,t] at [t,b]
        SequenceRows(inputs[0].floats(examples), .exampleMajor, width: inputWidth)
            .copy(to: SequenceRows(levelInputs[0].floats(examples), .timeMajor, width: inputWidth), live)
        for (number, level) in levels.enumerated() {
            let x = levelInputs[number].floats(examples)
            for direction in level { direction.forward(x, examples, live) }
            // x of the next level, or y: the directions' h side by side, zero behind the end of a sequence
            let isLast = number == levels.count - 1
            let target = isLast ? output.floats(examples) : levelInputs[number + 1].floats(examples)
            for (place, direction) in level.enumerated() {
                SequenceRows(direction.outputs(examples), .timeMajor, width: hidden)
                    .copy(to: sideBySide(target, isLast ? .exampleMajor : .timeMajor, place), live)
            }
            // x of the next level = mask·h
            if !isLast { dropout?.apply(target, level: number, examples) }
        }
    }

    override func backward(_ examples: Range<Int>) {
        backpropagate(examples) { addGradients($0, examples) }
    }

    override func backwardPrivately(_ examples: Range<Int>, _ patients: Patients) {
        backpropagate(examples) { level in
            let x = levelInputs[level].floats(examples)
            for patient in patients.within(examples) {
                for direction in levels[level] {
                    let square = direction.squaredNorm(
                        of: patients.examples[patient], x, examples, inputRows, gradientRows)
                    patients.add(square, to: patient)
                }
            }
        }
    }

    override func addClipped(_ examples: Range<Int>, _ patients: Patients) {
        for level in levels.indices {
            for direction in levels[level] { direction.scale(examples, patients) }
            addGradients(level, examples)
        }
    }

    /// Writes dz of every level, calls `body` with each level that has it, and overwrites the wanted input gradient.
    private func backpropagate(_ examples: Range<Int>, _ body: (_ level: Int) -> Void) {
        guard let outputGradient else { return }
        markLive(examples)
        for number in levels.indices.reversed() {
            // ∂loss/∂h of each direction: its columns of dy, or of dx of the level above
            let isLast = number == levels.count - 1
            let source = isLast ? outputGradient.floats(examples) : levelInputGradients[number + 1].floats(examples)
            for (place, direction) in levels[number].enumerated() {
                let dh = stateGradients[place].floats(examples)
                sideBySide(source, isLast ? .exampleMajor : .timeMajor, place)
                    .copy(to: SequenceRows(dh, .timeMajor, width: hidden), live)
                direction.backward(dh, examples, live)
            }
            body(number)
            guard number > 0 || inputGradients[0] != nil else { return }
            let dx = levelInputGradients[number].floats(examples)
            for direction in levels[number] { direction.inputGradient(examples, into: dx) }
            // x = mask·h of the level below: dh = mask·dx
            if number > 0 { dropout?.apply(dx, level: number - 1, examples) }
        }
        guard let dx = inputGradients[0] else { return }
        SequenceRows(levelInputGradients[0].floats(examples), .timeMajor, width: inputWidth)
            .copy(to: SequenceRows(dx.floats(examples), .exampleMajor, width: inputWidth), live)
    }

    private func addGradients(_ level: Int, _ examples: Range<Int>) {
        let x = levelInputs[level].floats(examples)
        for direction in levels[level] { direction.addGradients(x, examples) }
    }

    /// One direction's columns of rows that hold the h of all directions.
    private func sideBySide(_ values: Floats, _ order: SequenceRows.Order, _ place: Int) -> SequenceRows {
        SequenceRows(
            values, order, width: stateGradients.count * hidden, columns: place * hidden..<(place + 1) * hidden)
    }

    private func markLive(_ examples: Range<Int>) {
        let lengths = inputs[0].lengths
        live.mark(examples: examples.count) { lengths?[examples.lowerBound + $0] ?? live.steps }
    }
}

/// Dropout of what one level of a recurrent layer hands to the next, time-major.
///
/// A value's place in its level, its example's place in the batch and the step decide about it, not the worker.
final class LevelDropout {
    private let rate: Double
    private let node: Int
    private let steps: Int
    private let width: Int
    private var mask = DropoutMask(rate: 0, key: 0)
    private var firstExample = 0

    init(rate: Double, node: Int, steps: Int, width: Int) {
        (self.rate, self.node, self.steps, self.width) = (rate, node, steps, width)
    }

    func begin(_ step: Step) {
        mask = step.dropoutMask(rate: rate, node: node)
        firstExample = step.firstExample
    }

    /// Shapes: values `[steps, examples, width]`, in place.
    func apply(_ values: Floats, level: Int, _ examples: Range<Int>) {
        for step in 0..<steps {
            for example in examples {
                let place = step * examples.count + example - examples.lowerBound
                let row = values.rows(place..<place + 1, width: width)
                // A batch has fewer than 2⁴⁸ values.
                let element = level << 48 + ((firstExample + example) * steps + step) * width
                mask.apply(row, firstElement: element, into: row)
            }
        }
    }
}

/// The rows of one patient's examples, gathered out of time-major memory.
final class PatientRows {
    private let steps: Int
    private var memory = FloatBuffer(count: 0)

    init(steps: Int) {
        self.steps = steps
    }

    /// The rows `[steps, one.count, width]` out of `[steps, examples.count, width]`, valid until the next call.
    /// Allocates only when there are more than ever before.
    func gather(_ values: Floats, width: Int, _ one: Range<Int>, of examples: Range<Int>) -> Floats {
        guard one != examples else { return values }
        let count = steps * one.count * width
        if memory.count < count { memory = FloatBuffer(count: count) }
        for step in 0..<steps {
            let first = step * examples.count + one.lowerBound - examples.lowerBound
            memory.floats.rows(step * one.count..<(step + 1) * one.count, width: width)
                .copy(from: values.rows(first..<first + one.count, width: width))
        }
        return memory.floats[0..<count]
    }
}
