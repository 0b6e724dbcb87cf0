// SPDX-License-Identifier: Apache-2.0
// The threads of a training step.

import Kernels

/// A fixed team of threads, the caller among them, that run one closure at a time.
///
/// Not sendable: the thread that made the team runs it. Members sleep between runs.
@safe package final class WorkerTeam {
    package let count: Int
    private let workers: OpaquePointer

    /// - Precondition: `count >= 1`, and the system gives the threads.
    package init(count: Int) {
        guard let workers = unsafe consilium_workers_make(Int32(count)) else {
            fatalError("the system refuses \(count) threads")
        }
        unsafe self.workers = workers
        self.count = count
    }

    deinit { unsafe consilium_workers_destroy(workers) }

    /// Whether `count` pieces of so many operations each are worth more than waking a second member, about 20 µs.
    package static func pays(for operations: Int, times count: Int) -> Bool {
        let (work, overflow) = operations.multipliedReportingOverflow(by: count)
        return overflow || work >= 3_000_000
    }

    /// Runs `body` once for each member and returns when all have returned.
    ///
    /// `body` runs on several threads at once: each member may only touch what is its own, and what all only read.
    package func run(_ body: (_ member: Int) -> Void) {
        guard count > 1 else { return body(0) }
        withoutActuallyEscaping(body) { body in
            unsafe withUnsafePointer(to: body) { context in
                unsafe consilium_workers_run(
                    workers,
                    { context, member in
                        let body = unsafe context?.assumingMemoryBound(to: ((Int) -> Void).self)
                        unsafe body?.pointee(Int(member))
                    }, UnsafeMutableRawPointer(mutating: context))
            }
        }
    }

    /// Inside a body: waits until every member has come to this call.
    package func wait() {
        unsafe consilium_workers_wait(workers)
    }
}
