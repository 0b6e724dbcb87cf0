// SPDX-License-Identifier: Apache-2.0
// The power of a whole federation is cut at every write of a study; it goes on to the same model, bit for bit.

import Federation
import Foundation
import PowerCut
import Store
import Testing
import WireProtocol

@Suite(.timeLimit(.minutes(10)))
struct PowerCutFederationTests {
    private static let parties = ["aggregator", "a", "b"]

    /// Every cut with every fate takes minutes: a plain run takes some of each, spread over the study.
    private static let cutsOfAPlainRun = 12

    private static func plans() -> [SitePlan] {
        ["a", "b"].enumerated().map { number, name in
            var plan = SitePlan(name, rows: 24)
            plan.roundingSeed = UInt64(number)
            return plan
        }
    }

    /// Runs the study to its end, or on to it, in the state directories below `folder`.
    ///
    /// - Returns: the digest of the released model.
    private func goOn(
        _ study: Study, in folder: String, durability: Durability = .lostOnPowerCutForSimulationOnly
    ) async throws -> Digest {
        var model: Digest?
        try await TestFederation.run(study, Self.plans(), isSubmitted: false, in: folder, durability: durability) {
            federation in
            // The operator asks again when the answer did not come; a known study stays as it is.
            guard case .submitted(federation.hash, _) = try await federation.ask(.submit(study.canonicalBytes)) else {
                throw TestFailure("the study was not taken")
            }
            let record = try await federation.finish(deliveries: 2)
            #expect(record.outcome == "completed")
            let rounds = try await federation.rounds()
            #expect(rounds.allSatisfy { $0.state == .closed && $0.id.attempt == 1 && $0.summary?.survivors == 2 })
            for site in federation.sites {
                let released = try await site.store.models(study: federation.hash).filter(\.isReleased)
                #expect(released.map(\.blob.digest) == [record.releasedModel])
                for model in released { try site.vault.file(model.blob).verify() }
                // A crash may lose the news that a round has ended; nothing of it may be open when the study is over.
                #expect(try await site.store.unfinishedRounds().isEmpty)
                #expect(try federation.uploads(at: site.plan.name).isEmpty)
            }
            try await federation.spoolIsCleared()
            model = record.releasedModel
        }
        return try #require(model)
    }

    @Test(arguments: [Strategy.fedAvg, .scaffold(learningRate: 1)])
    func aStudyGoesOnToTheSameModelAfterAnyCut(_ strategy: Strategy) async throws {
        let study = TestStudy.make(strategy: strategy, rounds: 2, minimumSites: 2)
        let folder = FileManager.default.temporaryDirectory.resolvingSymlinksInPath()
            .appending(path: "power-cut-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(
            atPath: folder + "/whole", withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        let recording = DiskRecording(of: folder + "/whole")
        let undisturbed = try await goOn(study, in: folder + "/whole", durability: .powerLossSafe)
        recording.stop()
        let operations = recording.operations()
        #expect(operations.count > 100)

        for cut in Self.cuts(of: operations.count) {
            // All parties lose their power, or one does and the others are killed.
            let fate = UnsyncedFate.torn(seed: UInt64(cut))
            let victim = cut % 4
            let disk = CutDisk(after: operations.prefix(cut))
            let copy = "\(folder)/cut-\(cut)"
            try disk.write(to: copy) { path in
                victim == 3 || path.split(separator: "/").first == Self.parties[victim][...] ? fate : .kept
            }
            let model: Digest?
            do { model = try await goOn(study, in: copy) } catch {
                Issue.record("cut after operation \(cut) of \(operations.count): \(error)")
                continue
            }
            #expect(model == undisturbed, "cut after operation \(cut) of \(operations.count)")
            try FileManager.default.removeItem(atPath: copy)
        }
    }

    /// All places, with `CONSILIUM_POWER_CUTS=all`.
    private static func cuts(of count: Int) -> [Int] {
        guard ProcessInfo.processInfo.environment["CONSILIUM_POWER_CUTS"] != "all" else { return Array(0...count) }
        return (0..<cutsOfAPlainRun).map { $0 * count / (cutsOfAPlainRun - 1) }
    }
}
