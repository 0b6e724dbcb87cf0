// SPDX-License-Identifier: Apache-2.0
// An image as a sequence of its positions, forward and backward.

import Tensors

/// y[p, c] = x[c, p]: each position of an image as a step of a sequence, in row-major order.
///
/// Shapes: x `[channels, size…]`, y `[positions, channels]`.
package struct ChannelsLast: Layer {
    package static let kind = "channelsLast"

    package init() {}

    package func outputShape(_ inputs: [Shape]) throws(ShapeError) -> Shape {
        let input = try single(inputs)
        guard input.sizes.count >= 2, !input.holdsTokens else {
            throw ShapeError("channelsLast takes [channels, size…], not \(input)")
        }
        return Shape([input.count / input.sizes[0], input.sizes[0]])
    }

    package func makeOperation(_ context: OperationContext) -> Operation { ChannelsLastOperation(context) }
}

private final class ChannelsLastOperation: Operation {
    private let positions: Int
    private let channels: Int

    init(_ context: OperationContext) {
        (positions, channels) = (context.outputShape.sizes[0], context.outputShape.sizes[1])
        super.init(inputs: context.inputs, output: context.output())
    }

    override func forward(_ examples: Range<Int>) {
        for example in examples {
            let one = example..<example + 1
            // y[p, c] = x[c, p]
            transpose(
                inputs[0].values(one, of: examples), rows: channels, columns: positions,
                into: output.values(one, of: examples))
        }
    }

    override func backward(_ examples: Range<Int>) {
        guard let outputGradient, let dx = inputGradients[0] else { return }
        for example in examples {
            let one = example..<example + 1
            // dx[c, p] = dy[p, c]
            transpose(
                outputGradient.values(one, of: examples), rows: positions, columns: channels,
                into: dx.values(one, of: examples))
        }
    }
}
