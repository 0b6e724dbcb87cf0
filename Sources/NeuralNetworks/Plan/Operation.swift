// SPDX-License-Identifier: Apache-2.0
// A layer compiled for one worker: what it computes forward and backward over a part of the worker's examples.

package import Tensors

/// What one training step tells every operation.
package struct Step: Sendable {
    /// Tells the dropout masks of this step from all others.
    package var dropoutKey: UInt64
    /// The place in the batch of the worker's first example.
    package var firstExample: Int
    /// Examples in the whole batch, over all workers.
    package var batchExamples: Int
    /// Whether the gradients start at zero; further passes of a step add to those of the passes before.
    package var isFirstPass: Bool

    package init(dropoutKey: UInt64, firstExample: Int, batchExamples: Int, isFirstPass: Bool = true) {
        self.dropoutKey = dropoutKey
        self.firstExample = firstExample
        self.batchExamples = batchExamples
        self.isFirstPass = isFirstPass
    }

    /// The dropout mask of the layer at a place in the model.
    func dropoutMask(rate: Double, node: Int) -> DropoutMask {
        // An odd multiplier separates the layers of one step; the hash does the rest.
        DropoutMask(rate: rate, key: dropoutKey &+ (UInt64(node) &+ 1) &* 0x9E37_79B9_7F4A_7C15)
    }
}

/// A layer compiled for one worker.
///
/// A step is ``begin(_:)``, ``forward(_:)`` over consecutive parts of the worker's share, ``backward(_:)`` over
/// the same parts, ``end()``. An operation reads its input slots and writes its output slot; in the backward direction it
/// reads `outputGradient`, overwrites the input gradients that are wanted, and adds to the gradients of its parameters.
/// It never writes to `outputGradient`: an edge may have several consumers.
package class Operation {
    package let inputs: [Slot]
    package let output: Slot
    /// ∂loss/∂output; nil in inference, and where no parameter lies before.
    package internal(set) var outputGradient: Slot?
    /// ∂loss/∂input for each input; nil where nobody wants it.
    package internal(set) var inputGradients: [Slot?] = []
    /// Whether the layer has parameters and all are frozen, so that no patient moves any.
    package internal(set) var isFrozen = false
    /// Whether the backward direction reads the inputs; they are then kept.
    package var readsInputs: Bool { false }
    /// Whether the backward direction reads the output; it is then kept.
    package var readsOutput: Bool { false }
    /// What forward leaves for backward, besides inputs and output.
    package var saved: [Slot] { [] }
    /// Memory that one call of backward writes and reads.
    package var backwardTemporaries: [Slot] { [] }
    /// Whether output and input are the same memory, so that there is nothing to do.
    package var isView: Bool { false }
    /// Whether the input's gradient takes the memory of the output's gradient, as its first consumer's.
    package var passesGradient: Bool { isView }
    /// What runs before this operation, at the end of the stage before; see ``enter()``.
    package var collector: Operation? { nil }
    /// The rows of the first parameter, a table, to whose gradients this step, in all its passes, added; nil: it may add
    /// to all, or the table is frozen.
    package var touchedRows: RowMarks? { nil }
    /// The names of the library's implementations, for the test that refuses slow ones.
    package var implementations: [String] { [] }

    init(inputs: [Slot], output: Slot) {
        self.inputs = inputs
        self.output = output
    }

    /// Called once a step before the first forward part of the operations from here on, on every worker, when there is a
    /// ``collector``: the collector has then seen the whole share.
    package func enter() {}
    /// Called once a step after the last backward part of the operations from here on, when there is a ``collector``.
    package func leave() {}
    package func begin(_ step: Step) {}
    package func forward(_ examples: Range<Int>) {}
    package func backward(_ examples: Range<Int>) {}
    package func end() {}

    /// Private mode, in place of ``backward(_:)``: overwrites the input gradients and adds each patient's squared
    /// gradient norm to `patients`, without touching the gradients of the parameters.
    ///
    /// As it stands it is right for a layer without parameters.
    package func backwardPrivately(_ examples: Range<Int>, _ patients: Patients) { backward(examples) }

    /// Private mode, after every operation's ``backwardPrivately(_:_:)``, for all examples of the share: adds
    /// Σ factor·(the patient's gradient) to the gradients of the parameters. May overwrite `outputGradient`.
    package func addClipped(_ examples: Range<Int>, _ patients: Patients) {}

    /// What ``addClipped(_:_:)`` reads: it is kept until then.
    package var readByClipping: [Slot] { [] }
}
