// SPDX-License-Identifier: Apache-2.0
// Layers that make one vector of a sequence: its last step, or the mean or the maxima over its steps.

import Tensors

/// What the layers share that make `[features]` of `[time, features]`.
private func pooledShape(_ kind: String, _ input: Shape) throws(ShapeError) -> Shape {
    guard input.sizes.count == 2, !input.holdsTokens else {
        throw ShapeError("\(kind) takes [time, features], not \(input)")
    }
    return Shape([input.sizes[1]])
}

/// The walk over the examples of a part: what a layer does with the live steps of one of them, and what an empty sequence
/// gives.
private class SequencePoolOperation: Operation {
    init(_ context: OperationContext) { super.init(inputs: context.inputs, output: context.output()) }

    /// y of the live steps x `[length, features]`, of which there is one at least.
    func pool(_ x: Floats, into y: Floats) { preconditionFailure("a pooling without a formula") }

    /// dx of the live steps, zero at entry. Shapes: x and dx `[length, features]`, y and dy `[features]`.
    ///
    /// - Parameter kept: What forward read and gave, where the operation reads both.
    func spread(_ dy: Floats, into dx: Floats, _ kept: (x: Floats, y: Floats)?) {
        preconditionFailure("a pooling without a formula")
    }

    override func forward(_ examples: Range<Int>) {
        for example in examples {
            let one = example..<example + 1
            let (x, y) = (inputs[0].values(one, of: examples), output.values(one, of: examples))
            let length = inputs[0].length(of: example)
            if length > 0 { pool(x.rows(0..<length, width: y.count), into: y) } else { y.fill(with: 0) }
        }
    }

    override func backward(_ examples: Range<Int>) {
        guard let outputGradient, let inputGradient = inputGradients[0] else { return }
        for example in examples {
            let one = example..<example + 1
            let (dy, dx) = (outputGradient.values(one, of: examples), inputGradient.values(one, of: examples))
            let live = 0..<inputs[0].length(of: example)
            // What lies behind the end has no part in y: dx = 0.
            dx.fill(with: 0)
            guard !live.isEmpty else { continue }
            var kept: (x: Floats, y: Floats)?
            if readsInputs, readsOutput {
                let x = inputs[0].values(one, of: examples)
                kept = (x.rows(live, width: dy.count), output.values(one, of: examples))
            }
            spread(dy, into: dx.rows(live, width: dy.count), kept)
        }
    }
}

extension Slot {
    /// The steps that this sequence has; all without lengths.
    fileprivate func length(of example: Int) -> Int { lengths?[example] ?? shape.sizes[0] }
}

/// y = x[length − 1], zero for an empty sequence.
///
/// Shapes: x `[time, features]`, y `[features]`.
package struct LastStep: Layer {
    package static let kind = "lastStep"

    package init() {}

    package func outputShape(_ inputs: [Shape]) throws(ShapeError) -> Shape {
        try pooledShape(Self.kind, single(inputs))
    }

    package func makeOperation(_ context: OperationContext) -> Operation { LastStepOperation(context) }
}

private final class LastStepOperation: SequencePoolOperation {
    override func pool(_ x: Floats, into y: Floats) {
        // y = x[length − 1]
        y.copy(from: x[x.count - y.count..<x.count])
    }

    override func spread(_ dy: Floats, into dx: Floats, _ kept: (x: Floats, y: Floats)?) {
        // y = x[length − 1]: dx[length − 1] = dy, zero elsewhere
        dx[dx.count - dy.count..<dx.count].copy(from: dy)
    }
}

/// y = mean of x over the steps the sequence has, zero for an empty one.
///
/// Shapes: x `[time, features]`, y `[features]`.
package struct MeanOverTime: Layer {
    package static let kind = "meanOverTime"

    package init() {}

    package func outputShape(_ inputs: [Shape]) throws(ShapeError) -> Shape {
        try pooledShape(Self.kind, single(inputs))
    }

    package func makeOperation(_ context: OperationContext) -> Operation { MeanOverTimeOperation(context) }
}

private final class MeanOverTimeOperation: SequencePoolOperation {
    override func pool(_ x: Floats, into y: Floats) {
        // y = Σₜ x[t]/length
        y.fill(with: 0)
        addColumnSums(of: x, to: y)
        y.scale(by: 1 / Float(x.count / y.count))
    }

    override func spread(_ dy: Floats, into dx: Floats, _ kept: (x: Floats, y: Floats)?) {
        // y = Σₜ x[t]/length: dx[t] = dy/length
        addRows(dy, to: dx)
        dx.scale(by: 1 / Float(dx.count / dy.count))
    }
}

/// y = the largest x of each feature over the steps the sequence has, zero for an empty one.
///
/// Shapes: x `[time, features]`, y `[features]`.
package struct MaxOverTime: Layer {
    package static let kind = "maxOverTime"

    package init() {}

    package func outputShape(_ inputs: [Shape]) throws(ShapeError) -> Shape {
        try pooledShape(Self.kind, single(inputs))
    }

    package func makeOperation(_ context: OperationContext) -> Operation { MaxOverTimeOperation(context) }
}

private final class MaxOverTimeOperation: SequencePoolOperation {
    override var readsInputs: Bool { true }
    override var readsOutput: Bool { true }

    override func pool(_ x: Floats, into y: Floats) {
        // y = maxₜ x[t]
        SequenceMaxima.forward(x, into: y)
    }

    override func spread(_ dy: Floats, into dx: Floats, _ kept: (x: Floats, y: Floats)?) {
        // y = maxₜ x[t]: dx = dy at the first step that has the maximum, zero elsewhere
        guard let kept else { preconditionFailure("maxima without what they were taken of") }
        SequenceMaxima.backward(kept.x, maxima: kept.y, gradient: dy, into: dx)
    }
}
