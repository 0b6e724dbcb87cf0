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

private final class LastStepOperation: Operation {
    init(_ context: OperationContext) { super.init(inputs: context.inputs, output: context.output()) }

    override func forward(_ examples: Range<Int>) {
        for example in examples {
            let one = example..<example + 1
            let (x, y) = (inputs[0].values(one, of: examples), output.values(one, of: examples))
            let length = inputs[0].length(of: example)
            // y = x[length − 1]
            if length > 0 { y.copy(from: x.rows(length - 1..<length, width: y.count)) } else { y.fill(with: 0) }
        }
    }

    override func backward(_ examples: Range<Int>) {
        guard let outputGradient, let inputGradient = inputGradients[0] else { return }
        for example in examples {
            let one = example..<example + 1
            let (dy, dx) = (outputGradient.values(one, of: examples), inputGradient.values(one, of: examples))
            let length = inputs[0].length(of: example)
            // y = x[length − 1]: dx[length − 1] = dy, zero elsewhere
            dx.fill(with: 0)
            if length > 0 { dx.rows(length - 1..<length, width: dy.count).copy(from: dy) }
        }
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

private final class MeanOverTimeOperation: Operation {
    init(_ context: OperationContext) { super.init(inputs: context.inputs, output: context.output()) }

    override func forward(_ examples: Range<Int>) {
        for example in examples {
            let one = example..<example + 1
            let (x, y) = (inputs[0].values(one, of: examples), output.values(one, of: examples))
            let length = inputs[0].length(of: example)
            y.fill(with: 0)
            guard length > 0 else { continue }
            // y = Σ over t < length of x[t]/length
            addColumnSums(of: x.rows(0..<length, width: y.count), to: y)
            y.scale(by: 1 / Float(length))
        }
    }

    override func backward(_ examples: Range<Int>) {
        guard let outputGradient, let inputGradient = inputGradients[0] else { return }
        for example in examples {
            let one = example..<example + 1
            let (dy, dx) = (outputGradient.values(one, of: examples), inputGradient.values(one, of: examples))
            let length = inputs[0].length(of: example)
            // y = Σ over t < length of x[t]/length: dx[t] = dy/length, zero behind
            dx.fill(with: 0)
            guard length > 0 else { continue }
            let steps = dx.rows(0..<length, width: dy.count)
            addRows(dy, to: steps)
            steps.scale(by: 1 / Float(length))
        }
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

private final class MaxOverTimeOperation: Operation {
    init(_ context: OperationContext) { super.init(inputs: context.inputs, output: context.output()) }

    override var readsInputs: Bool { true }
    override var readsOutput: Bool { true }

    override func forward(_ examples: Range<Int>) {
        for example in examples {
            let one = example..<example + 1
            let (x, y) = (inputs[0].values(one, of: examples), output.values(one, of: examples))
            let length = inputs[0].length(of: example)
            // y = max over t < length of x[t]
            if length > 0 {
                SequenceMaxima.forward(x.rows(0..<length, width: y.count), into: y)
            } else {
                y.fill(with: 0)
            }
        }
    }

    override func backward(_ examples: Range<Int>) {
        guard let outputGradient, let inputGradient = inputGradients[0] else { return }
        for example in examples {
            let one = example..<example + 1
            let (x, y) = (inputs[0].values(one, of: examples), output.values(one, of: examples))
            let (dy, dx) = (outputGradient.values(one, of: examples), inputGradient.values(one, of: examples))
            let end = inputs[0].length(of: example) * y.count
            // y = max over t < length of x[t]: dx = dy at the first step that has the maximum, zero elsewhere
            SequenceMaxima.backward(x[0..<end], maxima: y, gradient: dy, into: dx[0..<end])
            dx[end..<dx.count].fill(with: 0)
        }
    }
}
