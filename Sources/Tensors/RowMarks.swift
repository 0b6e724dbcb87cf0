// SPDX-License-Identifier: Apache-2.0
// Which rows of a table were written, where clearing and adding up all of them would cost more than the writing.

/// A mark for each row of a table.
///
/// Threads may read the marks at once while nobody writes them.
@safe package final class RowMarks {
    package let rows: Int
    private let marks: UnsafeMutableBufferPointer<Bool>

    package init(rows: Int) {
        self.rows = rows
        unsafe marks = .allocate(capacity: rows)
        unsafe marks.initialize(repeating: false)
    }

    deinit { unsafe marks.deallocate() }

    package func removeAll() { unsafe marks.update(repeating: false) }

    /// Marks the rows of these tokens, except the padding token (−1: none).
    package func insert(_ tokens: Integers, padding: Int) {
        precondition(tokens.allLie(below: rows), "a token outside of \(rows) rows")
        for place in 0..<tokens.count {
            let token = Int(unsafe tokens.start[place])
            if token != padding { unsafe marks[token] = true }
        }
    }

    /// Calls `body` with each longest run of marked rows within `part`, in order.
    @inline(__always)
    package func forEachRun(in part: Range<Int>, _ body: (Range<Int>) -> Void) {
        precondition(part.lowerBound >= 0 && part.upperBound <= rows, "rows \(part) of \(rows)")
        var row = part.lowerBound
        while row < part.upperBound {
            guard unsafe marks[row] else {
                row += 1
                continue
            }
            let first = row
            while row < part.upperBound, unsafe marks[row] { row += 1 }
            body(first..<row)
        }
    }
}
