// SPDX-License-Identifier: Apache-2.0
// Tables of which a step touches some rows only, within the flat gradient of a worker.

import Tensors

/// A table whose gradient, of one worker, is zero outside the marked rows.
///
/// An embedding of 8 000 tokens has a gradient in a few hundred to a few thousand rows: only these are added up over the
/// workers and zeroed again, which gives the same bits as doing so with all.
struct TouchedTable {
    /// The first float of the table in the flat vector.
    let offset: Int
    /// Floats of a row.
    let width: Int
    /// Set in the backward direction, read until the next step begins.
    let marks: RowMarks

    var range: Range<Int> { offset..<offset + marks.rows * width }

    /// Calls `body` with the floats of each run of marked rows within `part`, both counted in the flat vector.
    func forEachTouched(in part: Range<Int>, _ body: (Range<Int>) -> Void) {
        let own = part.clamped(to: range)
        guard !own.isEmpty else { return }
        let rows = (own.lowerBound - offset) / width..<(own.upperBound - offset + width - 1) / width
        marks.forEachRun(in: rows) { run in
            body((offset + run.lowerBound * width..<offset + run.upperBound * width).clamped(to: own))
        }
    }
}
