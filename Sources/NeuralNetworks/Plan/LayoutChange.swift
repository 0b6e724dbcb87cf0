// SPDX-License-Identifier: Apache-2.0
// The copy between two layouts that a plan puts before a layer that reads plain memory only.

package import Tensors

/// A layer whose operation takes blocked inputs.
package protocol BlockedLayer: Layer {
    /// The layout in which the operation wants an input that lies in `layout`.
    func wantedLayout(of input: Shape, in layout: Layout, kernels: KernelSet) -> Layout
}

extension BlockedLayer {
    package func wantedLayout(of input: Shape, in layout: Layout, kernels: KernelSet) -> Layout { layout }
}

/// y = x in another layout.
final class LayoutChange: Operation {
    private let forwardCopy: LayoutCopy
    private let backwardCopy: LayoutCopy

    init(_ input: Slot, to layout: Layout, scratch: Scratch) {
        let (channels, positions) = (input.shape.sizes[0], input.shape.sizes.dropFirst().reduce(1, *))
        forwardCopy = LayoutCopy(
            channels: channels, positions: positions, from: input.layout, to: layout, scratch: scratch)
        backwardCopy = LayoutCopy(
            channels: channels, positions: positions, from: layout, to: input.layout, scratch: scratch)
        super.init(inputs: [input], output: Slot(input.shape, layout: layout, lengths: input.lengths))
    }

    override func forward(_ examples: Range<Int>) {
        forwardCopy.run(inputs[0].floats(examples), examples: examples.count, into: output.floats(examples))
    }

    override func backward(_ examples: Range<Int>) {
        guard let dy = outputGradient, let dx = inputGradients[0] else { return }
        backwardCopy.run(dy.floats(examples), examples: examples.count, into: dx.floats(examples))
    }
}
