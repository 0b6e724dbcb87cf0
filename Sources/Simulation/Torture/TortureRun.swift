// SPDX-License-Identifier: Apache-2.0
// One seed of the federation simulator: runs it, and says what broke.

import Foundation

/// A study of a few sites under faults that a seed draws: the real services, stores and messages on virtual time.
package struct TortureRun: Sendable {
    package var seed: UInt64
    package var siteCount = 5
    package var rounds = 6
    package var keepsTrace = false
    /// An existing folder, best one in memory; the run removes what it made there.
    package var folder: String

    package init(seed: UInt64, folder: String) {
        self.seed = seed
        self.folder = folder
    }

    /// What a run came to.
    package struct Outcome: Sendable {
        package var seed: UInt64
        /// Invariants that broke.
        package var problems: [String]
        /// What happened, if the trace was kept.
        package var lines: [String]
        /// Jobs that ran.
        package var steps: Int
        package var virtualSeconds: Double
        package var crashes: Int
        package var faults: Int
    }

    /// Runs the seed on the calling thread, which does nothing else meanwhile.
    ///
    /// The same values give the same outcome, byte for byte.
    /// - Throws: when the folder cannot be used.
    package func run() throws -> Outcome {
        let own = "\(folder)/torture-\(seed)-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: own, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(atPath: own) }
        let world = TortureWorld(
            seed: seed, study: try TortureStudy(siteCount: siteCount, rounds: rounds, seed: seed), folder: own,
            keepsTrace: keepsTrace)
        world.run()
        return Outcome(
            seed: seed, problems: world.trace.problems, lines: world.trace.lines, steps: world.scheduler.steps,
            virtualSeconds: world.scheduler.now / .seconds(1), crashes: world.crashes, faults: world.faultCount)
    }
}
