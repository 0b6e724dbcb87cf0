// SPDX-License-Identifier: Apache-2.0
// The fields of attention, Transformer layers and fusion blocks.

import Tensors

private let headRange = 1...1_024
private let unitRange = 1...ModelSpecification.largestWidth
/// Odds of dropping a value; a layer inside a block has them, too.
private let dropoutRange = 0...0.99

extension SinusoidalPositions: StudyElement {
    package var purpose: String { "adds sines and cosines of the place to `[time, features]`; nothing is trained" }

    package mutating func visit(_ fields: inout some FieldVisitor) {}
}

extension MultiHeadAttention: StudyElement {
    package var purpose: String {
        "each step of `[time, width]` gathers from all steps, or from the second input, the memory `[steps, width]`"
    }

    package mutating func visit(_ fields: inout some FieldVisitor) {
        fields.integer("heads", &heads, headRange, .required)
        fields.flag("causal", &isCausal)
        fields.flag("rotary", &isRotary)
        fields.decimal("dropout", &dropout, dropoutRange)
        fields.group("adapter", &adapter)
    }
}

extension AttentionAdapter: FieldGroup {
    package init() { self.init(rank: 0, alpha: 0) }

    package mutating func visit(_ fields: inout some FieldVisitor) {
        adapter.visit(&fields)
        for projection in AttentionProjection.allCases {
            var isAdapted = projections.contains(projection)
            fields.flag(projection.rawValue, &isAdapted)
            if isAdapted { projections.insert(projection) } else { projections.remove(projection) }
        }
    }
}

extension TransformerEncoderLayer: StudyElement {
    package var purpose: String { "self-attention and two dense layers around residual connections" }

    package mutating func visit(_ fields: inout some FieldVisitor) {
        fields.integer("heads", &heads, headRange, .required)
        fields.integer("feedForward", &feedForward, unitRange, .required)
        fields.activation("activation", &activation)
        fields.decimal("dropout", &dropout, dropoutRange)
        fields.flag("normalizesFirst", &normalizesFirst)
        fields.flag("causal", &isCausal)
        fields.flag("rotary", &isRotary)
        fields.decimal("epsilon", &epsilon, epsilonRange)
        fields.group("adapter", &adapter)
    }
}

extension TransformerDecoderLayer: StudyElement {
    package var inputCount: Int { 2 }
    package var purpose: String {
        "causal self-attention, attention to the second input, and two dense layers around residual connections"
    }

    package mutating func visit(_ fields: inout some FieldVisitor) {
        fields.integer("heads", &heads, headRange, .required)
        fields.integer("feedForward", &feedForward, unitRange, .required)
        fields.activation("activation", &activation)
        fields.decimal("dropout", &dropout, dropoutRange)
        fields.flag("normalizesFirst", &normalizesFirst)
        fields.flag("rotary", &isRotary)
        fields.decimal("epsilon", &epsilon, epsilonRange)
        fields.group("adapter", &adapter)
    }
}

extension TransformerEncoder: StudyElement {
    package var purpose: String { "`layers` times `transformerEncoderLayer`, and a `layerNorm` if `finalNorm`" }

    package mutating func visit(_ fields: inout some FieldVisitor) {
        fields.integer("layers", &layers, 1...256, .required)
        layer.visit(&fields)
        fields.flag("finalNorm", &hasFinalNorm)
    }
}

extension GatedFusion: StudyElement {
    package var inputCount: Int { 2 }
    package var purpose: String { "a mixture of two vectors of one width, by a trained gate for each value" }

    package mutating func visit(_ fields: inout some FieldVisitor) {}
}

extension CrossAttentionFusion: StudyElement {
    package var inputCount: Int { 2 }
    package var purpose: String {
        "each step of `[time, width]` gathers from a second sequence, or from the positions of an image"
    }

    package mutating func visit(_ fields: inout some FieldVisitor) {
        fields.integer("heads", &heads, headRange, .required)
        fields.decimal("dropout", &dropout, dropoutRange)
    }
}

extension ChannelsLast: StudyElement {
    package var purpose: String {
        "the positions of `[channels, size…]` as steps of a sequence `[positions, channels]`"
    }

    package mutating func visit(_ fields: inout some FieldVisitor) {}
}

extension Slice: StudyElement {
    package var purpose: String {
        "`count` channels, steps or features from place `start` on, along the first dimension"
    }

    package mutating func visit(_ fields: inout some FieldVisitor) {
        fields.integer("start", &start, 0...GraphBuilder.largestValueCount)
        fields.integer("count", &count, 1...GraphBuilder.largestValueCount, .required)
    }
}

extension Subtract: StudyElement {
    package var purpose: String { "the first of two inputs of one shape less the second" }

    package mutating func visit(_ fields: inout some FieldVisitor) {}
}
