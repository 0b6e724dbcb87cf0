// SPDX-License-Identifier: Apache-2.0
// Layer and group normalisation, forward and backward; neither mixes examples.

import Tensors

/// y = (x − mean)/√(variance + ε)·weight + bias over the last dimension.
///
/// Shapes: x and y `[…, features]`, weight and bias `[features]`.
/// Source: Ba, Kiros & Hinton 2016, equation 4 (arXiv:1607.06450).
package struct LayerNorm: Layer {
    package static let kind = "layerNorm"
    package var epsilon: Double

    package init(epsilon: Double = 1e-5) { self.epsilon = epsilon }

    package func outputShape(_ inputs: [Shape]) throws(ShapeError) -> Shape {
        guard epsilon > 0 else { throw ShapeError("layerNorm needs an epsilon above 0") }
        return try single(inputs)
    }

    package func parameters(_ inputs: [Shape]) -> [ParameterDeclaration] {
        let width = inputs[0].sizes.last ?? 1
        return [ParameterDeclaration("weight", [width], .ones), ParameterDeclaration("bias", [width], .zeros)]
    }

    package func makeOperation(_ context: OperationContext) -> Operation { LayerNormOperation(self, context) }
}

private final class LayerNormOperation: Operation {
    private let epsilon: Float
    private let parameters: [Floats]
    /// Those of weight and bias; empty in inference, and where they are frozen.
    private let gradients: [Floats]
    /// Mean and 1/√(variance + ε) of each row.
    private let statistics: Slot
    /// Private mode: every patient's dweight and dbias.
    private let kept: KeptGradients

    init(_ layer: LayerNorm, _ context: OperationContext) {
        epsilon = Float(layer.epsilon)
        parameters = context.parameters
        gradients = [context.gradient(0), context.gradient(1)].compactMap(\.self)
        statistics = Slot(Shape([context.outputShape.count / context.parameters[0].count, 2]))
        kept = KeptGradients(count: 2 * context.parameters[0].count)
        super.init(inputs: context.inputs, output: context.output(keepsLengths: true))
    }

    override var readsInputs: Bool { true }
    override var saved: [Slot] { [statistics] }

    override func forward(_ examples: Range<Int>) {
        // x̂ = (x − mean)/√(variance + ε); y = x̂·weight + bias
        Normalization.layerForward(
            inputs[0].floats(examples), weight: parameters[0], bias: parameters[1], epsilon: epsilon,
            into: output.floats(examples), statistics: statistics.floats(examples))
    }

    override func backward(_ examples: Range<Int>) {
        guard let outputGradient, let dx = inputGradients[0] ?? discarded else { return }
        // y = x̂·weight + bias: dweight += Σ_rows dy·x̂, dbias += Σ_rows dy
        // x̂ = (x − mean)/√(variance + ε), with g = dy·weight: dx = (g − mean(g) − x̂·mean(g·x̂))/√(variance + ε)
        Normalization.layerBackward(
            inputs[0].floats(examples), weight: parameters[0], statistics: statistics.floats(examples),
            gradient: outputGradient.floats(examples), into: dx.floats(examples), weightGradient: gradients.first,
            biasGradient: gradients.last)
    }

    override func backwardPrivately(_ examples: Range<Int>, _ patients: Patients) {
        guard !gradients.isEmpty else { return backward(examples) }
        guard let outputGradient, let dx = inputGradients[0] ?? discarded else { return }
        kept.collect(examples, patients) { own, gradient in
            let width = parameters[0].count
            Normalization.layerBackward(
                inputs[0].values(own, of: examples), weight: parameters[0],
                statistics: statistics.values(own, of: examples), gradient: outputGradient.values(own, of: examples),
                into: dx.values(own, of: examples), weightGradient: gradient[0..<width],
                biasGradient: gradient[width..<2 * width])
        }
    }

    override func addClipped(_ examples: Range<Int>, _ patients: Patients) {
        if !gradients.isEmpty { kept.addClipped(examples, patients, to: gradients) }
    }

    /// The kernel makes dx with the sums; where nobody wants it, it goes here.
    private lazy var discarded: Slot? = Slot(output.shape)
    override var backwardTemporaries: [Slot] {
        [inputGradients[0] == nil ? discarded : nil, gradients.isEmpty ? nil : kept.slot].compactMap(\.self)
    }
    override var readByClipping: [Slot] { gradients.isEmpty ? [] : [kept.slot] }
}

/// y = (x − mean)/√(variance + ε)·weight + bias, with the mean and variance of each group of channels.
///
/// Shapes: x and y `[channels, size…]`, weight and bias `[channels]`.
/// Source: Wu & He 2018, section 3.1 (arXiv:1803.08494).
package struct GroupNorm: BlockedLayer {
    package static let kind = "groupNorm"
    package var groups: Int
    package var epsilon: Double

    package init(_ groups: Int, epsilon: Double = 1e-5) {
        self.groups = groups
        self.epsilon = epsilon
    }

    package func outputShape(_ inputs: [Shape]) throws(ShapeError) -> Shape {
        let input = try single(inputs)
        guard groups >= 1, input.sizes[0] % groups == 0, epsilon > 0 else {
            throw ShapeError("groupNorm needs an epsilon above 0 and groups that divide \(input.sizes[0]) channels")
        }
        return input
    }

    package func parameters(_ inputs: [Shape]) -> [ParameterDeclaration] {
        let channels = inputs[0].sizes[0]
        return [ParameterDeclaration("weight", [channels], .ones), ParameterDeclaration("bias", [channels], .zeros)]
    }

    package func makeOperation(_ context: OperationContext) -> Operation { GroupNormOperation(self, context) }
}

private final class GroupNormOperation: Operation {
    private let layer: GroupNorm
    private let parameters: [Floats]
    private let gradients: [Floats]
    /// Mean and 1/√(variance + ε) of each group.
    private let statistics: Slot
    /// Private mode: every patient's dweight and dbias.
    private let kept: KeptGradients

    init(_ layer: GroupNorm, _ context: OperationContext) {
        self.layer = layer
        parameters = context.parameters
        gradients = context.gradients
        statistics = Slot(Shape([layer.groups, 2]))
        kept = KeptGradients(count: 2 * context.parameters[0].count)
        super.init(inputs: context.inputs, output: context.output(context.inputs[0].layout))
    }

    override var readsInputs: Bool { true }
    override var saved: [Slot] { [statistics] }

    override func forward(_ examples: Range<Int>) {
        for example in examples {
            let one = example..<example + 1
            // x̂ = (x − mean)/√(variance + ε) by group; y = x̂·weight + bias by channel
            Normalization.groupForward(
                inputs[0].values(one, of: examples), groups: layer.groups, layout: output.layout, weight: parameters[0],
                bias: parameters[1], epsilon: Float(layer.epsilon), into: output.values(one, of: examples),
                statistics: statistics.values(one, of: examples))
        }
    }

    override func backward(_ examples: Range<Int>) {
        backward(examples, of: examples, weightGradient: gradients[0], biasGradient: gradients[1])
    }

    private func backward(_ own: Range<Int>, of part: Range<Int>, weightGradient: Floats, biasGradient: Floats) {
        guard let outputGradient, let dx = inputGradients[0] ?? discarded else { return }
        for example in own {
            let one = example..<example + 1
            // as for layer norm, with the means over a group and the sums over positions
            Normalization.groupBackward(
                inputs[0].values(one, of: part), groups: layer.groups, layout: output.layout, weight: parameters[0],
                statistics: statistics.values(one, of: part), gradient: outputGradient.values(one, of: part),
                into: dx.values(one, of: part), weightGradient: weightGradient, biasGradient: biasGradient)
        }
    }

    override func backwardPrivately(_ examples: Range<Int>, _ patients: Patients) {
        kept.collect(examples, patients) { own, gradient in
            let channels = parameters[0].count
            backward(
                own, of: examples, weightGradient: gradient[0..<channels],
                biasGradient: gradient[channels..<2 * channels])
        }
    }

    override func addClipped(_ examples: Range<Int>, _ patients: Patients) {
        kept.addClipped(examples, patients, to: gradients)
    }

    /// The kernel makes dx with the sums; where nobody wants it, it goes here.
    private lazy var discarded: Slot? = Slot(output.shape, layout: output.layout)
    override var backwardTemporaries: [Slot] {
        [inputGradients[0] == nil ? discarded : nil, kept.slot].compactMap(\.self)
    }
    override var readByClipping: [Slot] { [kept.slot] }
}
