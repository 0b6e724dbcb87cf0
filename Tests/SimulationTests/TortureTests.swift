// SPDX-License-Identifier: Apache-2.0
// The federation simulator: a seed replays to the byte, and no fault breaks an invariant.

import Foundation
import NIOPosix
import Simulation
import Testing

struct TortureTests {
    /// Runs a seed on a thread of its own: a simulation takes its thread for itself.
    private func run(_ seed: UInt64, keepsTrace: Bool = false) async throws -> TortureRun.Outcome {
        let thread = NIOThreadPool(numberOfThreads: 1)
        thread.start()
        var run = TortureRun(seed: seed, folder: FileManager.default.temporaryDirectory.path)
        run.keepsTrace = keepsTrace
        let torture = run
        let result: Result<TortureRun.Outcome, any Error>
        do { result = .success(try await thread.runIfActive { try torture.run() }) } catch { result = .failure(error) }
        try await thread.shutdownGracefully()
        return try result.get()
    }

    @Test func theSameSeedGivesTheSameTrace() async throws {
        for seed in [1, 2] as [UInt64] {
            let first = try await run(seed, keepsTrace: true)
            let second = try await run(seed, keepsTrace: true)
            #expect(first.lines.count > 50)
            let difference = zip(first.lines, second.lines).first { $0 != $1 }
            #expect(difference == nil)
            #expect(first.lines == second.lines)
            #expect(first.steps == second.steps)
        }
    }

    @Test func differentSeedsGiveDifferentRuns() async throws {
        let first = try await run(3, keepsTrace: true)
        let second = try await run(4, keepsTrace: true)
        #expect(first.lines != second.lines)
    }

    @Test func faultsHappen() async throws {
        var crashes = 0
        var faults = 0
        for seed in 10..<16 as Range<UInt64> {
            let outcome = try await run(seed)
            crashes += outcome.crashes
            faults += outcome.faults
        }
        #expect(crashes > 5)
        #expect(faults > crashes)
    }

    @Test(arguments: TortureTests.regressionSeeds) func noInvariantBreaks(seed: UInt64) async throws {
        let outcome = try await run(seed)
        #expect(outcome.problems == [])
    }

    /// Seeds that once broke an invariant, and a few that never did.
    static let regressionSeeds: [UInt64] = [1, 2, 3, 5, 6, 8, 86, 96, 108, 958_039_680_183]
}
