// SPDX-License-Identifier: Apache-2.0
// The gates of recurrent cells, one step of time for all sequences of a share, with their shapes checked.
//
// A sequence that does not exist at a step keeps its state, and its gradient passes through.

import Kernels

/// The gates of a long short-term memory: i, f, o = σ(z), g = tanh z; c = f·c′ + i·g; h = o·tanh c.
///
/// Shapes: gates `[examples, 4·units]` in the order i, f, g, o; all others `[examples, units]`.
/// Source: Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000; torch.nn.LSTM.
package enum LSTMGates {
    /// Writes the gates in place of z, c, tanh c and h.
    package static func forward(
        _ gates: Floats, cellBefore: Floats, hiddenBefore: Floats, _ live: LiveSteps, at step: Int, cell: Floats,
        cellTanh: Floats, hidden: Floats
    ) {
        let width = unitsOf(hidden, live)
        precondition(
            gates.count == 4 * hidden.count && cellBefore.count == hidden.count && hiddenBefore.count == hidden.count
                && cell.count == hidden.count && cellTanh.count == hidden.count, "lstm: shapes disagree")
        unsafe consilium_lstm_gates(
            live.examples, width, gates.start, cellBefore.start, hiddenBefore.start, live.flags(at: step), cell.start,
            cellTanh.start, hidden.start)
    }

    /// Writes dz in place of the gates; dc becomes the gradient of c′, and dh what of it passes by the gates: zero
    /// for a sequence that exists.
    package static func backward(
        _ gates: Floats, cellBefore: Floats, cellTanh: Floats, _ live: LiveSteps, at step: Int, dh: Floats, dc: Floats
    ) {
        let width = unitsOf(dh, live)
        precondition(
            gates.count == 4 * dh.count && cellBefore.count == dh.count && cellTanh.count == dh.count
                && dc.count == dh.count, "lstm: shapes disagree")
        unsafe consilium_lstm_gates_backward(
            live.examples, width, gates.start, cellBefore.start, cellTanh.start, live.flags(at: step), dh.start,
            dc.start, gates.start)
    }
}

/// The gates of a gated recurrent unit that resets after the recurrent product: r, z = σ(a + b),
/// n = tanh(aₙ + r·bₙ), h = (1 − z)·n + z·h′, with a = W·x + bias and b = R·h′ + bias.
///
/// Shapes: inputs (a) and products (b) `[examples, 3·units]` in the order r, z, n; all others `[examples, units]`.
/// Source: Cho et al. 2014 (arXiv:1406.1078), in the variant of torch.nn.GRU.
package enum GRUGates {
    /// Writes the gates in place of `inputs`, and h.
    package static func forward(
        _ inputs: Floats, products: Floats, hiddenBefore: Floats, _ live: LiveSteps, at step: Int, hidden: Floats
    ) {
        let width = unitsOf(hidden, live)
        precondition(
            inputs.count == 3 * hidden.count && products.count == inputs.count && hiddenBefore.count == hidden.count,
            "gru: shapes disagree")
        unsafe consilium_gru_gates(
            live.examples, width, inputs.start, products.start, hiddenBefore.start, live.flags(at: step), hidden.start)
    }

    /// Writes da in place of the gates, db in place of `products`; dh becomes z·dh, without the part through db.
    package static func backward(
        _ gates: Floats, products: Floats, hiddenBefore: Floats, _ live: LiveSteps, at step: Int, dh: Floats
    ) {
        let width = unitsOf(dh, live)
        precondition(
            gates.count == 3 * dh.count && products.count == gates.count && hiddenBefore.count == dh.count,
            "gru: shapes disagree")
        unsafe consilium_gru_gates_backward(
            live.examples, width, gates.start, products.start + 2 * width, 3 * width, hiddenBefore.start,
            live.flags(at: step), dh.start, gates.start, products.start)
    }
}

/// The only gate of a plain recurrent network: h = f(z).
///
/// Shapes: everything `[examples, units]`.
/// Source: Elman 1990; torch.nn.RNN.
package enum PlainGate {
    package static func forward(
        _ z: Floats, _ function: ActivationFunction, hiddenBefore: Floats, _ live: LiveSteps, at step: Int,
        hidden: Floats
    ) {
        let width = unitsOf(hidden, live)
        precondition(hiddenBefore.count == hidden.count, "rnn: shapes disagree")
        function.forward(z, into: hidden)
        guard !live.areAllLive else { return }
        for example in 0..<live.examples where !live.isLive(example, at: step) {
            let row = example..<example + 1
            hidden.rows(row, width: width).copy(from: hiddenBefore.rows(row, width: width))
        }
    }

    /// dz = dh·f′; dh becomes what of it passes by the gate.
    ///
    /// - Precondition: f′ follows from f's output.
    package static func backward(
        _ hidden: Floats, _ function: ActivationFunction, _ live: LiveSteps, at step: Int, dh: Floats, dz: Floats
    ) {
        let width = unitsOf(dh, live)
        precondition(!function.backwardReadsInput, "rnn: a function whose derivative needs its input")
        function.backward(hidden, gradient: dh, into: dz)
        guard !live.areAllLive else { return dh.fill(with: 0) }
        for example in 0..<live.examples {
            let passed = live.isLive(example, at: step) ? dh : dz
            passed.rows(example..<example + 1, width: width).fill(with: 0)
        }
    }
}

/// The units of a state `[examples, units]`.
private func unitsOf(_ state: Floats, _ live: LiveSteps) -> Int {
    precondition(live.examples > 0 && state.count % live.examples == 0, "a state of \(state.count) values")
    return state.count / live.examples
}
