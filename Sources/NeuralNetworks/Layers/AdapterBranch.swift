// SPDX-License-Identifier: Apache-2.0
// What an adapter adds to a linear map of rows, forward, backward and by patient.

import Tensors

/// The tensors of an adapter, with their gradients in training.
struct AdapterTensors {
    /// `[rank, inputs]` and `[outputs, rank]`.
    var down: ProjectionTensors
    var up: ProjectionTensors
    var scale: Float

    init(_ place: AdapterPlace, _ context: OperationContext) {
        func tensors(_ parameter: Int) -> ProjectionTensors {
            ProjectionTensors(weight: context.parameters[parameter], weightGradient: context.gradient(parameter))
        }
        (down, up, scale) = (tensors(place.down), tensors(place.up), place.scale)
    }
}

/// z += h·upᵀ with h = scale·x·downᵀ.
///
/// Shapes: x `[rows, inputs]`, down `[rank, inputs]`, h `[rows, rank]`, up `[outputs, rank]`, z `[rows, outputs]`.
/// Source: Hu et al. 2021, equation 3 (arXiv:2106.09685).
final class AdapterBranch {
    private let down: RowProjection
    private let up: RowProjection
    private let scale: Float
    /// h, which forward leaves for backward, and ∂loss/∂(x·downᵀ).
    let hidden: Slot
    let hiddenGradient: Slot

    init(
        _ tensors: AdapterTensors, inputs: Int, outputs: Int, rowsPerExample: Int, appliesReLU: Bool,
        _ context: OperationContext
    ) {
        let rank = tensors.down.weight.count / inputs
        scale = tensors.scale
        hidden = Slot(Shape([rowsPerExample, rank]))
        hiddenGradient = Slot(Shape([rowsPerExample, rank]))
        down = RowProjection(
            tensors.down, inputs: inputs, outputs: rank, rowsPerExample: rowsPerExample, context)
        up = RowProjection(
            tensors.up, inputs: rank, outputs: outputs, rowsPerExample: rowsPerExample, appliesReLU: appliesReLU,
            accumulates: true, context)
    }

    var implementations: [String] { down.implementations + up.implementations }

    func begin() {
        down.begin()
        up.begin()
    }

    func forward(_ x: Floats, _ examples: Range<Int>, _ copy: Bfloat16Copy?, into z: Floats) {
        let h = hidden.floats(examples)
        // h[r,k] = scale·Σᵢ x[r,i]·down[k,i]
        down.forward(x, examples, copy: copy, into: h)
        h.scale(by: scale)
        // z[r,o] += Σₖ h[r,k]·up[o,k]
        up.forward(h, examples, into: z)
    }

    /// Writes the gradient of x·downᵀ, which the other steps read, and adds to that of x.
    func backward(_ dz: Floats, _ examples: Range<Int>, _ copy: Bfloat16Copy?, addingTo dx: Floats?) {
        let dh = hiddenGradient.floats(examples)
        // z[r,o] = … + Σₖ h[r,k]·up[o,k], h = scale·x·downᵀ: d(x·downᵀ)[r,k] = scale·Σₒ dz[r,o]·up[o,k]
        up.backwardInput(dz, examples, copy: copy, into: dh)
        dh.scale(by: scale)
        // (x·downᵀ)[r,k] = Σᵢ x[r,i]·down[k,i]: dx[r,i] += Σₖ d(x·downᵀ)[r,k]·down[k,i]
        down.backwardInput(dh, examples, into: dx, adds: true)
    }

    func addGradients(
        _ x: Floats, _ dz: Floats, _ examples: Range<Int>, copies: (x: Bfloat16Copy?, dz: Bfloat16Copy?)
    ) {
        // dup[o,k] += Σᵣ dz[r,o]·h[r,k], ddown[k,i] += Σᵣ d(x·downᵀ)[r,k]·x[r,i]
        up.addGradients(hidden.floats(examples), dz, examples, copies: (nil, copies.dz))
        down.addGradients(x, hiddenGradient.floats(examples), examples, copies: (copies.x, nil))
    }

    func addSquaredNorms(_ x: Floats, _ dz: Floats, _ examples: Range<Int>, to patients: Patients) {
        up.addSquaredNorms(hidden.floats(examples), dz, examples, to: patients)
        down.addSquaredNorms(x, hiddenGradient.floats(examples), examples, to: patients)
    }

    /// Scales the rows of the patients in d(x·downᵀ), which is linear in dz.
    func scale(_ examples: Range<Int>, _ patients: Patients) {
        patients.scale(
            hiddenGradient.floats(examples), rowsPerExample: hidden.shape.sizes[0], width: hidden.shape.sizes[1],
            of: examples)
    }
}
