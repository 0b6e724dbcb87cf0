// SPDX-License-Identifier: Apache-2.0
// How long to wait before connecting again.

/// Exponential backoff with full jitter: the n-th wait is uniform in `0 ... min(maximum, initial × 2ⁿ)`.
///
/// Full jitter keeps many sites that lost one aggregator from coming back in step.
/// Source: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015, variant "full jitter".
package struct Backoff: Sendable, Hashable {
    /// Upper bound of the first wait.
    package let initial: Duration
    /// Upper bound of every wait.
    package let maximum: Duration
    /// Waits drawn since the last ``reset()``.
    package private(set) var attempts = 0

    /// Creates a backoff that has not failed yet.
    ///
    /// - Precondition: `0 < initial ≤ maximum`.
    package init(initial: Duration = .milliseconds(500), maximum: Duration = .seconds(60)) {
        precondition(initial > .zero && initial <= maximum, "the first wait is positive and at most the largest")
        self.initial = initial
        self.maximum = maximum
    }

    /// Upper bound of the next wait.
    package var ceiling: Duration {
        var bound = initial
        var doublings = 0
        while doublings < attempts, bound < maximum {
            bound *= 2
            doublings += 1
        }
        return min(bound, maximum)
    }

    /// Draws the next wait.
    package mutating func next(using generator: inout some RandomNumberGenerator) -> Duration {
        // 53 bits are all a Double can tell apart.
        let wait = ceiling * (Double(generator.next() >> 11) * 0x1p-53)
        attempts += 1
        return wait
    }

    /// Starts over after a success.
    package mutating func reset() { attempts = 0 }
}
