// SPDX-License-Identifier: Apache-2.0
// A study the site takes part in, in memory, and the means to stop a round's computation.

import Execution
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
    /// What is to be done belongs to this study.
    let study: Digest
    private let flag = Atomic(false)

    init(study: Digest) { self.study = study }

    func cancel() { flag.store(true, ordering: .relaxed) }

    func check() throws {
        if flag.load(ordering: .relaxed) { throw CancellationError() }
    }
}

/// Lets something happen at most once in an interval; used for progress messages from the training thread.
struct Throttle {
    let interval: Duration
    private let clock: ServiceClock
    private var last: Duration?

    init(interval: Duration, clock: ServiceClock) {
        self.interval = interval
        self.clock = clock
    }

    mutating func shouldPass() -> Bool {
        let now = clock.now
        if let last, now - last < interval { return false }
        last = now
        return true
    }
}
