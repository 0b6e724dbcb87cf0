// SPDX-License-Identifier: Apache-2.0
// Copies between the two orders of the rows of sequences, and the steps that exist.

import Tensors
import Testing

@Suite struct SequenceRowsTests {
    private static let (steps, examples) = (4, 3)

    private static func row(_ order: SequenceRows.Order, _ example: Int, _ step: Int) -> Int {
        order == .exampleMajor ? example * steps + step : step * examples + example
    }

    @Test func stepsExistBelowTheLength() {
        let lengths = [4, 0, 2]
        let live = LiveSteps(steps: 4, capacity: 6)
        live.mark(examples: 3) { lengths[$0] }
        #expect(!live.areAllLive && live.examples == 3)
        for (example, length) in lengths.enumerated() {
            #expect((0..<4).map { live.isLive(example, at: $0) } == (0..<4).map { $0 < length })
        }
        live.mark(examples: 5) { _ in 4 }
        #expect(live.areAllLive && live.examples == 5)
    }

    @Test(arguments: [[4, 4, 4], [4, 0, 2]], [SequenceRows.Order.exampleMajor, .timeMajor])
    func columnsAreCopiedBetweenOrders(lengths: [Int], order: SequenceRows.Order) {
        let live = LiveSteps(steps: Self.steps, capacity: 5)
        live.mark(examples: Self.examples) { lengths[$0] }
        let rows = Self.steps * Self.examples
        let source = seededFloats(rows * 5, "x")
        for target in [SequenceRows.Order.exampleMajor, .timeMajor] {
            let result = onFloats([source, [Float](repeating: 9, count: rows * 3)]) { v in
                SequenceRows(v[0], order, width: 5, columns: 3..<5)
                    .copy(to: SequenceRows(v[1], target, width: 3, columns: 1..<3), live)
            }[1]
            for example in 0..<Self.examples {
                for step in 0..<Self.steps {
                    let (from, to) = (Self.row(order, example, step) * 5, Self.row(target, example, step) * 3)
                    let isLive = step < lengths[example]
                    let expected = [9, isLive ? source[from + 3] : 0, isLive ? source[from + 4] : 0]
                    #expect(Array(result[to..<to + 3]) == expected, "sequence \(example), step \(step)")
                }
            }
        }
    }
}
