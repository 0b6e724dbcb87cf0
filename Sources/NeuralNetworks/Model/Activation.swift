// SPDX-License-Identifier: Apache-2.0
// The functions that a study may put behind a dense layer.

package import Tensors

/// The function applied to each output of a dense layer.
package enum Activation: String, CaseIterable, Sendable {
    case linear
    case relu
    case tanh
    case sigmoid

    package var function: ActivationFunction {
        switch self {
        case .linear: .linear
        case .relu: .relu
        case .tanh: .tanh
        case .sigmoid: .sigmoid
        }
    }
}
