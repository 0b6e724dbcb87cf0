// SPDX-License-Identifier: Apache-2.0
// What one step does with the gradient once the workers have added it up.

package import Tensors

/// How a step moves the parameters.
package struct StepUpdate {
    package var rate: Double
    /// Steps already taken with the optimiser's state.
    package var step: Int
    /// The largest norm of the whole gradient; nil: any.
    package var largestNorm: Double?
    /// FedProx's μ and the parameters it pulls towards.
    package var proximal: (mu: Float, reference: Floats)?
    /// SCAFFOLD's c − cᵢ.
    package var correction: Floats?
    /// Private training: each patient's bound, and the deviation of the noise added to the sum of the clipped gradients,
    /// which is then divided by `expectedPatients`.
    package var privacy: (bound: Double, noise: Double, expectedPatients: Double)?

    package init(rate: Double, step: Int) {
        self.rate = rate
        self.step = step
    }
}
