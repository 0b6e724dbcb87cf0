// SPDX-License-Identifier: Apache-2.0
// The three matrix products of a dense layer, and the sums of rows and columns that go with its bias.

import Kernels

/// How a product is stored.
package enum ProductStorage: Sendable {
    /// c becomes the product.
    case overwriting
    /// The product is added to c.
    case accumulating
}

/// c = a · b: c[i,j] = Σₚ a[i,p]·b[p,j].
///
/// Shapes: a `[m, k]`, b `[k, n]`, c `[m, n]`; c overlaps neither. Every element is summed in the order of p, so row i
/// of c depends on row i of a alone, to the bit.
/// - Complexity: O(m·k·n), no allocation.
package func multiply(_ a: UnsafeMatrix, _ b: UnsafeMatrix, into c: UnsafeMutableMatrix, _ storage: ProductStorage) {
    unsafe precondition(a.columns == b.rows && a.rows == c.rows && b.columns == c.columns, "a·b: shapes disagree")
    unsafe consilium_matmul(
        c.rows, a.columns, c.columns, a.base, a.columns, 1, b.base, b.columns, 1, c.base, storage == .accumulating)
}

/// c = a · bᵀ: c[i,j] = Σₚ a[i,p]·b[j,p].
///
/// Shapes: a `[m, k]`, b `[n, k]`, c `[m, n]`; c overlaps neither. Order of sums as for `a · b`.
/// - Complexity: O(m·k·n), no allocation.
package func multiply(
    _ a: UnsafeMatrix, transposed b: UnsafeMatrix, into c: UnsafeMutableMatrix, _ storage: ProductStorage
) {
    unsafe precondition(a.columns == b.columns && a.rows == c.rows && b.rows == c.columns, "a·bᵀ: shapes disagree")
    unsafe consilium_matmul(
        c.rows, a.columns, c.columns, a.base, a.columns, 1, b.base, 1, b.columns, c.base, storage == .accumulating)
}

/// c = aᵀ · b: c[i,j] = Σₚ a[p,i]·b[p,j].
///
/// Shapes: a `[k, m]`, b `[k, n]`, c `[m, n]`; c overlaps neither. Order of sums as for `a · b`.
/// - Complexity: O(m·k·n), no allocation.
package func multiply(
    transposed a: UnsafeMatrix, _ b: UnsafeMatrix, into c: UnsafeMutableMatrix, _ storage: ProductStorage
) {
    unsafe precondition(a.rows == b.rows && a.columns == c.rows && b.columns == c.columns, "aᵀ·b: shapes disagree")
    unsafe consilium_matmul(
        c.rows, a.rows, c.columns, a.base, 1, a.columns, b.base, b.columns, 1, c.base, storage == .accumulating)
}

/// y[i,j] = bias[j].
///
/// Shapes: y `[m, n]`, bias `[n]`.
package func fillRows(of y: UnsafeMutableMatrix, with bias: UnsafeBufferPointer<Float>) {
    guard let source = bias.baseAddress, unsafe bias.count == y.columns else {
        preconditionFailure("a bias of \(bias.count) does not fit rows of \(unsafe y.columns)")
    }
    unsafe consilium_fill_rows(y.rows, y.columns, source, y.base)
}

/// sums[j] = Σᵢ x[i,j], in the order of i.
///
/// Shapes: x `[m, n]`, sums `[n]`, overwritten.
package func sumColumns(of x: UnsafeMatrix, into sums: UnsafeMutableBufferPointer<Float>) {
    guard let target = sums.baseAddress, unsafe sums.count == x.columns else {
        preconditionFailure("\(sums.count) sums do not fit rows of \(unsafe x.columns)")
    }
    unsafe consilium_column_sums(x.rows, x.columns, x.base, target)
}
