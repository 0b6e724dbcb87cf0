// SPDX-License-Identifier: Apache-2.0
// What a long command needs around its work: one owner of the progress display, and an end on Ctrl-C.

import Glibc
import Simulation
import UnixSignals

/// Owns the progress display while tasks feed it.
actor SharedDisplay {
    private var display: ProgressDisplay
    private let members: Int
    private let isSilent: Bool

    init(_ console: Console, members: Int, isSilent: Bool = false) {
        display = ProgressDisplay(console)
        self.members = members
        self.isSilent = isSilent
    }

    func show(_ moment: FederationMoment) {
        if !isSilent { display.show(moment, members: members) }
    }

    func finish() { display.finish() }
}

/// Runs `body` and cancels it on SIGINT, SIGTERM or SIGHUP, so that it can clean up.
///
/// A reader that closes its pipe must not kill the process either: see ``StandardOutput``.
/// - Throws: what `body` throws; `CancellationError` after a signal.
func interruptible<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
    signal(SIGPIPE, SIG_IGN)
    let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm, .sighup)
    return try await withThrowingTaskGroup(of: Result?.self) { group in
        group.addTask { try await body() }
        group.addTask {
            for await _ in signals { return nil }
            return nil
        }
        defer { group.cancelAll() }
        while let result = try await group.next() {
            if let result { return result }
            // A signal: the body ends by cancellation, after its own cleaning up.
            group.cancelAll()
            do { while try await group.next() != nil {} } catch {}
            throw CommandError(.notDone, "interrupted", hint: "")
        }
        throw CancellationError()
    }
}
