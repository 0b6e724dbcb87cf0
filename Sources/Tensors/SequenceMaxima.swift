// SPDX-License-Identifier: Apache-2.0
// The largest value of each feature over the steps of one sequence.

/// Maxima of the columns of rows x `[steps, width]`.
package enum SequenceMaxima {
    /// y[j] = the largest x[t,j]; NaN where one is.
    ///
    /// - Precondition: There is at least one row of y's length.
    package static func forward(_ x: Floats, into y: Floats) {
        let width = y.count
        precondition(width > 0 && x.count >= width && x.count % width == 0, "maxima: shapes disagree")
        unsafe y.start.update(from: x.start, count: width)
        for step in 1..<max(x.count / width, 1) {
            let row = unsafe x.start + step * width
            for column in 0..<width {
                let (value, largest) = unsafe (row[column], y.start[column])
                unsafe y.start[column] = value > largest || value.isNaN ? value : largest
            }
        }
    }

    /// dx[t,j] = dy[j] at the first t whose value is y[j], 0 elsewhere.
    package static func backward(_ x: Floats, maxima y: Floats, gradient dy: Floats, into dx: Floats) {
        let width = y.count
        precondition(
            width > 0 && x.count % width == 0 && dy.count == width && dx.count == x.count, "maxima: shapes disagree")
        dx.fill(with: 0)
        for column in 0..<width {
            let largest = unsafe y.start[column]
            for place in stride(from: column, to: x.count, by: width) {
                let value = unsafe x.start[place]
                guard value == largest || value.isNaN && largest.isNaN else { continue }
                unsafe dx.start[place] = dy.start[column]
                break
            }
        }
    }
}
