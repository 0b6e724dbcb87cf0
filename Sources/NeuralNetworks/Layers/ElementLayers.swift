// SPDX-License-Identifier: Apache-2.0
// Layers that treat every value alike: activations, softmax, dropout.

package import Tensors

/// y = f(x), value by value.
package struct ActivationLayer: BlockedLayer {
    package static let kind = "activation"
    package var function: ActivationFunction

    package init(_ function: ActivationFunction) { self.function = function }

    package func outputShape(_ inputs: [Shape]) throws(ShapeError) -> Shape { try single(inputs) }

    package func makeOperation(_ context: OperationContext) -> Operation { ActivationOperation(self, context) }
}

private final class ActivationOperation: Operation {
    private let function: ActivationFunction

    init(_ layer: ActivationLayer, _ context: OperationContext) {
        function = layer.function
        super.init(
            inputs: context.inputs, output: context.output(context.inputs[0].layout, keepsLengths: true))
    }

    override var readsInputs: Bool { function.backwardReadsInput }
    override var readsOutput: Bool { !function.backwardReadsInput }

    override func forward(_ examples: Range<Int>) {
        function.forward(inputs[0].floats(examples), into: output.floats(examples))
    }

    override func backward(_ examples: Range<Int>) {
        guard let outputGradient, let dx = inputGradients[0] else { return }
        let v = function.backwardReadsInput ? inputs[0] : output
        // dx = dy·f′(x)
        function.backward(v.floats(examples), gradient: outputGradient.floats(examples), into: dx.floats(examples))
    }
}

/// y = softmax x, or its logarithm, over the last dimension.
package struct SoftmaxLayer: Layer {
    package static let kind = "softmax"
    package var isLogarithmic: Bool

    package init(logarithmic: Bool = false) { isLogarithmic = logarithmic }

    package func outputShape(_ inputs: [Shape]) throws(ShapeError) -> Shape { try single(inputs) }

    package func makeOperation(_ context: OperationContext) -> Operation { SoftmaxOperation(self, context) }
}

private final class SoftmaxOperation: Operation {
    private let isLogarithmic: Bool
    private let columns: Int

    init(_ layer: SoftmaxLayer, _ context: OperationContext) {
        isLogarithmic = layer.isLogarithmic
        columns = context.outputShape.sizes.last ?? 1
        super.init(inputs: context.inputs, output: context.output(keepsLengths: true))
    }

    override var readsOutput: Bool { true }

    override func forward(_ examples: Range<Int>) {
        let (x, y) = (inputs[0].floats(examples), output.floats(examples))
        if isLogarithmic {
            Softmax.logForward(x, columns: columns, into: y)  // y[j] = x[j] − log Σᵢ e^x[i]
        } else {
            Softmax.forward(x, columns: columns, into: y)  // y[j] = e^x[j] / Σᵢ e^x[i]
        }
    }

    override func backward(_ examples: Range<Int>) {
        guard let outputGradient, let dx = inputGradients[0] else { return }
        let (y, dy) = (output.floats(examples), outputGradient.floats(examples))
        if isLogarithmic {
            // dx[j] = dy[j] − e^y[j]·Σᵢ dy[i]
            Softmax.logBackward(y, gradient: dy, columns: columns, into: dx.floats(examples))
        } else {
            // dx[j] = y[j]·(dy[j] − Σᵢ dy[i]·y[i])
            Softmax.backward(y, gradient: dy, columns: columns, into: dx.floats(examples))
        }
    }
}

/// y = x·mask in training, each mask value 0 with odds `rate` and 1/(1 − rate) else, so that E[y] = x.
///
/// The mask is a hash of the step, the layer and the place in the batch: backward makes it again, nothing is stored, and
/// the number of workers does not change it. With `isSpatial` a whole channel is kept or dropped.
/// Source: Srivastava et al. 2014, section 4, in the form that scales while training.
package struct Dropout: Layer {
    package static let kind = "dropout"
    package var rate: Double
    package var isSpatial: Bool

    package init(_ rate: Double, spatial: Bool = false) {
        self.rate = rate
        isSpatial = spatial
    }

    package func outputShape(_ inputs: [Shape]) throws(ShapeError) -> Shape {
        guard rate >= 0 && rate < 1 else { throw ShapeError("dropout has the rate \(rate): 0 ..< 1 is possible") }
        return try single(inputs)
    }

    package func makeOperation(_ context: OperationContext) -> Operation { DropoutOperation(self, context) }
}

private final class DropoutOperation: Operation {
    private let rate: Double
    /// Values that share one decision.
    private let rowWidth: Int
    private let node: Int
    private let isTraining: Bool
    private var mask = DropoutMask(rate: 0, key: 0)
    private var firstExample = 0

    init(_ layer: Dropout, _ context: OperationContext) {
        rate = layer.rate
        rowWidth = layer.isSpatial ? context.outputShape.sizes.dropFirst().reduce(1, *) : 1
        node = context.node
        isTraining = context.isTraining && layer.rate > 0
        let output =
            isTraining
            ? context.output(keepsLengths: true)
            : Slot(viewOf: context.inputs[0], as: context.outputShape, lengths: context.inputs[0].lengths)
        super.init(inputs: context.inputs, output: output)
    }

    override var isView: Bool { !isTraining }

    override func begin(_ step: Step) {
        mask = step.dropoutMask(rate: rate, node: node)
        firstExample = step.firstExample
    }

    override func forward(_ examples: Range<Int>) {
        apply(examples, from: inputs[0], to: output)  // y = x·mask
    }

    override func backward(_ examples: Range<Int>) {
        guard let outputGradient, let dx = inputGradients[0] else { return }
        apply(examples, from: outputGradient, to: dx)  // dx = dy·mask
    }

    private func apply(_ examples: Range<Int>, from source: Slot, to target: Slot) {
        guard isTraining else {
            // A view; only the gradient of an input with several consumers lies elsewhere.
            if source.storage !== target.storage { target.floats(examples).copy(from: source.floats(examples)) }
            return
        }
        let (x, y) = (source.floats(examples), target.floats(examples))
        let decisions = output.count / rowWidth
        let first = (firstExample + examples.lowerBound) * decisions
        if rowWidth == 1 {
            mask.apply(x, firstElement: first, into: y)
        } else {
            mask.apply(x, rowWidth: rowWidth, firstRow: first, into: y)
        }
    }
}
