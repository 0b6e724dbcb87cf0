// SPDX-License-Identifier: Apache-2.0
// One tensor of a model file: its name, type, shape and place.

/// How one element of a tensor is stored, little-endian.
package enum ElementType: String, CaseIterable, Sendable {
    case float32 = "F32"
    case float64 = "F64"
    case int32 = "I32"
    case int64 = "I64"

    /// Bytes per element.
    package var byteCount: Int {
        switch self {
        case .float32, .int32: 4
        case .float64, .int64: 8
        }
    }
}

/// One tensor of a file. The name is the file's own text: show it to nobody before the file is trusted.
package struct TensorEntry: Hashable, Sendable {
    package let name: String
    package let type: ElementType
    package let shape: [Int]
    /// The product of the shape, in elements; 1 for a scalar.
    package let count: Int
    /// Where the tensor begins, in bytes from the start of the data.
    package let byteOffset: Int

    /// Bytes the tensor takes.
    package var byteCount: Int { count * type.byteCount }
    /// Where the tensor begins, in elements of its type from the start of the data. In a ``ModelFile`` this is its
    /// place in the flat vector of parameters, in floats.
    package var offset: Int { byteOffset / type.byteCount }

    package init(name: String, type: ElementType = .float32, shape: [Int], count: Int, byteOffset: Int) {
        self.name = name
        self.type = type
        self.shape = shape
        self.count = count
        self.byteOffset = byteOffset
    }
}
