// SPDX-License-Identifier: Apache-2.0
// A part of a sequence, of the channels or of a vector, forward and backward.

import Tensors

/// y = x[start ..< start + count] along the first dimension: channels, time steps, or features of vectors.
///
/// Shapes: x `[size, …]`, y `[count, …]`. Of a sequence with a length, y has the steps that lie within it.
package struct Slice: Layer {
    package static let kind = "slice"
    package var start: Int
    package var count: Int

    package init(_ range: Range<Int>) {
        start = range.lowerBound
        count = range.count
    }

    package func outputShape(_ inputs: [Shape]) throws(ShapeError) -> Shape {
        let input = try single(inputs)
        guard start >= 0, count >= 1, start <= input.sizes[0], count <= input.sizes[0] - start else {
            throw ShapeError("slice takes \(count) from place \(start), of \(input.sizes[0]) there are")
        }
        return Shape([count] + input.sizes.dropFirst(), holdsTokens: input.holdsTokens)
    }

    package func makeOperation(_ context: OperationContext) -> Operation { SliceOperation(self, context) }
}

private final class SliceOperation: Operation {
    private let start: Int
    /// The part of an example's values.
    private let part: Range<Int>

    init(_ layer: Slice, _ context: OperationContext) {
        start = layer.start
        let width = context.outputShape.count / layer.count
        part = layer.start * width..<(layer.start + layer.count) * width
        let lengths = context.inputs[0].lengths.map { _ in SequenceLengths(capacity: context.capacity) }
        super.init(inputs: context.inputs, output: Slot(context.outputShape, lengths: lengths))
    }

    override func forward(_ examples: Range<Int>) {
        for example in examples {
            let one = example..<example + 1
            // y = x[start ..< start + count]
            output.values(one, of: examples).copy(from: inputs[0].values(one, of: examples)[part])
            if let length = inputs[0].lengths?[example] {
                output.lengths?[example] = min(max(length - start, 0), output.shape.sizes[0])
            }
        }
    }

    override func backward(_ examples: Range<Int>) {
        guard let outputGradient, let dx = inputGradients[0] else { return }
        // dx[start ..< start + count] = dy, zero elsewhere
        dx.floats(examples).fill(with: 0)
        for example in examples {
            let one = example..<example + 1
            dx.values(one, of: examples)[part].copy(from: outputGradient.values(one, of: examples))
        }
    }
}
