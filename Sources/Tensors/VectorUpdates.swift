// SPDX-License-Identifier: Apache-2.0
// Updates of a whole vector of parameters: sums and products.

import Kernels

/// y[i] += a·x[i].
///
/// Shapes: x and y `[n]`.
package func add(_ a: Float, times x: UnsafeBufferPointer<Float>, to y: UnsafeMutableBufferPointer<Float>) {
    precondition(x.count == y.count, "y += a·x: shapes disagree")
    guard let source = x.baseAddress, let target = y.baseAddress else { return }
    unsafe consilium_axpy(y.count, a, source, target)
}

/// y[i] += a·(x[i] − z[i]), the pull of a proximal term.
///
/// Shapes: x, z and y `[n]`.
package func add(
    _ a: Float, timesDifferenceOf x: UnsafeBufferPointer<Float>, and z: UnsafeBufferPointer<Float>,
    to y: UnsafeMutableBufferPointer<Float>
) {
    precondition(x.count == y.count && z.count == y.count, "y += a·(x − z): shapes disagree")
    guard let first = x.baseAddress, let second = z.baseAddress, let target = y.baseAddress else { return }
    unsafe consilium_axpy_difference(y.count, a, first, second, target)
}

/// Whether every x[i] is neither infinite nor NaN.
package func allFinite(_ x: UnsafeBufferPointer<Float>) -> Bool {
    guard let source = x.baseAddress else { return true }
    return unsafe consilium_all_finite(x.count, source)
}

/// y[i,j] *= x[i,j].
///
/// Shapes: x and y `[m, n]`.
package func scale(_ y: UnsafeMutableMatrix, byElementsOf x: UnsafeMatrix) {
    unsafe precondition(x.rows == y.rows && x.columns == y.columns, "y *= x: shapes disagree")
    unsafe consilium_multiply(y.rows * y.columns, x.base, y.base)
}
