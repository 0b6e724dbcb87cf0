// SPDX-License-Identifier: Apache-2.0
// Max, average and global pooling, forward and backward.

package import Tensors

/// What the plan asks of a pooling when it looks for a convolution before it.
package protocol PoolingLayer: BlockedLayer {
    var poolingKind: PoolingKind { get }
}

/// The largest value, or the mean, of each window of each channel.
///
/// Shapes: x and y `[channels, size…]`.
package struct Pool: PoolingLayer {
    package static let kind = "pool"
    package var poolingKind: PoolingKind
    /// The window; empty for the whole map.
    package var kernel: [Int]
    package var stride: [Int]
    package var padding: Padding

    package init(_ kind: PoolingKind, kernel: [Int], stride: [Int]? = nil, padding: Padding = .valid) {
        poolingKind = kind
        self.kernel = kernel
        self.stride = stride ?? kernel
        self.padding = padding
    }

    /// Max pooling over two dimensions.
    package static func max2D(_ kernel: Int, stride: Int? = nil, padding: Padding = .valid) -> Pool {
        let step = stride ?? kernel
        return Pool(.maximum, kernel: [kernel, kernel], stride: [step, step], padding: padding)
    }

    /// Average pooling over two dimensions, zeros of the padding counted.
    package static func average2D(_ kernel: Int, stride: Int? = nil, padding: Padding = .valid) -> Pool {
        let step = stride ?? kernel
        return Pool(.average(countsPadding: true), kernel: [kernel, kernel], stride: [step, step], padding: padding)
    }

    /// The mean of each channel: y `[channels, 1, …]`.
    package static let globalAverage = Pool(.average(countsPadding: true), kernel: [])

    package func outputShape(_ inputs: [Shape]) throws(ShapeError) -> Shape {
        let input = try single(inputs)
        guard input.sizes.count >= 2, input.sizes.count <= 4, kernel.isEmpty || kernel.count == input.sizes.count - 1
        else { throw ShapeError("pooling \(kernel) does not fit \(input): channels first, one size per dimension") }
        let window = window(of: input)
        for d in window.kernel.indices {
            guard window.kernel[d] >= 1, window.stride[d] >= 1, 2 * window.before[d] <= window.kernel[d] else {
                throw ShapeError(
                    "pooling needs a window and a stride of at least 1 and a padding of at most half a window")
            }
            guard input.sizes[d + 1] + window.before[d] + window.after[d] >= window.kernel[d] else {
                throw ShapeError("a window \(window.kernel) does not fit into \(input): the map must be larger")
            }
        }
        return Shape(
            [input.sizes[0]]
                + window.kernel.indices.map {
                    (input.sizes[$0 + 1] + window.before[$0] + window.after[$0] - window.kernel[$0]) / window.stride[$0]
                        + 1
                })
    }

    fileprivate func window(of input: Shape) -> (kernel: [Int], stride: [Int], before: [Int], after: [Int]) {
        let sizes = Array(input.sizes.dropFirst())
        let kernel = kernel.isEmpty ? sizes : kernel
        let stride = self.kernel.isEmpty ? sizes : stride
        let (before, after) = padding.amounts(
            sizes, kernel: kernel, stride: stride, dilation: kernel.map { _ in 1 })
        return (kernel, stride, before, after)
    }

    package func makeOperation(_ context: OperationContext) -> Operation { PoolOperation(self, context) }
}

private final class PoolOperation: Operation {
    private let pooling: Pooling
    private let masksReLU: Bool
    /// Where the maxima were.
    private let places: Slot?
    /// dy where the pooled value is positive.
    private let masked: Slot?

    init(_ layer: Pool, _ context: OperationContext) {
        let input = context.inputs[0]
        let window = layer.window(of: input.shape)
        pooling = Pooling(
            layer.poolingKind,
            window: SpatialWindow(
                input: Array(input.shape.sizes.dropFirst()), kernel: window.kernel, stride: window.stride,
                dilation: window.kernel.map { _ in 1 }, padBefore: window.before, padAfter: window.after),
            channels: input.shape.sizes[0], layout: input.layout, isTraining: context.isTraining,
            scratch: context.scratch, kernels: context.kernels)
        let output = context.output(input.layout)
        masksReLU = context.masksReLU && context.isTraining
        places = pooling.workspaceCount > 0 ? Slot(Shape([pooling.workspaceCount])) : nil
        masked = masksReLU ? Slot(output.shape, layout: output.layout) : nil
        super.init(inputs: context.inputs, output: output)
    }

    override var readsOutput: Bool { masksReLU }
    override var saved: [Slot] { places.map { [$0] } ?? [] }
    override var backwardTemporaries: [Slot] { masked.map { [$0] } ?? [] }
    override var implementations: [String] { pooling.implementations }

    override func forward(_ examples: Range<Int>) {
        pooling.forward(
            inputs[0].floats(examples), examples: examples.count, into: output.floats(examples),
            workspace: places?.floats(examples))
    }

    override func backward(_ examples: Range<Int>) {
        guard let outputGradient, let dx = inputGradients[0] else { return }
        var dy = outputGradient.floats(examples)
        if let masked {
            // y = max over the window of relu z = relu of max z: no gradient where y is not positive
            ActivationFunction.relu.backward(output.floats(examples), gradient: dy, into: masked.floats(examples))
            dy = masked.floats(examples)
        }
        pooling.backward(dy, examples: examples.count, into: dx.floats(examples), workspace: places?.floats(examples))
    }
}

/// The mean of each channel, as one vector.
///
/// Shapes: x `[channels, size…]`, y `[channels]`.
package struct GlobalAveragePool: Block {
    package static let kind = "globalAveragePool"

    package init() {}

    package func build(_ builder: inout GraphBuilder, name: String, inputs: [Int]) throws(ShapeError) -> Int {
        let means = try builder.add("\(name).mean", Pool.globalAverage, inputs[0])
        return try builder.add("\(name).flatten", Reshape.flatten, means)
    }
}
