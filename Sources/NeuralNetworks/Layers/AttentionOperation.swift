// SPDX-License-Identifier: Apache-2.0
// Attention compiled for one worker, forward, backward and by patient.

import Tensors

/// One product that gives q, k, v, or several of them side by side.
private struct InProjection {
    let map: RowProjection
    /// The input that it reads.
    let source: Int
    /// Whether one before it reads the same input, so that it adds to the input's gradient.
    let isFurther: Bool
    /// Which rows of the weight.
    let rows: Range<Int>
    /// What it gives, `[steps, outputs]`, and its gradient.
    let values: Slot
    let gradient: Slot

    /// Without adapters, x to q, k, v; with a memory, x to q and the memory to k, v. With adapters, which have one gradient
    /// for each of q, k and v, these are apart.
    static func all(_ layer: MultiHeadAttention, _ context: OperationContext) -> [InProjection] {
        let (shapes, width) = (context.inputs.map(\.shape), context.outputShape.sizes[1])
        let isSelf = shapes.count == 1
        let plain = isSelf ? [0..<3 * width] : [0..<width, width..<3 * width]
        let apart = (0..<3).map { $0 * width..<($0 + 1) * width }
        let places = layer.adapters(shapes).filter { $0.weight == 0 }
        let parts = layer.adapter == nil ? plain : apart
        return parts.enumerated().map { place, rows in
            let source = isSelf || place == 0 ? 0 : 1
            let tensors = ProjectionTensors(
                weight: context.parameters[0].rows(rows, width: width), bias: context.parameters[1][rows],
                weightGradient: context.gradient(0)?.rows(rows, width: width), biasGradient: context.gradient(1)?[rows])
            let shape = Shape([shapes[source].sizes[0], rows.count])
            let map = RowProjection(
                tensors, inputs: width, outputs: rows.count, rowsPerExample: shape.sizes[0],
                adapter: places.first { $0.rows == rows }.map { AdapterTensors($0, context) }, context)
            return InProjection(
                map: map, source: source, isFurther: place > (isSelf ? 0 : 1), rows: rows, values: Slot(shape),
                gradient: Slot(shape))
        }
    }
}

final class AttentionOperation: Operation {
    private let headCount: Int
    private let inProjections: [InProjection]
    /// For each of q, k and v, which of the in-projections gives it, and from which column on.
    private let (queryPlace, keyPlace, valuePlace): (HeadPlace, HeadPlace, HeadPlace)
    private let outProjection: RowProjection
    private let heads: AttentionHeads
    private let rotary: RotaryTable?
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

    private typealias HeadPlace = (projection: Int, column: Int)

    init(_ layer: MultiHeadAttention, _ context: OperationContext) {
        let (queries, width) = (context.outputShape.sizes[0], context.outputShape.sizes[1])
        let (shapes, parameters) = (context.inputs.map(\.shape), context.parameters)
        let keys = shapes[shapes.count - 1].sizes[0]
        headCount = layer.heads
        let projections = InProjection.all(layer, context)
        inProjections = projections
        func place(_ row: Int) -> HeadPlace {
            let index = projections.firstIndex { $0.rows.contains(row) } ?? 0
            return (index, row - projections[index].rows.lowerBound)
        }
        (queryPlace, keyPlace, valuePlace) = (place(0), place(width), place(2 * width))
        outProjection = RowProjection(
            ProjectionTensors(
                weight: parameters[2], bias: parameters[3], weightGradient: context.gradient(2),
                biasGradient: context.gradient(3)),
            inputs: width, outputs: width, rowsPerExample: queries,
            adapter: layer.adapters(shapes).first { $0.weight == 2 }.map { AdapterTensors($0, context) }, context)
        dropoutRate = context.isTraining ? layer.dropout : 0
        node = context.node
        let headWidth = width / layer.heads
        heads = AttentionHeads(
            AttentionHeads.Sizes(
                heads: layer.heads, headWidth: headWidth, queries: queries, keys: keys,
                queryStride: projections[0].rows.count, keyStride: projections[projections.count - 1].rows.count),
            isCausal: layer.isCausal, dropsOut: dropoutRate > 0, context)
        rotary = layer.isRotary ? RotaryTable(steps: max(queries, keys), width: headWidth) : nil
        let isKept = context.isTraining && max(queries, keys) <= context.mostKeptSteps
        keptProbabilities = isKept ? Slot(Shape([layer.heads, queries, keys])) : nil
        passingProbabilities = FloatBuffer(count: isKept ? 0 : heads.probabilityCount)
        attended = Slot(context.outputShape)
        attendedGradient = Slot(context.outputShape)
        super.init(inputs: context.inputs, output: context.output(keepsLengths: true))
    }

    override var readsInputs: Bool { inProjections.contains { $0.map.isTrained } }
    override var saved: [Slot] {
        inProjections.map(\.values) + inProjections.flatMap(\.map.saved) + outProjection.saved + [attended]
            + (keptProbabilities.map { [$0] } ?? [])
    }
    override var backwardTemporaries: [Slot] {
        inProjections.map(\.gradient) + inProjections.flatMap(\.map.backwardTemporaries)
            + outProjection.backwardTemporaries + [attendedGradient]
    }
    override var readByClipping: [Slot] {
        let own = inProjections.filter(\.map.isTrained).flatMap { projection in
            [inputs[projection.source], projection.gradient] + projection.map.readByClipping
        }
        guard outProjection.isTrained else { return own }
        return own + outProjection.readByClipping + [attended] + (outputGradient.map { [$0] } ?? [])
    }
    override var implementations: [String] {
        inProjections.flatMap(\.map.implementations) + heads.implementations + outProjection.implementations
    }

    override func begin(_ step: Step) {
        mask = step.dropoutMask(rate: dropoutRate, node: node)
        firstExample = step.firstExample
        for projection in inProjections { projection.map.begin() }
        outProjection.begin()
    }

    override func forward(_ examples: Range<Int>) {
        for projection in inProjections {
            // q, k, v = x·w_inᵀ + bias_in
            projection.map.forward(
                inputs[projection.source].floats(examples), examples, into: projection.values.floats(examples))
        }
        for example in examples {
            let one = example..<example + 1
            let (q, k, v) = headRows(one, of: examples) { $0.values }
            rotary?.turn(q.values, stride: q.stride, heads: headCount)
            rotary?.turn(k.values, stride: k.stride, heads: headCount)
            let probabilities = keptProbabilities?.values(one, of: examples) ?? passingProbabilities.floats
            heads.attend(q, k, length: keyCount(of: example), into: probabilities)
            heads.gather(
                v, dropout: dropout(of: example), probabilities: probabilities,
                into: attended.values(one, of: examples))
        }
        // y = c·w_outᵀ + bias_out
        outProjection.forward(attended.floats(examples), examples, into: output.floats(examples))
    }

    override func backward(_ examples: Range<Int>) {
        backpropagate(examples)
        guard let outputGradient else { return }
        outProjection.addGradients(attended.floats(examples), outputGradient.floats(examples), examples)
        for projection in inProjections where projection.map.isTrained {
            projection.map.addGradients(
                inputs[projection.source].floats(examples), projection.gradient.floats(examples), examples)
        }
    }

    override func backwardPrivately(_ examples: Range<Int>, _ patients: Patients) {
        backpropagate(examples)
        guard let outputGradient else { return }
        outProjection.addSquaredNorms(
            attended.floats(examples), outputGradient.floats(examples), examples, to: patients)
        for projection in inProjections where projection.map.isTrained {
            projection.map.addSquaredNorms(
                inputs[projection.source].floats(examples), projection.gradient.floats(examples), examples,
                to: patients)
        }
    }

    override func addClipped(_ examples: Range<Int>, _ patients: Patients) {
        guard let outputGradient else { return }
        if outProjection.isTrained {
            outProjection.addClipped(
                attended.floats(examples), outputGradient.floats(examples), examples, patients)
        }
        for projection in inProjections where projection.map.isTrained {
            projection.map.addClipped(
                inputs[projection.source].floats(examples), projection.gradient.floats(examples), examples, patients)
        }
    }

    /// Writes the gradients of c, of q, k, v, and the wanted ones of the inputs.
    private func backpropagate(_ examples: Range<Int>) {
        guard let outputGradient else { return }
        // y = c·w_outᵀ + bias_out: dc = dy·w_out
        outProjection.backwardInput(
            outputGradient.floats(examples), examples, into: attendedGradient.floats(examples))
        for example in examples {
            let one = example..<example + 1
            // q and k are those that were turned
            let (q, k, v) = headRows(one, of: examples) { $0.values }
            let (dq, dk, dv) = headRows(one, of: examples) { $0.gradient }
            let probabilities = keptProbabilities?.values(one, of: examples) ?? passingProbabilities.floats
            if keptProbabilities == nil { heads.attend(q, k, length: keyCount(of: example), into: probabilities) }
            heads.backward(
                q, k, v, dropout: dropout(of: example), probabilities: probabilities,
                gradient: attendedGradient.values(one, of: examples), into: dq, dk, dv)
            // turned by an angle: the gradient is turned back
            rotary?.turnBack(dq.values, stride: dq.stride, heads: headCount)
            rotary?.turnBack(dk.values, stride: dk.stride, heads: headCount)
        }
        for projection in inProjections {
            // q, k, v = x·w_inᵀ + bias_in: dx = (dq, dk, dv)·w_in
            projection.map.backwardInput(
                projection.gradient.floats(examples), examples,
                into: inputGradients[projection.source]?.floats(examples), adds: projection.isFurther)
        }
    }

    /// q, k and v of one example, or their gradients: columns of what the in-projections give.
    private func headRows(
        _ one: Range<Int>, of part: Range<Int>, _ slot: (InProjection) -> Slot
    ) -> (q: HeadRows, k: HeadRows, v: HeadRows) {
        func rows(_ place: HeadPlace) -> HeadRows {
            let projection = inProjections[place.projection]
            let values = slot(projection).values(one, of: part)
            return HeadRows(values: values[place.column..<values.count], stride: projection.rows.count)
        }
        return (rows(queryPlace), rows(keyPlace), rows(valuePlace))
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
