// SPDX-License-Identifier: Apache-2.0
// The cells of LSTM, GRU and plain recurrent networks: what happens between the products of one step of time.

package import Tensors

/// One step of time of one direction, for all sequences of a part of the share.
package struct RecurrentStep {
    let time: Int
    let examples: Range<Int>
    let live: LiveSteps
    /// Where the states before and after this step lie in memory `[steps + 1, examples, hidden]`.
    let placeBefore: Int
    let placeAfter: Int
    /// `[examples, gates·hidden]`: w_ih·x + b_ih, and w_hh·h′ + b_hh unless apart; then the gates; then ∂loss/∂ of these.
    let gates: Floats
    /// w_hh·h′ + b_hh where the cell keeps it apart, then ∂loss/∂ of it; else the same memory as `gates`.
    let products: Floats
    /// h′ and h, `[examples, hidden]`.
    let before: Floats
    let after: Floats

    /// The rows of this step in `[steps, examples, width]`.
    func now(_ values: Floats, width: Int) -> Floats { block(time, of: values, width) }

    /// The state before this step in `[steps + 1, examples, width]`.
    func before(_ values: Floats, width: Int) -> Floats { block(placeBefore, of: values, width) }

    /// The state after this step in `[steps + 1, examples, width]`.
    func after(_ values: Floats, width: Int) -> Floats { block(placeAfter, of: values, width) }

    private func block(_ place: Int, of values: Floats, _ width: Int) -> Floats {
        values.rows(place * examples.count..<(place + 1) * examples.count, width: width)
    }
}

/// What tells one kind of recurrent network from another: the gates of a step, and the state besides h.
package protocol RecurrentCell {
    /// Whether w_hh·h′ + b_hh is kept apart from w_ih·x + b_ih, as a cell needs that does more than add them.
    var keepsProductsApart: Bool { get }
    /// What the cell leaves for the backward direction besides gates and h.
    var saved: [Slot] { get }
    var backwardTemporaries: [Slot] { get }

    /// Sets the cell's own state before the first step to zero.
    func begin(_ examples: Range<Int>, initialPlace: Int)
    /// Reads the sums, writes the gates and h.
    func forward(_ step: RecurrentStep)
    /// Sets the gradient of the cell's own state after the last step to zero.
    func beginBackward(_ examples: Range<Int>)
    /// Writes the gradients of the sums in their places, and in place of ∂loss/∂h the part of ∂loss/∂h′ that does not
    /// go through the recurrent product.
    func backward(_ step: RecurrentStep, dh: Floats)
}

/// c = f·c′ + i·g, h = o·tanh c; gates i, f, g, o.
package struct LSTMCell: RecurrentCell {
    package var keepsProductsApart: Bool { false }
    private let hidden: Int
    /// c, `[steps + 1, examples, hidden]`.
    private let cell: Slot
    /// tanh c, `[steps, examples, hidden]`.
    private let cellTanh: Slot
    /// ∂loss/∂c, `[examples, hidden]`.
    private let dc: Slot

    init(steps: Int, hidden: Int) {
        self.hidden = hidden
        cell = Slot(Shape([steps + 1, hidden]))
        cellTanh = Slot(Shape([steps, hidden]))
        dc = Slot(Shape([hidden]))
    }

    package var saved: [Slot] { [cell, cellTanh] }
    package var backwardTemporaries: [Slot] { [dc] }

    package func begin(_ examples: Range<Int>, initialPlace: Int) {
        let first = initialPlace * examples.count
        cell.floats(examples).rows(first..<first + examples.count, width: hidden).fill(with: 0)
    }

    package func forward(_ step: RecurrentStep) {
        let cell = cell.floats(step.examples)
        LSTMGates.forward(
            step.gates, cellBefore: step.before(cell, width: hidden), hiddenBefore: step.before, step.live,
            at: step.time, cell: step.after(cell, width: hidden),
            cellTanh: step.now(cellTanh.floats(step.examples), width: hidden), hidden: step.after)
    }

    package func beginBackward(_ examples: Range<Int>) { dc.floats(examples).fill(with: 0) }

    package func backward(_ step: RecurrentStep, dh: Floats) {
        LSTMGates.backward(
            step.gates, cellBefore: step.before(cell.floats(step.examples), width: hidden),
            cellTanh: step.now(cellTanh.floats(step.examples), width: hidden), step.live, at: step.time, dh: dh,
            dc: dc.floats(step.examples))
    }
}

/// n = tanh(aₙ + r·bₙ), h = (1 − z)·n + z·h′; gates r, z, n, with a = w_ih·x + b_ih and b = w_hh·h′ + b_hh.
package struct GRUCell: RecurrentCell {
    package var keepsProductsApart: Bool { true }
    package var saved: [Slot] { [] }
    package var backwardTemporaries: [Slot] { [] }

    package func begin(_ examples: Range<Int>, initialPlace: Int) {}

    package func forward(_ step: RecurrentStep) {
        GRUGates.forward(
            step.gates, products: step.products, hiddenBefore: step.before, step.live, at: step.time,
            hidden: step.after)
    }

    package func beginBackward(_ examples: Range<Int>) {}

    package func backward(_ step: RecurrentStep, dh: Floats) {
        GRUGates.backward(
            step.gates, products: step.products, hiddenBefore: step.before, step.live, at: step.time, dh: dh)
    }
}

/// h = f(z).
package struct PlainCell: RecurrentCell {
    package var keepsProductsApart: Bool { false }
    let function: ActivationFunction
    package var saved: [Slot] { [] }
    package var backwardTemporaries: [Slot] { [] }

    package func begin(_ examples: Range<Int>, initialPlace: Int) {}

    package func forward(_ step: RecurrentStep) {
        PlainGate.forward(
            step.gates, function, hiddenBefore: step.before, step.live, at: step.time, hidden: step.after)
    }

    package func beginBackward(_ examples: Range<Int>) {}

    package func backward(_ step: RecurrentStep, dh: Floats) {
        PlainGate.backward(step.after, function, step.live, at: step.time, dh: dh, dz: step.gates)
    }
}
