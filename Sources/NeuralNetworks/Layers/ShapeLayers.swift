// SPDX-License-Identifier: Apache-2.0
// Layers that move values or combine them one by one: flatten, reshape, add, subtract, multiply, concatenate.

import Tensors

/// The values of an example in another shape, in the same row-major order; without sizes, as one vector.
package struct Reshape: Layer {
    package static let kind = "reshape"
    /// The new sizes; empty flattens.
    package var sizes: [Int]

    package init(_ sizes: [Int] = []) { self.sizes = sizes }

    /// Channels, rows and columns as one vector, in that order.
    package static let flatten = Reshape()

    package func outputShape(_ inputs: [Shape]) throws(ShapeError) -> Shape {
        let input = try single(inputs)
        guard !sizes.isEmpty else { return Shape([input.count], holdsTokens: input.holdsTokens) }
        guard sizes.allSatisfy({ $0 > 0 }), Shape.count(of: sizes) == input.count else {
            throw ShapeError("reshape to \(sizes) does not hold the \(input.count) values of \(input)")
        }
        return Shape(sizes, holdsTokens: input.holdsTokens)
    }

    package func makeOperation(_ context: OperationContext) -> Operation { ReshapeOperation(context) }
}

private final class ReshapeOperation: Operation {
    init(_ context: OperationContext) {
        super.init(inputs: context.inputs, output: Slot(viewOf: context.inputs[0], as: context.outputShape))
    }

    override var isView: Bool { true }

    // Only where another consumer of the input has its gradient is there something to copy.
    override func backward(_ examples: Range<Int>) {
        guard let outputGradient, let dx = inputGradients[0], dx.storage !== outputGradient.storage else { return }
        dx.floats(examples).copy(from: outputGradient.floats(examples))
    }
}

/// y = f(a + b + …), the residual connection; f is the identity or ReLU.
package struct Add: BlockedLayer {
    package static let kind = "add"
    package var appliesReLU: Bool

    package init(relu: Bool = false) { appliesReLU = relu }

    package func outputShape(_ inputs: [Shape]) throws(ShapeError) -> Shape {
        guard let first = inputs.first, inputs.count >= 2 else { throw ShapeError("add takes two inputs or more") }
        for input in inputs where input != first {
            throw ShapeError("add takes inputs of one shape, not \(first) and \(input)")
        }
        return first
    }

    package func makeOperation(_ context: OperationContext) -> Operation { AddOperation(self, context) }
}

private final class AddOperation: Operation {
    private let appliesReLU: Bool

    init(_ layer: Add, _ context: OperationContext) {
        appliesReLU = layer.appliesReLU
        let layout = context.inputs[0].layout
        precondition(context.inputs.allSatisfy { $0.layout == layout }, "a sum of two layouts")
        super.init(inputs: context.inputs, output: context.output(layout, keepsLengths: true))
    }

    override var readsOutput: Bool { appliesReLU }

    override func forward(_ examples: Range<Int>) {
        let y = output.floats(examples)
        // y = f(a + b + …)
        add(inputs[0].floats(examples), inputs[1].floats(examples), into: y)
        for input in inputs.dropFirst(2) { add(input.floats(examples), to: y) }
        if appliesReLU { ActivationFunction.relu.forward(y, into: y) }
    }

    override func backward(_ examples: Range<Int>) {
        guard let dy = outputGradient?.floats(examples) else { return }
        // da = db = dy·f′
        for case let dx? in inputGradients {
            if appliesReLU {
                ActivationFunction.relu.backward(output.floats(examples), gradient: dy, into: dx.floats(examples))
            } else {
                dx.floats(examples).copy(from: dy)
            }
        }
    }
}

/// y = a − b, value by value.
package struct Subtract: Layer {
    package static let kind = "subtract"

    package init() {}

    package func outputShape(_ inputs: [Shape]) throws(ShapeError) -> Shape {
        guard inputs.count == 2, inputs[0] == inputs[1], !inputs[0].holdsTokens else {
            throw ShapeError("subtract takes two inputs of one shape, not \(inputs.map(\.description))")
        }
        return inputs[0]
    }

    package func makeOperation(_ context: OperationContext) -> Operation { SubtractOperation(context) }
}

private final class SubtractOperation: Operation {
    init(_ context: OperationContext) {
        super.init(inputs: context.inputs, output: context.output(keepsLengths: true))
    }

    override func forward(_ examples: Range<Int>) {
        let y = output.floats(examples)
        // y = a − b
        y.copy(from: inputs[0].floats(examples))
        add(-1, times: inputs[1].floats(examples), to: y)
    }

    override func backward(_ examples: Range<Int>) {
        guard let dy = outputGradient?.floats(examples) else { return }
        // da = dy, db = −dy
        inputGradients[0]?.floats(examples).copy(from: dy)
        guard let db = inputGradients[1]?.floats(examples) else { return }
        db.copy(from: dy)
        db.scale(by: -1)
    }
}

/// y = a·b, value by value: the gate of a fusion.
package struct Multiply: Layer {
    package static let kind = "multiply"

    package init() {}

    package func outputShape(_ inputs: [Shape]) throws(ShapeError) -> Shape {
        guard inputs.count == 2, inputs[0] == inputs[1] else {
            throw ShapeError("multiply takes two inputs of one shape, not \(inputs.map(\.description))")
        }
        return inputs[0]
    }

    package func makeOperation(_ context: OperationContext) -> Operation { MultiplyOperation(context) }
}

private final class MultiplyOperation: Operation {
    init(_ context: OperationContext) {
        super.init(inputs: context.inputs, output: context.output(keepsLengths: true))
    }

    override var readsInputs: Bool { true }

    override func forward(_ examples: Range<Int>) {
        // y = a·b
        multiply(elements: inputs[0].floats(examples), by: inputs[1].floats(examples), into: output.floats(examples))
    }

    override func backward(_ examples: Range<Int>) {
        guard let dy = outputGradient?.floats(examples) else { return }
        // da = dy·b, db = dy·a
        for (place, dx) in inputGradients.enumerated() {
            guard let dx else { continue }
            multiply(elements: dy, by: inputs[1 - place].floats(examples), into: dx.floats(examples))
        }
    }
}

/// The inputs one after the other along the first dimension: channels, time steps, or features of vectors.
package struct Concatenate: Layer {
    package static let kind = "concatenate"

    package init() {}

    package func outputShape(_ inputs: [Shape]) throws(ShapeError) -> Shape {
        guard let first = inputs.first else { throw ShapeError("concatenate takes one input or more") }
        for input in inputs where input.sizes.dropFirst() != first.sizes.dropFirst() || input.holdsTokens {
            throw ShapeError("concatenate takes inputs that differ in the first size only, not \(first) and \(input)")
        }
        return Shape([inputs.reduce(0) { $0 + $1.sizes[0] }] + first.sizes.dropFirst())
    }

    package func makeOperation(_ context: OperationContext) -> Operation { ConcatenateOperation(context) }
}

private final class ConcatenateOperation: Operation {
    init(_ context: OperationContext) { super.init(inputs: context.inputs, output: context.output()) }

    override func forward(_ examples: Range<Int>) {
        forEachPart(examples) { input, example, part in
            output.values(example, of: examples)[part].copy(from: inputs[input].values(example, of: examples))
        }
    }

    override func backward(_ examples: Range<Int>) {
        guard let outputGradient else { return }
        forEachPart(examples) { input, example, part in
            inputGradients[input]?.values(example, of: examples)
                .copy(from: outputGradient.values(example, of: examples)[part])
        }
    }

    /// Calls `body` with each input, each example, and the input's part of the example's output.
    private func forEachPart(_ examples: Range<Int>, _ body: (Int, Range<Int>, Range<Int>) -> Void) {
        for example in examples {
            var start = 0
            for (index, input) in inputs.enumerated() {
                body(index, example..<example + 1, start..<start + input.count)
                start += input.count
            }
        }
    }
}
