// SPDX-License-Identifier: Apache-2.0
// Larger maps by repeated values: the way up in a U-Net.

import Tensors

/// y[c, p] = x[c, p ÷ factor], each dimension divided by itself: every value is repeated `factor` times along each
/// dimension.
///
/// Shapes: x `[channels, size…]`, y `[channels, factor·size…]`.
package struct Upsample: Layer {
    package static let kind = "upsample"
    package var factor: Int

    package init(_ factor: Int) { self.factor = factor }

    package func outputShape(_ inputs: [Shape]) throws(ShapeError) -> Shape {
        let input = try single(inputs)
        guard (2...4).contains(input.sizes.count), !input.holdsTokens else {
            throw ShapeError("upsample takes [channels, size…] with one to three sizes, not \(input)")
        }
        guard factor >= 1 else { throw ShapeError("upsample has the factor \(factor): at least 1 is needed") }
        return Shape([input.sizes[0]] + input.sizes.dropFirst().map { $0 * factor })
    }

    package func makeOperation(_ context: OperationContext) -> Operation { UpsampleOperation(self, context) }
}

private final class UpsampleOperation: Operation {
    private let upsampling: Upsampling

    init(_ layer: Upsample, _ context: OperationContext) {
        let sizes = context.inputs[0].shape.sizes
        upsampling = Upsampling(channels: sizes[0], sizes: Array(sizes.dropFirst()), factor: layer.factor)
        super.init(inputs: context.inputs, output: context.output())
    }

    override func forward(_ examples: Range<Int>) {
        // y[c, p] = x[c, p ÷ factor]
        upsampling.forward(inputs[0].floats(examples), examples: examples.count, into: output.floats(examples))
    }

    override func backward(_ examples: Range<Int>) {
        guard let outputGradient, let dx = inputGradients[0] else { return }
        // dx[c, q] = Σ dy[c, p] over the p with p ÷ factor = q
        upsampling.backward(outputGradient.floats(examples), examples: examples.count, into: dx.floats(examples))
    }
}
