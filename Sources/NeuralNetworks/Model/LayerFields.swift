// SPDX-License-Identifier: Apache-2.0
// The fields of layers over vectors and sequences, and of layers that move values.

import Tensors

extension Dense: StudyElement {
    package var purpose: String {
        "y = f(x·wᵀ + bias) over the last dimension; `[…, inputs]` becomes `[…, units]`"
    }

    package mutating func visit(_ fields: inout some FieldVisitor) {
        fields.integer("units", &units, 1...ModelSpecification.largestWidth, .required)
        fields.activation("activation", &activation)
        fields.flag("bias", &hasBias)
        fields.group("adapter", &adapter)
    }
}

extension Adapter: FieldGroup {
    /// Sizes of adapters.
    static let rankRange = 1...65_536
    static let alphaRange = 1e-6...1e6

    package init() { self.init(rank: 0, alpha: 0) }

    package mutating func visit(_ fields: inout some FieldVisitor) {
        fields.integer("rank", &rank, Self.rankRange, .required)
        fields.decimal("alpha", &alpha, Self.alphaRange, .required)
    }
}

extension Dropout: StudyElement {
    package var purpose: String {
        "in training, sets values to zero with odds `rate` and divides the others by 1 − `rate`; "
            + "`spatial` drops whole channels"
    }

    package mutating func visit(_ fields: inout some FieldVisitor) {
        fields.decimal("rate", &rate, 0...0.99, .required)
        fields.flag("spatial", &isSpatial)
    }
}

extension ActivationLayer: StudyElement {
    package var purpose: String {
        "y = f(x), value by value"
    }

    package mutating func visit(_ fields: inout some FieldVisitor) {
        fields.activation("function", &function, .required)
    }
}

extension SoftmaxLayer: StudyElement {
    package var purpose: String {
        "e^x / Σ e^x over the last dimension, or its logarithm"
    }

    package mutating func visit(_ fields: inout some FieldVisitor) { fields.flag("logarithmic", &isLogarithmic) }
}

// MARK: Normalisation

/// What is added to a variance before its root is taken.
let epsilonRange = 1e-12...1.0

extension LayerNorm: StudyElement {
    package var purpose: String {
        "mean 0 and variance 1 over the last dimension, then weight and bias"
    }

    package mutating func visit(_ fields: inout some FieldVisitor) {
        fields.decimal("epsilon", &epsilon, epsilonRange)
    }
}

extension GroupNorm: StudyElement {
    package var purpose: String {
        "mean 0 and variance 1 over each group of channels, then weight and bias; fit for private training"
    }

    package mutating func visit(_ fields: inout some FieldVisitor) {
        fields.integer("groups", &groups, 1...65_536, .required)
        fields.decimal("epsilon", &epsilon, epsilonRange)
    }
}

extension BatchNorm: StudyElement {
    package var purpose: String {
        "mean 0 and variance 1 of each channel over the batch, then weight and bias, and ReLU if `relu`; "
            + "mixes patients, so not for private training"
    }

    package mutating func visit(_ fields: inout some FieldVisitor) {
        fields.decimal("epsilon", &epsilon, epsilonRange)
        fields.decimal("momentum", &momentum, 0...1)
        fields.flag("relu", &appliesReLU)
    }
}

// MARK: Tokens and sequences

extension Embedding: StudyElement {
    package var purpose: String {
        "a trained row for each token; tokens `[time]` become `[time, width]`; the row of `padding` is zero"
    }

    package mutating func visit(_ fields: inout some FieldVisitor) {
        fields.integer("vocabulary", &vocabulary, 1...1 << 24, .required)
        fields.integer("width", &width, 1...65_536, .required)
        fields.optionalInteger("padding", &padding, 0...1 << 24)
    }
}

extension LearnedPositions: StudyElement {
    package var purpose: String {
        "adds a trained row for each place of `[time, features]`"
    }

    package mutating func visit(_ fields: inout some FieldVisitor) {}
}

extension FieldVisitor {
    /// The fields that all recurrent layers have.
    fileprivate mutating func recurrent(
        _ hidden: inout Int, _ layers: inout Int, _ isBidirectional: inout Bool, _ dropout: inout Double
    ) {
        integer("hidden", &hidden, 1...65_536, .required)
        integer("layers", &layers, 1...64)
        flag("bidirectional", &isBidirectional)
        decimal("dropout", &dropout, 0...0.99, .addition)
    }
}

extension LSTM: StudyElement {
    package var purpose: String {
        "long short-term memory; `[time, inputs]` becomes `[time, hidden]`, twice as wide if `bidirectional`; "
            + "`dropout` between layers"
    }

    package mutating func visit(_ fields: inout some FieldVisitor) {
        fields.recurrent(&hidden, &layers, &isBidirectional, &dropout)
    }
}

extension GRU: StudyElement {
    package var purpose: String {
        "gated recurrent unit; shapes as `lstm`"
    }

    package mutating func visit(_ fields: inout some FieldVisitor) {
        fields.recurrent(&hidden, &layers, &isBidirectional, &dropout)
    }
}

extension RNN: StudyElement {
    package var purpose: String {
        "plain recurrent network with tanh or ReLU; shapes as `lstm`"
    }

    package mutating func visit(_ fields: inout some FieldVisitor) {
        fields.recurrent(&hidden, &layers, &isBidirectional, &dropout)
        fields.activation("activation", &activation)
    }
}

extension LastStep: StudyElement {
    package var purpose: String {
        "the last step that a sequence has; `[time, features]` becomes `[features]`"
    }

    package mutating func visit(_ fields: inout some FieldVisitor) {}
}

extension MeanOverTime: StudyElement {
    package var purpose: String {
        "the mean over the steps that a sequence has; `[time, features]` becomes `[features]`"
    }

    package mutating func visit(_ fields: inout some FieldVisitor) {}
}

extension MaxOverTime: StudyElement {
    package var purpose: String {
        "the largest value over the steps that a sequence has; `[time, features]` becomes `[features]`"
    }

    package mutating func visit(_ fields: inout some FieldVisitor) {}
}

// MARK: Moving values

extension Reshape: StudyElement {
    package var purpose: String {
        sizes.isEmpty ? "all values of an example as one vector" : "the same values in another shape"
    }

    package var studyKind: String { sizes.isEmpty ? "flatten" : Self.kind }

    package mutating func visit(_ fields: inout some FieldVisitor) {
        // Flattening is the reshape without sizes, and has no fields.
        guard !sizes.isEmpty else { return }
        fields.sizes("sizes", &sizes, 1...GraphBuilder.largestValueCount, .list(most: 4))
    }
}

extension Concatenate: StudyElement {
    package var purpose: String {
        "its inputs one after the other along the first dimension: channels, steps, or the features of vectors"
    }

    package mutating func visit(_ fields: inout some FieldVisitor) {}
}

extension Add: StudyElement {
    package var purpose: String {
        "the sum of two inputs or more of one shape, and ReLU if `relu`"
    }

    package mutating func visit(_ fields: inout some FieldVisitor) { fields.flag("relu", &appliesReLU) }
}

extension Multiply: StudyElement {
    package var purpose: String {
        "the product of two inputs of one shape, value by value"
    }

    package mutating func visit(_ fields: inout some FieldVisitor) {}
}
