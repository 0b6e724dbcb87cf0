// SPDX-License-Identifier: Apache-2.0
// Gradients that are small enough to keep for every patient until they are clipped: private training.

import Tensors

/// One gradient of `count` values for each patient of a share, kept from the backward pass to clipping.
final class KeptGradients {
    /// To be listed under ``Operation/backwardTemporaries`` and ``Operation/readByClipping``.
    let slot: Slot

    init(count: Int) { slot = Slot(Shape([count])) }

    /// The gradient of one patient.
    func values(_ patient: Int) -> Floats { slot.floats(patient..<patient + 1) }

    /// Zeroes the gradient of each patient within `part`, lets `fill` add to it, and counts its square.
    func collect(_ part: Range<Int>, _ patients: Patients, _ fill: (_ examples: Range<Int>, Floats) -> Void) {
        for patient in patients.within(part) {
            let gradient = values(patient)
            gradient.fill(with: 0)
            fill(patients.examples[patient], gradient)
            patients.add(sumOfSquares(gradient), to: patient)
        }
    }

    /// Adds Σ factor·gradient to tensors whose values follow each other in the kept gradient.
    func addClipped(_ part: Range<Int>, _ patients: Patients, to tensors: [Floats]) {
        for patient in patients.within(part) where patients.factors[patient] != 0 {
            var start = 0
            let gradient = values(patient)
            for tensor in tensors {
                add(patients.factors[patient], times: gradient[start..<start + tensor.count], to: tensor)
                start += tensor.count
            }
        }
    }
}
