// SPDX-License-Identifier: Apache-2.0
// A site or an aggregator that comes back from a backup: nothing is answered twice, and the study goes on.

import Federation
import Foundation
import Store
import Testing
import WireProtocol

@Suite(.timeLimit(.minutes(3)))
struct RestoreTests {
    private static func folder() throws -> String {
        let folder = FileManager.default.temporaryDirectory.appending(path: "restore-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        return folder
    }

    /// Runs a study until `round` of training has begun at the site c, makes a backup of `party`, lets the round close
    /// and the next begin, stops everything, restores `party`, and lets the study go on.
    private static func run(
        restoring party: String, _ check: (TestFederation) async throws -> Void
    ) async throws {
        let folder = try Self.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let study = TestStudy.make(rounds: 4)
        let gates = [Gate(), Gate()]
        func plans(_ round: Int, _ gate: Gate) -> [SitePlan] {
            ["a", "b", "c"].map {
                SitePlan($0, updates: SteadyUpdate(0.1, gatedRound: round, gate: $0 == "c" ? gate : nil))
            }
        }
        let state = "\(folder)/\(party)"
        try await TestFederation.run(study, plans(2, gates[0]), in: folder) { federation in
            try await eventually("the second round waits for c") {
                guard let task = try await federation.round(.training, 2)?.taskHash else { return false }
                return try await federation.store.uploads(taskHash: task).count == 2
            }
            _ = try StoreBackup.make(of: state, to: folder + "/backup")
            gates[0].open()
            try await eventually("the third round has begun") { try await federation.round(.training, 3) != nil }
        }
        try FileManager.default.removeItem(atPath: state)
        _ = try StoreBackup.restore(folder + "/backup", to: state)
        gates[1].open()
        try await TestFederation.run(study, plans(0, gates[1]), isSubmitted: false, in: folder, check)
    }

    @Test func aRestoredSiteLeavesOutOneRoundAndGoesOn() async throws {
        try await Self.run(restoring: "a") { federation in
            let record = try await federation.finish(deliveries: 3)
            #expect(record.outcome == "completed")
            let words = try await federation.rounds().compactMap { round in
                round.participation.first { $0.site.rawValue == "a" }?.word
            }
            // Three sites are the minimum: the round without a is tried again, with it.
            #expect(words.filter { $0 == "withheld:restored" }.count == 1)
            #expect(try await federation.rounds().last?.summary?.survivors == 3)
        }
    }

    @Test func anAggregatorThatWentBackIsNotAnsweredTwice() async throws {
        try await Self.run(restoring: "aggregator") { federation in
            let record = try await federation.finish(deliveries: 3)
            #expect(record.outcome == "completed")
            let rounds = try await federation.rounds()
            #expect(rounds.contains { $0.state == .abandoned }, "what was open at the time of the backup")
            #expect(rounds.last?.summary?.survivors == 3)
            // No attempt at a round has two vectors of one site.
            for site in federation.sites {
                let delivered = try await site.store.rounds(study: federation.hash)
                    .filter { $0.state == .delivered }.map(\.id)
                #expect(Set(delivered).count == delivered.count)
            }
        }
    }
}
