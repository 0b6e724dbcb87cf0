// SPDX-License-Identifier: Apache-2.0
// Attention of a sequence to itself or to a memory, with several heads, forward and backward.

import Tensors

/// y = (heads of softmax(q·kᵀ/√d)·v)·w_outᵀ + bias_out, with q, k, v = x·w_inᵀ + bias_in.
///
/// Shapes: x `[time, width]`, y `[time, width]`. With a second input, the memory `[steps, width]`, k and v come from it.
/// Parameters are those of torch.nn.MultiheadAttention: `in_proj_weight` `[3·width, width]` and `in_proj_bias` in the
/// order q, k, v, `out_proj.weight` `[width, width]`, `out_proj.bias`.
///
/// Keys behind the end of their sequence are not seen; an example without keys gives bias_out. Queries behind the end
/// are answered like the others.
/// Source: Vaswani et al. 2017, section 3.2 (arXiv:1706.03762).
package struct MultiHeadAttention: Layer {
    package static let kind = "multiHeadAttention"
    package var heads: Int
    /// Whether a step sees no later one.
    package var isCausal: Bool
    /// Whether q and k are turned by their places, so that a score depends on how far apart they are: ``RotaryTable``.
    package var isRotary: Bool
    /// The rate at which probabilities are dropped in training.
    package var dropout: Double

    package init(_ heads: Int, causal: Bool = false, rotary: Bool = false, dropout: Double = 0) {
        self.heads = heads
        isCausal = causal
        isRotary = rotary
        self.dropout = dropout
    }

    package func outputShape(_ inputs: [Shape]) throws(ShapeError) -> Shape {
        guard let input = inputs.first, inputs.count <= 2 else {
            throw ShapeError("\(Self.kind) takes the queries' input and at most one memory, not \(inputs.count) inputs")
        }
        for shape in inputs where shape.sizes.count != 2 || shape.holdsTokens {
            throw ShapeError("\(Self.kind) takes [time, features], not \(shape)")
        }
        let width = input.sizes[1]
        guard inputs.allSatisfy({ $0.sizes[1] == width }) else {
            throw ShapeError("\(Self.kind) takes a memory as wide as its input, \(width), not \(inputs[1])")
        }
        guard heads >= 1, width % heads == 0 else {
            throw ShapeError("\(heads) heads do not divide \(width) features")
        }
        guard !isRotary || width / heads % 2 == 0 else {
            throw ShapeError("rotary positions turn pairs: \(width / heads) features of a head must be even")
        }
        guard !isCausal || inputs.count == 1 else {
            throw ShapeError("causal attention takes one input: a memory has no places in the input's time")
        }
        guard dropout >= 0 && dropout < 1 else {
            throw ShapeError("\(Self.kind) has the dropout rate \(dropout): 0 ..< 1 is possible")
        }
        return input
    }

    package func parameters(_ inputs: [Shape]) -> [ParameterDeclaration] {
        let width = inputs[0].sizes[1]
        return [
            ParameterDeclaration(
                "in_proj_weight", [3 * width, width], ParameterDeclaration.glorot(inputs: width, outputs: 3 * width)),
            ParameterDeclaration("in_proj_bias", [3 * width], .zeros),
            ParameterDeclaration(
                "out_proj.weight", [width, width], ParameterDeclaration.glorot(inputs: width, outputs: width)),
            ParameterDeclaration("out_proj.bias", [width], .zeros),
        ]
    }

    package func operations(_ inputs: [Shape]) -> Int {
        let (queries, keys, width) = (inputs[0].sizes[0], inputs[inputs.count - 1].sizes[0], inputs[0].sizes[1])
        return 4 * (queries + keys) * width * width + 4 * queries * keys * width
    }

    /// The most steps, of queries or keys, for which training keeps every example's probabilities, `[queries, keys]` for
    /// each head. With more, backward computes them again from q and k, one product beside the six of a step, and
    /// what is kept grows with the steps and not with their square: at 1024 steps and 4 heads 16 MiB less per example.
    package static let mostKeptSteps = 512

    package func makeOperation(_ context: OperationContext) -> Operation { AttentionOperation(self, context) }
}

private final class AttentionOperation: Operation {
    private let width: Int
    private let headCount: Int
    /// x to q, k, v; with a memory, x to q and the memory to k, v.
    private let inProjections: [RowProjection]
    private let outProjection: RowProjection
    private let heads: AttentionHeads
    private let rotary: RotaryTable?
    /// What each in-projection gives, `[steps, outputs]`, and its gradient.
    private let projected: [Slot]
    private let projectedGradients: [Slot]
    /// The probabilities, where training keeps them for backward.
    private let keptProbabilities: Slot?
    /// Those of one example, in inference and where backward computes them again.
    private let passingProbabilities: FloatBuffer
    /// What the heads give, side by side, and its gradient.
    private let attended: Slot
    private let attendedGradient: Slot
    private let dropoutRate: Double
    private let node: Int
    private var mask = DropoutMask(rate: 0, key: 0)
    private var firstExample = 0

    init(_ layer: MultiHeadAttention, _ context: OperationContext) {
        let (queries, width) = (context.outputShape.sizes[0], context.outputShape.sizes[1])
        let keys = context.inputs[context.inputs.count - 1].shape.sizes[0]
        let (parameters, gradients) = (context.parameters, context.gradients)
        (self.width, headCount) = (width, layer.heads)
        let parts = context.inputs.count == 1 ? [0..<3 * width] : [0..<width, width..<3 * width]
        inProjections = parts.map { rows in
            RowProjection(
                weight: parameters[0].rows(rows, width: width), bias: parameters[1][rows],
                gradients: context.isTraining ? [gradients[0].rows(rows, width: width), gradients[1][rows]] : [],
                context)
        }
        outProjection = RowProjection(
            weight: parameters[2], bias: parameters[3], gradients: Array(gradients.dropFirst(2)), context)
        dropoutRate = context.isTraining ? layer.dropout : 0
        node = context.node
        let headWidth = width / layer.heads
        heads = AttentionHeads(
            AttentionHeads.Sizes(
                heads: layer.heads, headWidth: headWidth, queries: queries, keys: keys,
                queryStride: parts[0].count, keyStride: parts[parts.count - 1].count),
            isCausal: layer.isCausal, dropsOut: dropoutRate > 0, context)
        rotary = layer.isRotary ? RotaryTable(steps: max(queries, keys), width: headWidth) : nil
        func slots() -> [Slot] {
            zip(context.inputs, parts).map { Slot(Shape([$0.shape.sizes[0], $1.count])) }
        }
        (projected, projectedGradients) = (slots(), slots())
        let isKept = context.isTraining && max(queries, keys) <= context.mostKeptSteps
        keptProbabilities = isKept ? Slot(Shape([layer.heads, queries, keys])) : nil
        passingProbabilities = FloatBuffer(count: isKept ? 0 : heads.probabilityCount)
        attended = Slot(context.outputShape)
        attendedGradient = Slot(context.outputShape)
        super.init(inputs: context.inputs, output: context.output(keepsLengths: true))
    }

    override var readsInputs: Bool { true }
    override var saved: [Slot] { projected + [attended] + (keptProbabilities.map { [$0] } ?? []) }
    override var backwardTemporaries: [Slot] { projectedGradients + [attendedGradient] }
    override var readByClipping: [Slot] {
        inputs + projectedGradients + [attended] + (outputGradient.map { [$0] } ?? [])
    }
    override var implementations: [String] {
        inProjections.flatMap(\.implementations) + heads.implementations + outProjection.implementations
    }

    override func begin(_ step: Step) {
        mask = step.dropoutMask(rate: dropoutRate, node: node)
        firstExample = step.firstExample
        for projection in inProjections { projection.begin() }
        outProjection.begin()
    }

    override func forward(_ examples: Range<Int>) {
        for (place, projection) in inProjections.enumerated() {
            // q, k, v = x·w_inᵀ + bias_in
            projection.forward(inputs[place].floats(examples), into: projected[place].floats(examples))
        }
        for example in examples {
            let one = example..<example + 1
            let (q, k, v) = headRows(projected, one, of: examples)
            rotary?.turn(q.values, stride: q.stride, heads: headCount)
            rotary?.turn(k.values, stride: k.stride, heads: headCount)
            let probabilities = keptProbabilities?.values(one, of: examples) ?? passingProbabilities.floats
            heads.attend(q, k, length: keyCount(of: example), into: probabilities)
            heads.gather(
                v, dropout: dropout(of: example), probabilities: probabilities,
                into: attended.values(one, of: examples))
        }
        // y = c·w_outᵀ + bias_out
        outProjection.forward(attended.floats(examples), into: output.floats(examples))
    }

    override func backward(_ examples: Range<Int>) {
        backpropagate(examples)
        guard let outputGradient else { return }
        outProjection.addGradients(attended.floats(examples), outputGradient.floats(examples))
        for (place, projection) in inProjections.enumerated() {
            projection.addGradients(inputs[place].floats(examples), projectedGradients[place].floats(examples))
        }
    }

    override func backwardPrivately(_ examples: Range<Int>, _ patients: Patients) {
        backpropagate(examples)
        guard let outputGradient else { return }
        outProjection.addSquaredNorms(
            attended.floats(examples), outputGradient.floats(examples), rowsPerExample: output.shape.sizes[0],
            of: examples, to: patients)
        for (place, projection) in inProjections.enumerated() {
            projection.addSquaredNorms(
                inputs[place].floats(examples), projectedGradients[place].floats(examples),
                rowsPerExample: inputs[place].shape.sizes[0], of: examples, to: patients)
        }
    }

    override func addClipped(_ examples: Range<Int>, _ patients: Patients) {
        guard let outputGradient else { return }
        outProjection.addClipped(
            attended.floats(examples), outputGradient.floats(examples), rowsPerExample: output.shape.sizes[0],
            of: examples, patients)
        for (place, projection) in inProjections.enumerated() {
            projection.addClipped(
                inputs[place].floats(examples), projectedGradients[place].floats(examples),
                rowsPerExample: inputs[place].shape.sizes[0], of: examples, patients)
        }
    }

    /// Writes the gradients of c, of q, k, v, and the wanted ones of the inputs.
    private func backpropagate(_ examples: Range<Int>) {
        guard let outputGradient else { return }
        // y = c·w_outᵀ + bias_out: dc = dy·w_out
        outProjection.backwardInput(outputGradient.floats(examples), into: attendedGradient.floats(examples))
        for example in examples {
            let one = example..<example + 1
            // q and k are those that were turned
            let (q, k, v) = headRows(projected, one, of: examples)
            let (dq, dk, dv) = headRows(projectedGradients, one, of: examples)
            let probabilities = keptProbabilities?.values(one, of: examples) ?? passingProbabilities.floats
            if keptProbabilities == nil { heads.attend(q, k, length: keyCount(of: example), into: probabilities) }
            heads.backward(
                q, k, v, dropout: dropout(of: example), probabilities: probabilities,
                gradient: attendedGradient.values(one, of: examples), into: dq, dk, dv)
            // turned by an angle: the gradient is turned back
            rotary?.turnBack(dq.values, stride: dq.stride, heads: headCount)
            rotary?.turnBack(dk.values, stride: dk.stride, heads: headCount)
        }
        for (place, projection) in inProjections.enumerated() {
            // q, k, v = x·w_inᵀ + bias_in: dx = (dq, dk, dv)·w_in
            guard let dx = inputGradients[place] else { continue }
            projection.backwardInput(projectedGradients[place].floats(examples), into: dx.floats(examples))
        }
    }

    /// q, k and v of one example: columns of what the in-projections give.
    private func headRows(
        _ slots: [Slot], _ one: Range<Int>, of part: Range<Int>
    ) -> (q: HeadRows, k: HeadRows, v: HeadRows) {
        let (first, last) = (slots[0].values(one, of: part), slots[slots.count - 1].values(one, of: part))
        let (queryStride, keyStride) = (inProjections[0].outputs, inProjections[inProjections.count - 1].outputs)
        // v are the last columns, k those before.
        func columns(from start: Int) -> HeadRows { HeadRows(values: last[start..<last.count], stride: keyStride) }
        return (
            HeadRows(values: first, stride: queryStride), columns(from: keyStride - 2 * width),
            columns(from: keyStride - width)
        )
    }

    /// The keys that exist; all without lengths.
    private func keyCount(of example: Int) -> Int {
        let slot = inputs[inputs.count - 1]
        return slot.lengths?[example] ?? slot.shape.sizes[0]
    }

    private func dropout(of example: Int) -> ExampleDropout? {
        guard dropoutRate > 0 else { return nil }
        return ExampleDropout(mask: mask, firstElement: (firstExample + example) * heads.probabilityCount)
    }
}
