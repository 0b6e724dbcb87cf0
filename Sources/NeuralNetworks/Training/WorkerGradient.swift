// SPDX-License-Identifier: Apache-2.0
// One worker's flat gradient: what a step has touched of it, to be added up and zeroed again.

import Tensors

/// ∂loss/∂parameters over one worker's share, zero before each step.
final class WorkerGradient {
    private let buffer: FloatBuffer
    /// The tables of which a step touches some rows only, in the order of the flat vector.
    var tables: [TouchedTable] = []

    init(count: Int) { buffer = FloatBuffer(count: count) }

    var count: Int { buffer.count }
    var floats: Floats { buffer.floats }

    /// total += gradient within `part`.
    func add(to total: Floats, in part: Range<Int>) {
        forEachTouched(in: part) { range, _ in Tensors.add(floats[range], to: total[range]) }
    }

    /// Zeroes what the last step touched within `part`; also the rows of tables that it added to `total`.
    func clear(in part: Range<Int>, andRowsOf total: Floats? = nil) {
        forEachTouched(in: part) { range, isInTable in
            floats[range].fill(with: 0)
            if isInTable { total?[range].fill(with: 0) }
        }
    }

    private func forEachTouched(in part: Range<Int>, _ body: (Range<Int>, _ isInTable: Bool) -> Void) {
        var start = part.lowerBound
        for table in tables {
            let own = table.range.clamped(to: start..<max(start, part.upperBound))
            guard !own.isEmpty else { continue }
            if start < own.lowerBound { body(start..<own.lowerBound, false) }
            table.forEachTouched(in: own) { body($0, true) }
            start = own.upperBound
        }
        if start < part.upperBound { body(start..<part.upperBound, false) }
    }
}
