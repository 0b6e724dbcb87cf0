// SPDX-License-Identifier: Apache-2.0
// Positions as sines and cosines of fixed frequencies, forward and backward.

import Glibc
import Tensors

/// y[t] = x[t] + p[t] with p[t, 2i] = sin(t/10000^(2i/width)) and p[t, 2i+1] = cos(t/10000^(2i/width)).
///
/// Shapes: x and y `[time, width]`. There is nothing to train.
/// Source: Vaswani et al. 2017, section 3.5 (arXiv:1706.03762).
package struct SinusoidalPositions: Layer {
    package static let kind = "sinusoidalPositions"

    package init() {}

    package func outputShape(_ inputs: [Shape]) throws(ShapeError) -> Shape {
        let input = try single(inputs)
        guard input.sizes.count == 2, !input.holdsTokens else {
            throw ShapeError("sinusoidalPositions takes [time, features], not \(input)")
        }
        return input
    }

    package func makeOperation(_ context: OperationContext) -> Operation { SinusoidalPositionsOperation(context) }
}

private final class SinusoidalPositionsOperation: Operation {
    /// p `[time, width]`.
    private let positions: FloatBuffer

    init(_ context: OperationContext) {
        let (steps, width) = (context.outputShape.sizes[0], context.outputShape.sizes[1])
        positions = FloatBuffer(count: steps * width)
        for step in 0..<steps {
            for feature in 0..<width {
                let angle = Double(step) * pow(10_000, -Double(feature / 2 * 2) / Double(width))
                positions.floats[step * width + feature] = Float(feature % 2 == 0 ? sin(angle) : cos(angle))
            }
        }
        super.init(inputs: context.inputs, output: context.output(keepsLengths: true))
    }

    override var passesGradient: Bool { true }

    override func forward(_ examples: Range<Int>) {
        let y = output.floats(examples)
        // y[b,t] = x[b,t] + p[t]
        y.copy(from: inputs[0].floats(examples))
        addRows(positions.floats, to: y)
    }

    // dx = dy; only where another consumer of x has its gradient is there something to copy.
    override func backward(_ examples: Range<Int>) {
        guard let outputGradient, let dx = inputGradients[0], dx.storage !== outputGradient.storage else { return }
        dx.floats(examples).copy(from: outputGradient.floats(examples))
    }
}
