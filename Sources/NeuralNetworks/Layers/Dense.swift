// SPDX-License-Identifier: Apache-2.0
// The dense layer, forward and backward.

package import Tensors

/// y = f(x·wᵀ + bias) over the last dimension; what comes before it are more rows.
///
/// Shapes: x `[…, inputs]`, w `[units, inputs]`, bias `[units]`, y `[…, units]`. With an adapter w and bias are frozen.
package struct Dense: AdaptedLayer {
    package static let kind = "dense"
    package var units: Int
    package var activation: ActivationFunction
    package var hasBias: Bool
    package var adapter: Adapter?

    package init(
        _ units: Int, activation: ActivationFunction = .linear, bias: Bool = true, adapter: Adapter? = nil
    ) {
        self.units = units
        self.activation = activation
        hasBias = bias
        self.adapter = adapter
    }

    package func outputShape(_ inputs: [Shape]) throws(ShapeError) -> Shape {
        let input = try single(inputs)
        guard !input.holdsTokens else { throw ShapeError("dense takes values, not tokens: embed them first") }
        guard units >= 1 else { throw ShapeError("dense has \(units) units: at least 1 is needed") }
        try adapter?.check(inputs: Self.width(inputs), outputs: units)
        return Shape(input.sizes.dropLast() + [units])
    }

    private static func width(_ inputs: [Shape]) -> Int { inputs[0].sizes.last ?? 1 }

    package func parameters(_ inputs: [Shape]) -> [ParameterDeclaration] {
        let (width, isFrozen) = (Self.width(inputs), adapter != nil)
        let weight = ParameterDeclaration(
            "weight", [units, width], ParameterDeclaration.glorot(inputs: width, outputs: units), isFrozen: isFrozen)
        let bias = ParameterDeclaration("bias", [units], .zeros, isFrozen: isFrozen)
        return (hasBias ? [weight, bias] : [weight]) + (adapter?.declarations(inputs: width, outputs: units) ?? [])
    }

    package func adapters(_ inputs: [Shape]) -> [AdapterPlace] {
        guard let adapter else { return [] }
        let first = hasBias ? 2 : 1
        return [AdapterPlace(weight: 0, rows: 0..<units, down: first, up: first + 1, scale: adapter.scale)]
    }

    package var withoutAdapters: Dense {
        var plain = self
        plain.adapter = nil
        return plain
    }

    package func operations(_ inputs: [Shape]) -> Int {
        let width = Self.width(inputs)
        let rows = inputs[0].count / width
        return 2 * inputs[0].count * units
            + (adapter?.operations(rows: rows, inputs: width, outputs: units) ?? 0)
    }

    package func makeOperation(_ context: OperationContext) -> Operation { DenseOperation(self, context) }
}

private final class DenseOperation: Operation {
    private let activation: ActivationFunction
    private let projection: RowProjection
    /// The pre-activation, where the activation's derivative is written with it; else nil.
    private let z: Slot?
    /// ∂loss/∂z, where it differs from ∂loss/∂y.
    private let dz: Slot?
    /// x and dz as bfloat16, each read by two products or more.
    private let (xCopy, dzCopy) = (Bfloat16Copy(), Bfloat16Copy())

    init(_ layer: Dense, _ context: OperationContext) {
        activation = layer.activation
        let width = context.inputs[0].shape.sizes.last ?? 1
        let tensors = ProjectionTensors(
            weight: context.parameters[0], bias: layer.hasBias ? context.parameters[1] : nil,
            weightGradient: context.gradient(0), biasGradient: layer.hasBias ? context.gradient(1) : nil)
        projection = RowProjection(
            tensors, inputs: width, outputs: layer.units, rowsPerExample: context.inputs[0].count / width,
            adapter: layer.adapters(context.inputs.map(\.shape)).first.map { AdapterTensors($0, context) },
            appliesReLU: layer.activation == .relu, context)
        let output = context.output(keepsLengths: true)
        z = context.isTraining && layer.activation.backwardReadsInput ? Slot(output.shape) : nil
        dz = context.isTraining && layer.activation != .linear ? Slot(output.shape) : nil
        super.init(inputs: context.inputs, output: output)
    }

    override var readsInputs: Bool { projection.isTrained }
    override var readsOutput: Bool { dz != nil && z == nil }
    override var saved: [Slot] { projection.saved + (z.map { [$0] } ?? []) }
    override var backwardTemporaries: [Slot] { projection.backwardTemporaries + (dz.map { [$0] } ?? []) }
    override var implementations: [String] { projection.implementations }
    override var readByClipping: [Slot] {
        guard projection.isTrained else { return [] }
        return projection.readByClipping + [inputs[0], dz ?? outputGradient].compactMap(\.self)
    }

    override func begin(_ step: Step) { projection.begin() }

    override func forward(_ examples: Range<Int>) {
        let (x, y) = (inputs[0].floats(examples), output.floats(examples))
        xCopy.begin(examples)
        let target = z?.floats(examples) ?? y
        // z[b,u] = Σᵢ x[b,i]·w[u,i] + bias[u]
        projection.forward(x, examples, copy: xCopy, into: target)
        // y[b,u] = f(z[b,u]); ReLU is part of the product
        if activation != .linear, activation != .relu { activation.forward(target, into: y) }
    }

    override func backward(_ examples: Range<Int>) {
        let dz = backwardInput(examples)
        guard projection.isTrained else { return }
        xCopy.resume(examples)
        projection.addGradients(inputs[0].floats(examples), dz, examples, copies: (xCopy, dzCopy))
    }

    /// Returns dz and writes dx, where it is wanted.
    private func backwardInput(_ examples: Range<Int>) -> Floats {
        let dz = preactivationGradient(examples)
        projection.backwardInput(dz, examples, copy: dzCopy, into: inputGradients[0]?.floats(examples))
        return dz
    }

    /// y = f(z): dz[b,u] = dy[b,u]·f′(z[b,u]).
    private func preactivationGradient(_ examples: Range<Int>) -> Floats {
        guard let outputGradient else { preconditionFailure("backward without a gradient") }
        dzCopy.expire()
        let dy = outputGradient.floats(examples)
        guard let dz = self.dz?.floats(examples) else { return dy }
        activation.backward(z?.floats(examples) ?? output.floats(examples), gradient: dy, into: dz)
        return dz
    }

    override func backwardPrivately(_ examples: Range<Int>, _ patients: Patients) {
        let dz = backwardInput(examples)
        guard projection.isTrained else { return }
        projection.addSquaredNorms(inputs[0].floats(examples), dz, examples, to: patients)
    }

    override func addClipped(_ examples: Range<Int>, _ patients: Patients) {
        guard projection.isTrained, let dz = (dz ?? outputGradient)?.floats(examples) else { return }
        xCopy.resume(examples)
        projection.addClipped(
            inputs[0].floats(examples), dz, examples, patients, copies: (xCopy, dzCopy))
    }
}
