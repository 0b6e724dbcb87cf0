// SPDX-License-Identifier: Apache-2.0
// Runs every task of a simulation on one thread, in an order and at times that a seed decides.

import Execution
import Glibc
import Randomness
import Synchronization

/// The executor and the clock of a simulation.
///
/// Jobs that are ready wait in a list, from which the seed draws the next one. When none is ready, virtual time jumps to
/// the next timer. So the same seed gives the same run, and hours pass in milliseconds. Jobs take no virtual time.
/// All tasks must be started with this executor as their preference; ``strayJobs`` counts what came from elsewhere.
final class VirtualScheduler: TaskExecutor {
    private struct Timer {
        var due: Duration
        var number: UInt64
        var wake: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var ready: [UnownedJob] = []
        /// Sorted: the next one is the last.
        var timers: [Timer] = []
        var nextNumber: UInt64 = 0
        var now = Duration.zero
        var generator: SeededGenerator
        var steps = 0
        /// What happens between two jobs, sorted: the next one is the last.
        var interventions: [(step: Int, action: @Sendable () -> Void)] = []
        var strayJobs = 0
    }

    private let state: Mutex<State>
    private let urgent = Urgent()
    private let thread = pthread_self()

    /// - Precondition: ``run(while:)`` is called on the thread that makes the scheduler.
    init(seed: UInt64) {
        state = Mutex(State(generator: SeededGenerator(seed: seed, stream: "simulation/schedule")))
    }

    // MARK: Jobs

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        state.withLock { state in
            if pthread_equal(pthread_self(), thread) == 0 { state.strayJobs += 1 }
            state.ready.append(job)
        }
    }

    /// The same thread, but its jobs run before all others, in the order they came: for checks after a step.
    private final class Urgent: TaskExecutor {
        private let jobs = Mutex<[UnownedJob]>([])

        func enqueue(_ job: consuming ExecutorJob) {
            let job = UnownedJob(job)
            jobs.withLock { $0.append(job) }
        }

        /// Runs what there is; returns whether there was anything.
        func run() -> Bool {
            guard let job = jobs.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) else { return false }
            job.runSynchronously(on: asUnownedTaskExecutor())
            return true
        }
    }

    /// Starts a task whose jobs run before all others.
    func check(_ body: @escaping @Sendable () async -> Void) {
        Task(executorPreference: urgent) { await body() }
    }

    /// Jobs run so far.
    var steps: Int { state.withLock { $0.steps } }

    /// Jobs that came from another thread, whose time no seed decides.
    var strayJobs: Int { state.withLock { $0.strayJobs } }

    /// Has `action` happen between two jobs, `count` jobs from now or earlier if nothing is left to run.
    func intervene(after count: Int, _ action: @escaping @Sendable () -> Void) {
        state.withLock { state in
            let step = state.steps + count
            let index = state.interventions.firstIndex { $0.step < step } ?? state.interventions.count
            state.interventions.insert((step, action), at: index)
        }
    }

    private enum Move {
        case job(UnownedJob)
        case intervention(@Sendable () -> Void)
        case wake([Timer])
        case nothing
    }

    /// Runs jobs while `isWanted`; returns false when nothing is left that could ever run.
    func run(while isWanted: () -> Bool) -> Bool {
        while isWanted() {
            if urgent.run() { continue }
            switch state.withLock({ Self.nextMove(&$0) }) {
            case .job(let job): job.runSynchronously(on: asUnownedTaskExecutor())
            case .intervention(let action): action()
            case .wake(let timers): for timer in timers { timer.wake.resume() }
            case .nothing: return false
            }
        }
        return true
    }

    private static func nextMove(_ state: inout State) -> Move {
        if let next = state.interventions.last, next.step <= state.steps || state.ready.isEmpty {
            state.interventions.removeLast()
            return .intervention(next.action)
        }
        if !state.ready.isEmpty {
            state.steps += 1
            state.ready.swapAt(state.generator.index(below: state.ready.count), state.ready.count - 1)
            return .job(state.ready.removeLast())
        }
        guard let first = state.timers.last else { return .nothing }
        state.now = first.due
        var due: [Timer] = []
        while let timer = state.timers.last, timer.due == first.due { due.append(state.timers.removeLast()) }
        return .wake(due)
    }

    // MARK: Time

    /// Virtual time since the start.
    var now: Duration { state.withLock { $0.now } }

    /// Waits in virtual time.
    ///
    /// - Throws: `CancellationError`.
    func sleep(for duration: Duration) async throws {
        let number = state.withLock { state in
            state.nextNumber += 1
            return state.nextNumber
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (wake: CheckedContinuation<Void, any Error>) in
                if Task.isCancelled { return wake.resume(throwing: CancellationError()) }
                state.withLock { state in
                    let timer = Timer(due: state.now + max(duration, .zero), number: number, wake: wake)
                    let index =
                        state.timers.firstIndex { ($0.due, $0.number) < (timer.due, timer.number) }
                        ?? state.timers.count
                    state.timers.insert(timer, at: index)
                }
            }
        } onCancel: {
            let timer = state.withLock { state in
                state.timers.firstIndex { $0.number == number }.map { state.timers.remove(at: $0) }
            }
            timer?.wake.resume(throwing: CancellationError())
        }
    }

    /// The clock of a party whose wall clock is wrong by `skew` milliseconds.
    func clock(skew: @escaping @Sendable () -> Int64 = { 0 }) -> ServiceClock {
        ServiceClock(
            now: { self.now },
            wallMilliseconds: { Self.epochMilliseconds + Int64(self.now / .milliseconds(1)) + skew() },
            sleep: { try await self.sleep(for: $0) })
    }

    /// The start of 2030: the wall clock of a simulation begins there.
    private static let epochMilliseconds: Int64 = 1_893_456_000_000
}

/// The scheduler's time for what takes a `Clock`.
struct VirtualClock: Clock {
    struct Instant: InstantProtocol {
        var offset: Duration

        func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }
        func duration(to other: Instant) -> Duration { other.offset - offset }
        static func < (left: Instant, right: Instant) -> Bool { left.offset < right.offset }
    }

    let scheduler: VirtualScheduler

    var now: Instant { Instant(offset: scheduler.now) }
    var minimumResolution: Duration { .nanoseconds(1) }

    func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        try await scheduler.sleep(for: deadline.offset - scheduler.now)
    }
}
