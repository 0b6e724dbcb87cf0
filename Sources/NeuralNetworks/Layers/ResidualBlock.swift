// SPDX-License-Identifier: Apache-2.0
// The residual block of ResNet-18 and ResNet-34, as layers of a graph.

import Tensors

/// relu(bn(conv(relu(bn(conv x)))) + shortcut x), the shortcut a 1×1 convolution where sizes change.
///
/// Names are torchvision's: conv1, bn1, conv2, bn2, downsample.0, downsample.1.
/// Source: He et al. 2016, figure 2 and section 3.3, option B (arXiv:1512.03385).
package struct ResidualBlock: Block {
    package static let kind = "residualBlock"
    package var filters: Int
    package var stride: Int

    package init(_ filters: Int, stride: Int = 1) {
        self.filters = filters
        self.stride = stride
    }

    package func build(_ builder: inout GraphBuilder, name: String, inputs: [Int]) throws(ShapeError) -> Int {
        let input = inputs[0]
        var edge = try builder.add("\(name).conv1", convolution(3, stride: stride), input)
        edge = try builder.add("\(name).bn1", BatchNorm(relu: true), edge)
        edge = try builder.add("\(name).conv2", convolution(3, stride: 1), edge)
        edge = try builder.add("\(name).bn2", BatchNorm(), edge)
        var shortcut = input
        if stride != 1 || builder.shape(of: input).sizes[0] != filters {
            shortcut = try builder.add("\(name).downsample.0", convolution(1, stride: stride), input)
            shortcut = try builder.add("\(name).downsample.1", BatchNorm(), shortcut)
        }
        return try builder.add("\(name).add", Add(relu: true), edge, shortcut)
    }

    private func convolution(_ kernel: Int, stride: Int) -> Convolve {
        Convolve.twoD(
            filters, kernel: kernel, stride: stride, padding: .explicit([kernel / 2, kernel / 2]), bias: false)
    }
}
