// SPDX-License-Identifier: Apache-2.0
// Who does the work that blocks or takes long: threads of its own, or a simulation's one thread.

package import NIOPosix

/// Runs blocking work apart from the tasks that wait for it.
package protocol Workers: Sendable {
    /// Runs `body` and returns what it returns.
    ///
    /// Leaves the caller's actor, which the caller takes again afterwards.
    /// - Throws: what `body` throws; `CancellationError` when the workers have stopped.
    func runIfActive<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result
}

extension NIOThreadPool: Workers {}

/// Runs all work on the caller's thread, each piece between calls of two functions.
///
/// For simulations, where nothing may run that the simulation has not chosen.
package struct WorkersInPlace: Workers {
    private let before: @Sendable () async throws -> Void
    private let after: @Sendable () async throws -> Void

    package init(
        before: @escaping @Sendable () async throws -> Void, after: @escaping @Sendable () async throws -> Void
    ) {
        self.before = before
        self.after = after
    }

    package func runIfActive<Result: Sendable>(
        _ body: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        try await before()
        let result = try body()
        try await after()
        return result
    }
}
