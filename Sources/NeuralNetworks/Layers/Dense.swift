// SPDX-License-Identifier: Apache-2.0
// The dense layer, forward and backward.

package import Tensors

/// y = f(x·wᵀ + bias) over the last dimension; what comes before it are more rows.
///
/// Shapes: x `[…, inputs]`, w `[units, inputs]`, bias `[units]`, y `[…, units]`.
package struct Dense: Layer {
    package static let kind = "dense"
    package var units: Int
    package var activation: ActivationFunction
    package var hasBias: Bool

    package init(_ units: Int, activation: ActivationFunction = .linear, bias: Bool = true) {
        self.units = units
        self.activation = activation
        hasBias = bias
    }

    package func outputShape(_ inputs: [Shape]) throws(ShapeError) -> Shape {
        let input = try single(inputs)
        guard !input.holdsTokens else { throw ShapeError("dense takes values, not tokens: embed them first") }
        guard units >= 1 else { throw ShapeError("dense has \(units) units: at least 1 is needed") }
        return Shape(input.sizes.dropLast() + [units])
    }

    package func parameters(_ inputs: [Shape]) -> [ParameterDeclaration] {
        let width = inputs[0].sizes.last ?? 1
        let weight = ParameterDeclaration(
            "weight", [units, width], ParameterDeclaration.glorot(inputs: width, outputs: units))
        return hasBias ? [weight, ParameterDeclaration("bias", [units], .zeros)] : [weight]
    }

    package func operations(_ inputs: [Shape]) -> Int { 2 * inputs[0].count * units }

    package func makeOperation(_ context: OperationContext) -> Operation { DenseOperation(self, context) }
}

private final class DenseOperation: Operation {
    private let activation: ActivationFunction
    private let units: Int
    private let rowsPerExample: Int
    private let weight: Floats
    private let bias: Floats?
    private let weightGradient: Floats?
    private let biasGradient: Floats?
    /// The pre-activation, where the activation's derivative is written with it; else nil.
    private let z: Slot?
    /// ∂loss/∂z, where it differs from ∂loss/∂y.
    private let dz: Slot?
    private let forwardProduct: ProductFamily
    private let inputProduct: ProductFamily
    private let weightProduct: ProductFamily
    private let norm: OuterProductNorm
    /// x, w and dz as bfloat16, each read by two products.
    private let (xCopy, weightCopy, dzCopy) = (Bfloat16Copy(), Bfloat16Copy(), Bfloat16Copy())

    init(_ layer: Dense, _ context: OperationContext) {
        activation = layer.activation
        units = layer.units
        let (units, width) = (layer.units, context.inputs[0].shape.sizes.last ?? 1)
        rowsPerExample = context.inputs[0].count / width
        weight = context.parameters[0]
        bias = layer.hasBias ? context.parameters[1] : nil
        weightGradient = context.gradients.first
        biasGradient = layer.hasBias && context.isTraining ? context.gradients[1] : nil
        let output = context.output(keepsLengths: true)
        z = context.isTraining && layer.activation.backwardReadsInput ? Slot(output.shape) : nil
        dz = context.isTraining && layer.activation != .linear ? Slot(output.shape) : nil
        let (hasBias, fusesReLU) = (layer.hasBias, layer.activation == .relu)
        let (scratch, kernels, precision) = (context.scratch, context.kernels, context.precision)
        forwardProduct = ProductFamily(scratch: scratch, kernels: kernels, precision: precision) { rows in
            var shape = ProductShape(m: rows, k: width, n: units)
            (shape.transposesB, shape.hasBias, shape.appliesReLU) = (true, hasBias, fusesReLU)
            return shape
        }
        inputProduct = ProductFamily(scratch: scratch, kernels: kernels, precision: precision) { rows in
            ProductShape(m: rows, k: units, n: width)
        }
        weightProduct = ProductFamily(scratch: scratch, kernels: kernels, precision: context.gradientPrecision) {
            rows in
            var shape = ProductShape(m: units, k: rows, n: width)
            (shape.transposesA, shape.accumulates) = (true, true)
            return shape
        }
        norm = OuterProductNorm(
            inputWidth: width, outputWidth: units, hasBias: hasBias, scratch: scratch, kernels: kernels)
        super.init(inputs: context.inputs, output: output)
    }

    override var readsInputs: Bool { true }
    override var readsOutput: Bool { dz != nil && z == nil }
    override var saved: [Slot] { z.map { [$0] } ?? [] }
    override var backwardTemporaries: [Slot] { dz.map { [$0] } ?? [] }
    override var implementations: [String] {
        forwardProduct.implementations + inputProduct.implementations + weightProduct.implementations
            + norm.implementations
    }
    override var readByClipping: [Slot] { [inputs[0], dz ?? outputGradient].compactMap(\.self) }

    override func begin(_ step: Step) { weightCopy.expire() }

    override func forward(_ examples: Range<Int>) {
        let (x, y) = (inputs[0].floats(examples), output.floats(examples))
        xCopy.begin(examples)
        let rows = examples.count * rowsPerExample
        let target = z?.floats(examples) ?? y
        // z[b,u] = Σᵢ x[b,i]·w[u,i] + bias[u]
        forwardProduct(rows).run(x, weight, copies: (xCopy, weightCopy), bias: bias, into: target)
        // y[b,u] = f(z[b,u]); ReLU is part of the product
        if activation != .linear, activation != .relu { activation.forward(target, into: y) }
    }

    override func backward(_ examples: Range<Int>) {
        let dz = preactivationGradient(examples)
        addGradients(dz, examples)
        backwardInput(dz, examples)
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

    private func addGradients(_ dz: Floats, _ examples: Range<Int>) {
        guard let weightGradient else { return }
        xCopy.resume(examples)
        // z[b,u] = … + bias[u]: dbias[u] += Σ_b dz[b,u]
        if let biasGradient { addColumnSums(of: dz, to: biasGradient) }
        // z[b,u] = Σᵢ x[b,i]·w[u,i] + …: dw[u,i] += Σ_b dz[b,u]·x[b,i]
        weightProduct(dz.count / units).run(
            dz, inputs[0].floats(examples), copies: (dzCopy, xCopy), into: weightGradient)
    }

    private func backwardInput(_ dz: Floats, _ examples: Range<Int>) {
        // z[b,u] = Σᵢ x[b,i]·w[u,i] + …: dx[b,i] = Σᵤ dz[b,u]·w[u,i]
        guard let dx = inputGradients[0] else { return }
        inputProduct(dz.count / units).run(dz, weight, copies: (dzCopy, weightCopy), into: dx.floats(examples))
    }

    override func backwardPrivately(_ examples: Range<Int>, _ patients: Patients) {
        let (x, dz) = (inputs[0].floats(examples), preactivationGradient(examples))
        let width = weight.count / units
        for patient in patients.within(examples) {
            let first = (patients.examples[patient].lowerBound - examples.lowerBound) * rowsPerExample
            let rows = first..<first + patients.examples[patient].count * rowsPerExample
            let square = norm(x.rows(rows, width: width), dz.rows(rows, width: units), rows: rows.count)
            patients.add(square, to: patient)
        }
        backwardInput(dz, examples)
    }

    override func addClipped(_ examples: Range<Int>, _ patients: Patients) {
        guard let dz = (dz ?? outputGradient)?.floats(examples) else { return }
        patients.scale(dz, rowsPerExample: rowsPerExample, width: units, of: examples)
        dzCopy.expire()
        addGradients(dz, examples)
    }
}
