// SPDX-License-Identifier: Apache-2.0
// A study the site takes part in, in memory, and the means to stop a round's computation.

import Federation
import Synchronization

/// An accepted study joined with its table.
struct AcceptedStudy: Sendable {
    let local: LocalStudy
    let dataset: String
    /// Of the source when the table was last read.
    var fingerprint: SourceFingerprint?
}

/// Says to a computation on another thread that its result is no longer wanted.
final class Cancellation: Sendable {
    private let flag = Atomic(false)

    func cancel() { flag.store(true, ordering: .relaxed) }

    func check() throws {
        if flag.load(ordering: .relaxed) { throw CancellationError() }
    }
}

/// Lets something happen at most once in an interval; used for progress messages from the training thread.
struct Throttle {
    let interval: Duration
    private var last: ContinuousClock.Instant?

    init(interval: Duration) { self.interval = interval }

    mutating func shouldPass() -> Bool {
        let now = ContinuousClock.now
        if let last, now - last < interval { return false }
        last = now
        return true
    }
}
