// SPDX-License-Identifier: Apache-2.0
// The fields of layers over vectors and sequences, and of layers that move values.

import Tensors

extension Dense: StudyElement {
    package mutating func visit(_ fields: inout some FieldVisitor) {
        fields.integer("units", &units, 1...ModelSpecification.largestWidth, .required)
        fields.activation("activation", &activation)
        fields.flag("bias", &hasBias)
    }
}

extension Dropout: StudyElement {
    package mutating func visit(_ fields: inout some FieldVisitor) {
        fields.decimal("rate", &rate, 0...0.99, .required)
        fields.flag("spatial", &isSpatial)
    }
}

extension ActivationLayer: StudyElement {
    package mutating func visit(_ fields: inout some FieldVisitor) {
        fields.activation("function", &function, .required)
    }
}

extension SoftmaxLayer: StudyElement {
    package mutating func visit(_ fields: inout some FieldVisitor) { fields.flag("logarithmic", &isLogarithmic) }
}

// MARK: Normalisation

/// What is added to a variance before its root is taken.
private let epsilonRange = 1e-12...1.0

extension LayerNorm: StudyElement {
    package mutating func visit(_ fields: inout some FieldVisitor) {
        fields.decimal("epsilon", &epsilon, epsilonRange)
    }
}

extension GroupNorm: StudyElement {
    package mutating func visit(_ fields: inout some FieldVisitor) {
        fields.integer("groups", &groups, 1...65_536, .required)
        fields.decimal("epsilon", &epsilon, epsilonRange)
    }
}

extension BatchNorm: StudyElement {
    package mutating func visit(_ fields: inout some FieldVisitor) {
        fields.decimal("epsilon", &epsilon, epsilonRange)
        fields.decimal("momentum", &momentum, 0...1)
        fields.flag("relu", &appliesReLU)
    }
}

// MARK: Tokens and sequences

extension Embedding: StudyElement {
    package mutating func visit(_ fields: inout some FieldVisitor) {
        fields.integer("vocabulary", &vocabulary, 1...1 << 24, .required)
        fields.integer("width", &width, 1...65_536, .required)
        fields.optionalInteger("padding", &padding, 0...1 << 24)
    }
}

extension LearnedPositions: StudyElement {
    package mutating func visit(_ fields: inout some FieldVisitor) {}
}

extension FieldVisitor {
    /// The fields that all recurrent layers have.
    fileprivate mutating func recurrent(_ hidden: inout Int, _ layers: inout Int, _ isBidirectional: inout Bool) {
        integer("hidden", &hidden, 1...65_536, .required)
        integer("layers", &layers, 1...64)
        flag("bidirectional", &isBidirectional)
    }
}

extension LSTM: StudyElement {
    package mutating func visit(_ fields: inout some FieldVisitor) {
        fields.recurrent(&hidden, &layers, &isBidirectional)
    }
}

extension GRU: StudyElement {
    package mutating func visit(_ fields: inout some FieldVisitor) {
        fields.recurrent(&hidden, &layers, &isBidirectional)
    }
}

extension RNN: StudyElement {
    package mutating func visit(_ fields: inout some FieldVisitor) {
        fields.recurrent(&hidden, &layers, &isBidirectional)
        fields.activation("activation", &activation)
    }
}

extension LastStep: StudyElement {
    package mutating func visit(_ fields: inout some FieldVisitor) {}
}

extension MeanOverTime: StudyElement {
    package mutating func visit(_ fields: inout some FieldVisitor) {}
}

extension MaxOverTime: StudyElement {
    package mutating func visit(_ fields: inout some FieldVisitor) {}
}

// MARK: Moving values

extension Reshape: StudyElement {
    package var studyKind: String { sizes.isEmpty ? "flatten" : Self.kind }

    package mutating func visit(_ fields: inout some FieldVisitor) {
        // Flattening is the reshape without sizes, and has no fields.
        guard !sizes.isEmpty else { return }
        fields.sizes("sizes", &sizes, 1...GraphBuilder.largestValueCount, .list(most: 4))
    }
}

extension Concatenate: StudyElement {
    package mutating func visit(_ fields: inout some FieldVisitor) {}
}

extension Add: StudyElement {
    package mutating func visit(_ fields: inout some FieldVisitor) { fields.flag("relu", &appliesReLU) }
}

extension Multiply: StudyElement {
    package mutating func visit(_ fields: inout some FieldVisitor) {}
}
