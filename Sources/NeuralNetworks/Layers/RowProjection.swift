// SPDX-License-Identifier: Apache-2.0
// The linear map of rows that layers are put together from, forward, backward and by patient.

import Tensors

/// The tensors of one linear map.
struct ProjectionTensors {
    /// `[outputs, inputs]`.
    var weight: Floats
    /// `[outputs]`; nil: none.
    var bias: Floats?
    /// Where the gradients go; nil in inference, and where the map is frozen.
    var weightGradient: Floats?
    var biasGradient: Floats?
}

/// z = x·wᵀ + bias for rows, and what an adapter adds, with everything the backward direction needs.
///
/// Shapes: x `[rows, inputs]`, w `[outputs, inputs]`, bias `[outputs]`, z `[rows, outputs]`; there are `rowsPerExample`
/// rows for each of the examples that a call names.
final class RowProjection {
    let inputs: Int
    let outputs: Int
    private let rowsPerExample: Int
    private let tensors: ProjectionTensors
    private let adapter: AdapterBranch?
    private let forwardProduct: ProductFamily
    private let inputProduct: ProductFamily
    private let addingInputProduct: ProductFamily
    private let weightProduct: ProductFamily
    private let norm: OuterProductNorm
    /// w as bfloat16, read by two products.
    private let weightCopy = Bfloat16Copy()

    /// - Parameters:
    ///   - appliesReLU: Whether z = max(0, …) at the end.
    ///   - accumulates: Whether z += … instead of z = ….
    init(
        _ tensors: ProjectionTensors, inputs: Int, outputs: Int, rowsPerExample: Int, adapter: AdapterTensors? = nil,
        appliesReLU: Bool = false, accumulates: Bool = false, _ context: OperationContext
    ) {
        precondition(
            tensors.weight.count == outputs * inputs && tensors.bias?.count ?? outputs == outputs,
            "a weight of \(tensors.weight.count) for \(outputs) outputs")
        (self.inputs, self.outputs, self.rowsPerExample, self.tensors) = (inputs, outputs, rowsPerExample, tensors)
        let (scratch, kernels, precision) = (context.scratch, context.kernels, context.precision)
        self.adapter = adapter.map {
            AdapterBranch(
                $0, inputs: inputs, outputs: outputs, rowsPerExample: rowsPerExample, appliesReLU: appliesReLU, context)
        }
        // What is added last has the activation.
        let (hasBias, fusesReLU) = (tensors.bias != nil, appliesReLU && adapter == nil)
        forwardProduct = ProductFamily(scratch: scratch, kernels: kernels, precision: precision) { rows in
            var shape = ProductShape(m: rows, k: inputs, n: outputs)
            (shape.transposesB, shape.hasBias, shape.appliesReLU) = (true, hasBias, fusesReLU)
            shape.accumulates = accumulates
            return shape
        }
        func inputProduct(adds: Bool) -> ProductFamily {
            ProductFamily(scratch: scratch, kernels: kernels, precision: precision) { rows in
                var shape = ProductShape(m: rows, k: outputs, n: inputs)
                shape.accumulates = adds
                return shape
            }
        }
        (self.inputProduct, addingInputProduct) = (inputProduct(adds: false), inputProduct(adds: true))
        weightProduct = ProductFamily(scratch: scratch, kernels: kernels, precision: context.gradientPrecision) {
            rows in
            var shape = ProductShape(m: outputs, k: rows, n: inputs)
            (shape.transposesA, shape.accumulates) = (true, true)
            return shape
        }
        norm = OuterProductNorm(
            inputWidth: inputs, outputWidth: outputs, hasBias: hasBias, scratch: scratch, kernels: kernels)
    }

    /// Whether anything here has a gradient; else x and dz are not read after ``backwardInput(_:_:copy:into:adds:)``.
    var isTrained: Bool { adapter != nil || tensors.weightGradient != nil }
    /// To be listed under ``Operation/saved``.
    var saved: [Slot] { adapter.map { [$0.hidden] } ?? [] }
    /// To be listed under ``Operation/backwardTemporaries``.
    var backwardTemporaries: [Slot] { adapter.map { [$0.hiddenGradient] } ?? [] }
    /// To be listed under ``Operation/readByClipping``, beside x and dz.
    var readByClipping: [Slot] { saved + backwardTemporaries }
    var implementations: [String] {
        forwardProduct.implementations + inputProduct.implementations + addingInputProduct.implementations
            + weightProduct.implementations + norm.implementations + (adapter?.implementations ?? [])
    }

    /// Reads the parameters of a new step of training.
    func begin() {
        weightCopy.expire()
        adapter?.begin()
    }

    /// - Parameter copy: x as bfloat16, where several calls read it.
    func forward(_ x: Floats, _ examples: Range<Int>, copy: Bfloat16Copy? = nil, into z: Floats) {
        // z[r,o] = Σᵢ x[r,i]·w[o,i] + bias[o]
        forwardProduct(examples.count * rowsPerExample).run(
            x, tensors.weight, copies: (copy, weightCopy), bias: tensors.bias, into: z)
        adapter?.forward(x, examples, copy, into: z)
    }

    /// Writes dx where it is wanted, or adds to it; comes before the other steps of the backward direction.
    func backwardInput(
        _ dz: Floats, _ examples: Range<Int>, copy: Bfloat16Copy? = nil, into dx: Floats?, adds: Bool = false
    ) {
        if let dx {
            // z[r,o] = Σᵢ x[r,i]·w[o,i] + …: dx[r,i] = Σₒ dz[r,o]·w[o,i]
            (adds ? addingInputProduct : inputProduct)(examples.count * rowsPerExample).run(
                dz, tensors.weight, copies: (copy, weightCopy), into: dx)
        }
        adapter?.backward(dz, examples, copy, addingTo: dx)
    }

    func addGradients(
        _ x: Floats, _ dz: Floats, _ examples: Range<Int>,
        copies: (x: Bfloat16Copy?, dz: Bfloat16Copy?) = (nil, nil)
    ) {
        // z[r,o] = … + bias[o]: dbias[o] += Σᵣ dz[r,o]
        if let biasGradient = tensors.biasGradient { addColumnSums(of: dz, to: biasGradient) }
        if let weightGradient = tensors.weightGradient {
            // z[r,o] = Σᵢ x[r,i]·w[o,i] + …: dw[o,i] += Σᵣ dz[r,o]·x[r,i]
            weightProduct(examples.count * rowsPerExample).run(
                dz, x, copies: (copies.dz, copies.x), into: weightGradient)
        }
        adapter?.addGradients(x, dz, examples, copies: copies)
    }

    /// Adds ‖dw‖² + ‖dbias‖², where they are trained, and those of the adapter, of each patient within `examples`.
    func addSquaredNorms(_ x: Floats, _ dz: Floats, _ examples: Range<Int>, to patients: Patients) {
        adapter?.addSquaredNorms(x, dz, examples, to: patients)
        guard tensors.weightGradient != nil else { return }
        for patient in patients.within(examples) {
            let own = patients.examples[patient]
            let first = (own.lowerBound - examples.lowerBound) * rowsPerExample
            let rows = first..<first + own.count * rowsPerExample
            patients.add(
                norm(x.rows(rows, width: inputs), dz.rows(rows, width: outputs), rows: rows.count), to: patient)
        }
    }

    /// Adds Σ factor·gradient; scales `dz` by the factors, so that its copy is no longer good.
    func addClipped(
        _ x: Floats, _ dz: Floats, _ examples: Range<Int>, _ patients: Patients,
        copies: (x: Bfloat16Copy?, dz: Bfloat16Copy?) = (nil, nil)
    ) {
        guard isTrained else { return }
        patients.scale(dz, rowsPerExample: rowsPerExample, width: outputs, of: examples)
        copies.dz?.expire()
        adapter?.scale(examples, patients)
        addGradients(x, dz, examples, copies: copies)
    }
}
