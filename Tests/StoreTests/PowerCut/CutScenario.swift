// SPDX-License-Identifier: Apache-2.0
// A story told to a store step by step, and the check of every state that a power cut within it may leave.

import Foundation
import PowerCut
import Testing

/// What a recorded scenario was like: the disk's operations, and where each step was acknowledged.
struct CutScenario {
    private let directory: TestDirectory
    private let recording: DiskRecording
    /// For each acknowledged step, the operations before it and what the store then said.
    private var steps: [(operations: Int, state: String)]

    /// Watches a new state directory.
    ///
    /// - Parameter empty: what a store says before the first step.
    init(empty: String) throws {
        directory = try TestDirectory()
        recording = DiskRecording(of: directory.path)
        steps = [(0, empty)]
    }

    /// The state directory, which does not exist yet.
    var path: String { directory("state") }

    /// Notes that a step was acknowledged.
    mutating func acknowledge(_ state: String) { steps.append((recording.count, state)) }

    /// Cuts the power before, between and after all operations, with changing fates of what was not synced.
    ///
    /// - Parameter reopen: opens what a cut left in the folder and says what is in it.
    /// - Returns: the number of cuts that were checked.
    func checkEveryCut(_ reopen: (String) async throws -> String) async throws -> Int {
        recording.stop()
        let operations = recording.operations()
        var checked = 0
        for cut in 0...operations.count {
            let disk = CutDisk(after: operations.prefix(cut))
            let acknowledged = steps.lastIndex { $0.operations <= cut } ?? 0
            let allowed = steps[acknowledged...].prefix(2).map(\.state)
            let fate = [UnsyncedFate.torn(seed: UInt64(cut)), .lost, .torn(seed: UInt64(cut)), .kept][cut % 4]
            let copy = try TestDirectory()
            let folder = copy("disk")
            try disk.write(to: folder) { _ in fate }
            let state: String
            do { state = try await reopen("\(folder)/state") } catch {
                Issue.record("cut after operation \(cut) of \(operations.count), \(fate): \(error)")
                continue
            }
            #expect(
                allowed.contains(state),
                "cut after operation \(cut) of \(operations.count), \(fate): step \(acknowledged) was acknowledged")
            checked += 1
        }
        return checked
    }
}
