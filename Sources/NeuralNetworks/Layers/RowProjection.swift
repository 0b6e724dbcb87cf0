// SPDX-License-Identifier: Apache-2.0
// The linear map of rows that layers with several of them are put together from, forward, backward and by patient.

import Tensors

/// z = x·wᵀ + bias for rows, with everything the backward direction needs.
///
/// Shapes: x `[rows, inputs]`, w `[outputs, inputs]`, bias `[outputs]`, z `[rows, outputs]`.
final class RowProjection {
    let inputs: Int
    let outputs: Int
    private let weight: Floats
    private let bias: Floats
    /// Empty in inference.
    private let gradients: [Floats]
    private let forwardProduct: ProductFamily
    private let inputProduct: ProductFamily
    private let weightProduct: ProductFamily
    private let norm: OuterProductNorm
    /// w as bfloat16, read by two products.
    private let weightCopy = Bfloat16Copy()

    /// - Parameter gradients: Those of the weight and the bias; empty in inference.
    init(weight: Floats, bias: Floats, gradients: [Floats], _ context: OperationContext) {
        let (scratch, kernels, precision) = (context.scratch, context.kernels, context.precision)
        let (outputs, inputs) = (bias.count, weight.count / bias.count)
        precondition(weight.count == outputs * inputs, "a weight of \(weight.count) for \(outputs) outputs")
        (self.outputs, self.inputs) = (outputs, inputs)
        (self.weight, self.bias, self.gradients) = (weight, bias, gradients)
        forwardProduct = ProductFamily(scratch: scratch, kernels: kernels, precision: precision) { rows in
            var shape = ProductShape(m: rows, k: inputs, n: outputs)
            (shape.transposesB, shape.hasBias) = (true, true)
            return shape
        }
        inputProduct = ProductFamily(scratch: scratch, kernels: kernels, precision: precision) { rows in
            ProductShape(m: rows, k: outputs, n: inputs)
        }
        weightProduct = ProductFamily(scratch: scratch, kernels: kernels, precision: context.gradientPrecision) {
            rows in
            var shape = ProductShape(m: outputs, k: rows, n: inputs)
            (shape.transposesA, shape.accumulates) = (true, true)
            return shape
        }
        norm = OuterProductNorm(
            inputWidth: inputs, outputWidth: outputs, hasBias: true, scratch: scratch, kernels: kernels)
    }

    var implementations: [String] {
        forwardProduct.implementations + inputProduct.implementations + weightProduct.implementations
            + norm.implementations
    }

    /// Reads the parameters of a new step of training.
    func begin() { weightCopy.expire() }

    func forward(_ x: Floats, into z: Floats) {
        // z[r,o] = Σᵢ x[r,i]·w[o,i] + bias[o]
        forwardProduct(x.count / inputs).run(x, weight, copies: (nil, weightCopy), bias: bias, into: z)
    }

    func backwardInput(_ dz: Floats, into dx: Floats) {
        // z[r,o] = Σᵢ x[r,i]·w[o,i] + …: dx[r,i] = Σₒ dz[r,o]·w[o,i]
        inputProduct(dz.count / outputs).run(dz, weight, copies: (nil, weightCopy), into: dx)
    }

    func addGradients(_ x: Floats, _ dz: Floats) {
        guard gradients.count == 2 else { return }
        // z[r,o] = Σᵢ x[r,i]·w[o,i] + bias[o]: dw[o,i] += Σᵣ dz[r,o]·x[r,i], dbias[o] += Σᵣ dz[r,o]
        weightProduct(dz.count / outputs).run(dz, x, into: gradients[0])
        addColumnSums(of: dz, to: gradients[1])
    }

    /// Adds ‖dw‖² + ‖dbias‖² of each patient of a part of the share.
    ///
    /// Shapes: x and dz hold `rowsPerExample` rows for each example of the part.
    func addSquaredNorms(
        _ x: Floats, _ dz: Floats, rowsPerExample: Int, of part: Range<Int>, to patients: Patients
    ) {
        for patient in patients.within(part) {
            let own = patients.examples[patient]
            let first = (own.lowerBound - part.lowerBound) * rowsPerExample
            let rows = first..<first + own.count * rowsPerExample
            patients.add(
                norm(x.rows(rows, width: inputs), dz.rows(rows, width: outputs), rows: rows.count), to: patient)
        }
    }

    /// Adds Σ factor·gradient; scales `dz` by the factors.
    func addClipped(
        _ x: Floats, _ dz: Floats, rowsPerExample: Int, of part: Range<Int>, _ patients: Patients
    ) {
        patients.scale(dz, rowsPerExample: rowsPerExample, width: outputs, of: part)
        addGradients(x, dz)
    }
}
