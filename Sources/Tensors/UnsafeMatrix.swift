// SPDX-License-Identifier: Apache-2.0
// Row-major views of float32 memory with a shape, which every kernel checks before it runs.

/// A row-major `[rows, columns]` view of floats somebody else owns; element (i, j) is at `base[i·columns + j]`.
///
/// The view is as safe as the pointer it was made from: it must not outlive the memory.
@unsafe package struct UnsafeMatrix {
    package let base: UnsafePointer<Float>
    package let rows: Int
    package let columns: Int

    package init(_ base: UnsafePointer<Float>, rows: Int, columns: Int) {
        unsafe self.base = base
        unsafe self.rows = rows
        unsafe self.columns = columns
    }

    /// Views `elements` as `[rows, columns]`.
    ///
    /// - Precondition: `elements.count == rows · columns`, and not zero.
    package init(_ elements: UnsafeBufferPointer<Float>, rows: Int, columns: Int) {
        guard let base = elements.baseAddress, elements.count == rows * columns else {
            preconditionFailure("\(elements.count) floats are not a [\(rows), \(columns)] matrix")
        }
        unsafe self.init(base, rows: rows, columns: columns)
    }
}

/// A row-major `[rows, columns]` view of floats that may be written.
@unsafe package struct UnsafeMutableMatrix {
    package let base: UnsafeMutablePointer<Float>
    package let rows: Int
    package let columns: Int

    package init(_ base: UnsafeMutablePointer<Float>, rows: Int, columns: Int) {
        unsafe self.base = base
        unsafe self.rows = rows
        unsafe self.columns = columns
    }

    /// Views `elements` as `[rows, columns]`.
    ///
    /// - Precondition: `elements.count == rows · columns`, and not zero.
    package init(_ elements: UnsafeMutableBufferPointer<Float>, rows: Int, columns: Int) {
        guard let base = elements.baseAddress, elements.count == rows * columns else {
            preconditionFailure("\(elements.count) floats are not a [\(rows), \(columns)] matrix")
        }
        unsafe self.init(base, rows: rows, columns: columns)
    }

    /// The same elements, for reading.
    package var readOnly: UnsafeMatrix { unsafe UnsafeMatrix(base, rows: rows, columns: columns) }

    /// The same elements as one vector of `rows · columns`.
    package var elements: UnsafeMutableBufferPointer<Float> {
        unsafe UnsafeMutableBufferPointer(start: base, count: rows * columns)
    }
}
