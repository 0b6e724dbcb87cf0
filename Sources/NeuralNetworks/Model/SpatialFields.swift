// SPDX-License-Identifier: Apache-2.0
// The fields of convolutions, pooling and the blocks made of them.

import Tensors

/// Channels that a layer makes.
private let filterRange = 1...65_536
/// Sizes of windows, strides and dilations.
private let windowRange = 1...1_024

extension Padding {
    /// Zeros on one side of a dimension.
    package static let range = 0...1_024
}

extension Convolve: StudyElement {
    package var purpose: String {
        "a \(kernel.count)-dimensional convolution with `filters` outputs; "
            + "`[channels, size…]` becomes `[filters, size…]`"
    }

    package var studyKind: String { "conv\(kernel.count)D" }

    package mutating func visit(_ fields: inout some FieldVisitor) {
        let dimensions = kernel.count
        fields.integer("filters", &filters, filterRange, .required)
        fields.sizes("kernel", &kernel, windowRange, .required(dimensions: dimensions))
        fields.sizes("stride", &stride, windowRange, .standard(dimensions: dimensions))
        fields.padding("padding", &padding, dimensions: dimensions)
        fields.sizes("dilation", &dilation, windowRange, .standard(dimensions: dimensions))
        fields.integer("groups", &groups, filterRange)
        fields.activation("activation", &activation)
        fields.flag("bias", &hasBias)
    }
}

extension Pool: StudyElement {
    package var purpose: String {
        (poolingKind == .maximum ? "the largest value" : "the mean") + " of each \(kernel.count)-dimensional window"
    }

    package var studyKind: String {
        switch poolingKind {
        case .maximum: "maxPool\(kernel.count)D"
        case .average: "averagePool\(kernel.count)D"
        }
    }

    package mutating func visit(_ fields: inout some FieldVisitor) {
        let dimensions = kernel.count
        fields.sizes("kernel", &kernel, windowRange, .required(dimensions: dimensions))
        fields.sizes("stride", &stride, windowRange, .like(field: "kernel", sizes: kernel))
        fields.padding("padding", &padding, dimensions: dimensions)
        if case .average(var countsPadding) = poolingKind {
            fields.flag("countPadding", &countsPadding)
            poolingKind = .average(countsPadding: countsPadding)
        }
    }
}

extension GlobalAveragePool: StudyElement {
    package var purpose: String {
        "the mean of each channel; `[channels, size…]` becomes `[channels]`"
    }

    package mutating func visit(_ fields: inout some FieldVisitor) {}
}

extension Upsample: StudyElement {
    package var purpose: String {
        "repeats every value `factor` times along every dimension of `[channels, size…]`"
    }

    package mutating func visit(_ fields: inout some FieldVisitor) {
        fields.integer("factor", &factor, 1...64, .required)
    }
}

extension ResidualBlock: StudyElement {
    package var purpose: String {
        "two 3×3 convolutions with batch normalisation beside a shortcut, as in ResNet-18"
    }

    package mutating func visit(_ fields: inout some FieldVisitor) {
        fields.integer("filters", &filters, filterRange, .required)
        fields.integer("stride", &stride, windowRange)
    }
}
