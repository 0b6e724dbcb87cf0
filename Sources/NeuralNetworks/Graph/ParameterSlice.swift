// SPDX-License-Identifier: Apache-2.0
// Where a named tensor lies in the flat vector of a model's parameters.

/// One named tensor of a model inside the flat parameter vector.
///
/// Names and layouts are PyTorch's: `"0.weight"` has the shape `[units, inputs]`, `"0.bias"` the shape `[units]`; the
/// number is the layer's place in the specification.
package struct ParameterSlice: Hashable, Sendable {
    package let name: String
    package let shape: [Int]
    /// The first element, in floats.
    package let offset: Int
    /// The product of the shape, in floats.
    package let count: Int
    /// Whether training leaves the tensor as it is: every bit stays, and no gradient of it is taken.
    package let isFrozen: Bool

    package init(name: String, shape: [Int], offset: Int, isFrozen: Bool = false) {
        self.name = name
        self.shape = shape
        self.offset = offset
        self.count = shape.reduce(1, *)
        self.isFrozen = isFrozen
    }
}
