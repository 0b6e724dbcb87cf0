// SPDX-License-Identifier: Apache-2.0
// Waits grow, stay below their bound, and start over.

import PeerTransport
import Testing

@Suite struct BackoffTests {
    /// Draws the ends of the range: all bits clear or set.
    private struct Constant: RandomNumberGenerator {
        var value: UInt64
        func next() -> UInt64 { value }
    }

    @Test func ceilingsDoubleUntilTheMaximum() {
        var backoff = Backoff(initial: .seconds(1), maximum: .seconds(10))
        var generator = Constant(value: 0)
        var ceilings: [Duration] = []
        for _ in 0..<6 {
            ceilings.append(backoff.ceiling)
            _ = backoff.next(using: &generator)
        }
        #expect(ceilings == [1, 2, 4, 8, 10, 10].map { Duration.seconds($0) })
    }

    @Test func waitsSpanTheWholeRange() {
        for (value, expected) in [(UInt64(0), Duration.zero), (.max, .seconds(4))] {
            var backoff = Backoff(initial: .seconds(1), maximum: .seconds(60))
            var generator = Constant(value: value)
            _ = backoff.next(using: &generator)
            _ = backoff.next(using: &generator)
            let wait = backoff.next(using: &generator)
            #expect(abs((wait - expected) / .seconds(1)) < 1e-6)
        }
    }

    @Test func manyFailuresDoNotOverflow() {
        var backoff = Backoff(initial: .milliseconds(1), maximum: .seconds(3600))
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<10_000 { #expect(backoff.next(using: &generator) <= .seconds(3600)) }
    }

    @Test func resetStartsOver() {
        var backoff = Backoff(initial: .seconds(1), maximum: .seconds(60))
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<5 { _ = backoff.next(using: &generator) }
        backoff.reset()
        #expect(backoff.ceiling == .seconds(1))
    }
}
