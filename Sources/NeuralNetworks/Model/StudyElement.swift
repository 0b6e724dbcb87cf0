// SPDX-License-Identifier: Apache-2.0
// A layer or a block of layers as studies write it, and the list of all kinds there are.

import Tensors

/// A layer or block that a study may name.
package protocol StudyElement: Hashable, Sendable {
    /// The word that studies use: the layer's own, but with the number of dimensions where there are several.
    var studyKind: String { get }
    /// What the element does, for the documentation: one line of Markdown.
    var purpose: String { get }

    /// Names every field to the visitor, in the order of the documentation.
    mutating func visit(_ fields: inout some FieldVisitor)

    /// Adds what the element stands for to a graph; returns the edge that leaves it.
    ///
    /// - Throws: ``ShapeError`` that names the layer that does not fit.
    func add(to builder: inout GraphBuilder, name: String, inputs: [Int]) throws(ShapeError) -> Int

    /// The same element without adapters.
    var withoutAdapters: Self { get }
}

extension StudyElement {
    package var withoutAdapters: Self { self }
}

extension StudyElement where Self: Layer {
    package var studyKind: String { Self.kind }

    package func add(to builder: inout GraphBuilder, name: String, inputs: [Int]) throws(ShapeError) -> Int {
        try builder.add(name, self, inputs: inputs)
    }
}

extension StudyElement where Self: Block {
    package var studyKind: String { Self.kind }

    package func add(to builder: inout GraphBuilder, name: String, inputs: [Int]) throws(ShapeError) -> Int {
        guard inputs.count == inputCount else {
            var error = ShapeError("\(Self.kind) takes \(inputCount) inputs, not \(inputs.count)")
            error.layer = name
            throw error
        }
        return try build(&builder, name: name, inputs: inputs)
    }
}

extension ModelSpecification {
    /// One element of every kind, with the defaults that hold for fields a study leaves out.
    ///
    /// What is required has a value that no check accepts, so that a forgotten one is seen.
    package static let defaults: [any StudyElement] = [
        Dense(0),
        Conv1D(0, kernel: 0), Conv2D(0, kernel: 0), Conv3D(0, kernel: 0),
        MaxPool1D(0), MaxPool2D(0), MaxPool3D(0),
        AveragePool1D(0), AveragePool2D(0), AveragePool3D(0),
        GlobalAveragePool(), Upsample(0),
        BatchNorm(), GroupNorm(0), LayerNorm(), Dropout(-1),
        Embedding(0, width: 0), LearnedPositions(), SinusoidalPositions(),
        LSTM(0), GRU(0), RNN(0), LastStep(), MeanOverTime(), MaxOverTime(),
        MultiHeadAttention(0), TransformerEncoderLayer(heads: 0, feedForward: 0),
        TransformerDecoderLayer(heads: 0, feedForward: 0),
        TransformerEncoder(TransformerEncoderLayer(heads: 0, feedForward: 0), layers: 0),
        ResidualBlock(0), GatedFusion(), CrossAttentionFusion(heads: 0),
        Flatten(), Reshape([0]), ChannelsLast(), Slice(0..<0), Concatenate(), Add(), Subtract(), Multiply(),
        ActivationLayer(.linear), SoftmaxLayer(),
    ]

    /// The words that studies use for kinds of layers and blocks.
    package static let kinds = defaults.map(\.studyKind)
}
