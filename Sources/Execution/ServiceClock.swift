// SPDX-License-Identifier: Apache-2.0
// The time a service lives in: the machine's, or the virtual time of a simulation.

import Glibc

/// Everything a service may know about time; given to it, so that a simulation can replace it.
package struct ServiceClock: Sendable {
    private let origin: @Sendable () -> Duration
    private let wall: @Sendable () -> Int64
    private let pause: @Sendable (Duration) async throws -> Void

    /// - Parameters:
    ///   - now: time since some fixed moment; never goes back.
    ///   - wallMilliseconds: since 1970; may jump.
    ///   - sleep: returns after a time, or throws `CancellationError`.
    package init(
        now: @escaping @Sendable () -> Duration, wallMilliseconds: @escaping @Sendable () -> Int64,
        sleep: @escaping @Sendable (Duration) async throws -> Void
    ) {
        origin = now
        wall = wallMilliseconds
        pause = sleep
    }

    /// Time since some fixed moment; never goes back. Only differences mean anything.
    package var now: Duration { origin() }

    /// Milliseconds since 1970, for records that people read. Never used to decide anything.
    package func wallMilliseconds() -> Int64 { wall() }

    /// Waits.
    ///
    /// - Throws: `CancellationError`.
    package func sleep(for duration: Duration) async throws { try await pause(duration) }

    /// The machine's clocks.
    package static let system = {
        let started = ContinuousClock.now
        return ServiceClock(
            now: { ContinuousClock.now - started },
            wallMilliseconds: {
                var time = timespec()
                clock_gettime(CLOCK_REALTIME, &time)
                return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
            },
            sleep: { try await Task.sleep(for: $0) })
    }()
}
