// SPDX-License-Identifier: Apache-2.0
// The invariants of a torture run, looked at after every change of a database.

import Federation
import Foundation
import ModelFiles
import Randomness
import RingArithmetic
import Store
import Synchronization
import WireProtocol

/// What must be true whatever fails. Every breach is noted in the trace.
final class TortureChecks: Sendable {
    private unowned let world: TortureWorld
    private let hash: Digest

    private struct State {
        /// All rounds the aggregator has ever had, in their order.
        var rounds: [RoundRecord] = []
        /// Vectors whose receipt is durable at their site, by task.
        var acknowledged: [Digest: Set<SiteID>] = [:]
        /// Every vector that a site has ever finished.
        var vectors: [String: [UInt8]] = [:]
        var outcome: String?
    }

    private let state = Mutex(State())

    init(world: TortureWorld) {
        self.world = world
        hash = world.study.study.hash
    }

    private func fail(_ text: String) { world.trace.violation(text) }

    // MARK: After every change

    func changed(_ party: TortureParty) async {
        do {
            if let store = party.aggregatorStore {
                try await checkRounds(store)
                try await checkReceipts(store)
            } else if let store = party.siteStore, let site = party.site {
                for round in try await store.rounds(study: hash) where round.state == .delivered {
                    _ = state.withLock { $0.acknowledged[round.taskHash, default: []].insert(site) }
                }
                if let store = world.aggregator.aggregatorStore { try await checkReceipts(store) }
            }
        } catch {
            fail("a store cannot be read: \(error)")
        }
    }

    /// No round is lost or changed once it has ended, and each follows from the one before.
    private func checkRounds(_ store: AggregatorStore) async throws {
        let known = state.withLock { $0.rounds }
        let rounds = try await store.rounds(study: hash)
        guard rounds.count >= known.count else {
            return fail("\(known.count - rounds.count) rounds are lost")
        }
        for (old, new) in zip(known, rounds) {
            if old.state != .open, old != new { fail("the record of \(old.id.words) changed after its end") }
            if old.taskHash != new.taskHash || old.cohort != new.cohort || old.id != new.id {
                fail("\(old.id.words) became another round")
            }
        }
        for (index, round) in rounds.enumerated() {
            if round.state == .open, index != rounds.count - 1 { fail("\(round.id.words) is open behind a later one") }
            guard index >= known.count else { continue }
            world.trace.note("aggregator", "has \(round.id.words) with \(round.cohort.count) sites on disk")
            let expected =
                index == 0
                ? RoundID(kind: .statistics, round: 0, attempt: 1)
                : StudyStateMachine.successor(
                    of: rounds[index - 1].id, wasClosed: rounds[index - 1].state == .closed, study: world.study.study)
            if round.id != expected { fail("\(round.id.words) does not follow from the round before it") }
        }
        state.withLock { $0.rounds = rounds }
        for (index, round) in rounds.enumerated() where round.state == .closed {
            if index < known.count, known[index].state == .closed { continue }
            try await checkClosed(round, store: store)
        }
    }

    /// A vector whose receipt a site holds is in the aggregator's store, or in the sum.
    private func checkReceipts(_ store: AggregatorStore) async throws {
        let (rounds, acknowledged) = state.withLock { ($0.rounds, $0.acknowledged) }
        for round in rounds {
            guard let sites = acknowledged[round.taskHash], !sites.isEmpty else { continue }
            switch round.state {
            case .abandoned: continue
            case .closed:
                let lost = sites.subtracting(round.includedSites)
                if !lost.isEmpty { fail("\(lost.count) vectors of \(round.id.words) were acknowledged and not summed") }
            case .open:
                let lost = sites.subtracting(try await store.uploads(taskHash: round.taskHash).map(\.site))
                if !lost.isEmpty { fail("\(lost.count) vectors of \(round.id.words) were acknowledged and are gone") }
            }
        }
    }

    // MARK: Sums

    /// Keeps a copy of every vector that a site has finished; one that is made again must be the same.
    func keepVectors(of party: TortureParty) {
        guard let site = party.site else { return }
        let folder = party.directory + "/uploads"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        for name in names.sorted() where !name.hasSuffix(".partial") {
            guard let data = FileManager.default.contents(atPath: "\(folder)/\(name)") else { continue }
            let key = "\(site)/\(name)"
            let isSame = state.withLock { state in
                if let known = state.vectors[key] { return known == Array(data) }
                state.vectors[key] = Array(data)
                return true
            }
            if !isSame { fail("\(site) made another vector for a task it had one for") }
        }
    }

    /// The round counts each site once, and its model is the plain sum of the sites' vectors.
    private func checkClosed(_ round: RoundRecord, store: AggregatorStore) async throws {
        let included = round.includedSites
        let sites = round.participation.map(\.site)
        if Set(sites).count != sites.count { fail("\(round.id.words) counts a site twice") }
        if !Set(included).isSubset(of: round.cohort) { fail("\(round.id.words) counts a site that was not asked") }
        if round.summary?.survivors != included.count { fail("\(round.id.words) misstates its survivors") }
        if included.count < world.study.study.federation.minimumSites { fail("\(round.id.words) has too few sites") }
        let vectors = state.withLock { state in
            included.map { state.vectors["\($0)/\(round.taskHash.hex)"] }
        }
        guard !vectors.contains(nil) else { return fail("\(round.id.words) counts a vector that no site made") }
        if round.id.kind == .training { try await checkModel(round, vectors.compactMap { $0 }, store: store) }
    }

    private func checkModel(_ round: RoundRecord, _ vectors: [[UInt8]], store: AggregatorStore) async throws {
        let task = try RoundTask(canonicalBytes: round.taskBytes)
        let terms = world.study.study.federation
        guard let input = task.inputs.first(where: { $0.name == "model" }),
            let output = try await store.models(study: hash)
                .first(where: { $0.record.role == .model && $0.record.round == round.id.round })
        else { return fail("\(round.id.words) closed without a model") }
        let folder = world.aggregator.directory + "/models/"
        let (_, before) = try ModelFile.readWithParameters(folder + input.digest.hex)
        let (_, after) = try ModelFile.readWithParameters(folder + output.blob.digest.hex)
        let sum = try UpdateSum(terms: terms, parameterCount: before.count, sites: task.sites)
        var changes = [Double](repeating: 0, count: before.count)
        var weight = 0.0
        var examples: Int64 = 0
        for bytes in vectors {
            let vector = try RingVector.decode(bytes, layout: sum.layout)
            for index in before.indices { changes[index] += Double(vector[section: 0, index: index]) }
            weight += Double(vector[section: 1, index: UpdateSum.Total.weight.rawValue])
            examples += vector[section: 1, index: UpdateSum.Total.examples.rawValue]
        }
        if round.summary?.examples.map(Int64.init) != examples { fail("\(round.id.words) misstates its examples") }
        for index in before.indices {
            let expected = Double(before[index]) + changes[index] / sum.fixedPoint.scale / weight
            // Float32 arithmetic against Double.
            guard abs(expected - Double(after[index])) <= 1e-6 * max(1, abs(expected)) else {
                return fail("the model of \(round.id.words) is not the plain sum of its vectors")
            }
        }
    }

    // MARK: Status

    /// Compares what the aggregator says with what is true; returns whether the study has ended everywhere.
    func look(at status: FederationStatus) async -> Bool {
        guard let own = status.studies.first(where: { $0.study == hash }),
            let store = world.aggregator.aggregatorStore
        else { return false }
        do {
            let decided = try await store.decisions(study: hash).filter(\.isAccepted).map(\.site.rawValue)
            if !Set(own.acceptedSites).isSubset(of: decided) { fail("status shows a site that has not accepted") }
            let rounds = state.withLock { $0.rounds }
            if ["collecting", "summing"].contains(own.phase),
                !rounds.contains(where: {
                    $0.id.kind.rawValue == own.roundKind && $0.id.round == own.round && $0.id.attempt == own.attempt
                })
            {
                fail("status shows a round that is not in the store")
            }
            if let loss = own.loss, !rounds.contains(where: { $0.summary?.loss == loss }) {
                fail("status shows a loss that no round had")
            }
            guard own.isFinished else { return false }
            let record = try await store.study(hash)
            if record?.outcome != own.phase { fail("status says \(own.phase), the store says otherwise") }
            var concluded = 0
            for site in world.sites {
                if try await site.siteStore?.study(hash)?.outcome != nil { concluded += 1 }
            }
            let absent = world.sites.count { $0.siteStore == nil }
            world.trace.note("status", "\(own.phase), \(own.deliveries) of \(own.acceptedSites.count) sites have it")
            if own.deliveries > concluded + absent { fail("status counts a delivery that no site has on disk") }
            return own.deliveries == own.acceptedSites.count && absent == 0
        } catch {
            fail("a store cannot be read: \(error)")
            return false
        }
    }

    // MARK: The end

    /// The study is completed, every site has its model, and nobody keeps a file that no database names.
    func finish() async {
        do {
            guard let store = world.aggregator.aggregatorStore else { return fail("the aggregator is gone at the end") }
            let record = try await store.study(hash)
            state.withLock { $0.outcome = record?.outcome }
            if record?.outcome != StudyOutcome.completed.word {
                fail("the study ended as \(record?.outcome ?? "open"): \(record?.explanation ?? "")")
            }
            for folder in FileVault.Folder.allCases {
                try check(folder, of: world.aggregator, needed: await store.neededFiles(in: folder))
            }
            let accepted = try await store.decisions(study: hash).filter(\.isAccepted).map(\.site)
            for party in world.sites {
                guard let site = party.site, let store = party.siteStore else { continue }
                if accepted.contains(site) {
                    let own = try await store.study(hash)
                    if own?.outcome != record?.outcome { fail("\(site) knows another end of the study") }
                    let released = try await store.models(study: hash).filter(\.isReleased).map(\.blob.digest)
                    if released != [record?.releasedModel] { fail("\(site) holds another model than the released one") }
                    if try await !store.unfinishedRounds().isEmpty { fail("\(site) has a round that has not ended") }
                }
                for folder in FileVault.Folder.allCases {
                    try check(folder, of: party, needed: await store.neededFiles(in: folder))
                }
            }
        } catch {
            fail("a store cannot be read: \(error)")
        }
    }

    private func check(_ folder: FileVault.Folder, of party: TortureParty, needed: Set<String>) throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: "\(party.directory)/\(folder.rawValue)")
        let unnamed = Set(names).subtracting(needed)
        if !unnamed.isEmpty {
            world.trace.note(party.name, "has \(unnamed.sorted().joined(separator: " ")) left")
            fail("\(party.name) keeps \(unnamed.count) files in \(folder.rawValue) that no database names")
        }
        let missing = needed.subtracting(names)
        if !missing.isEmpty { fail("\(party.name) lost \(missing.count) files of \(folder.rawValue)") }
    }
}

extension RoundRecord {
    var includedSites: [SiteID] {
        participation.filter { $0.word == Participation.included.word }.map(\.site)
    }
}

extension RoundID {
    var words: String { "\(kind.rawValue) round \(round), attempt \(attempt)" }
}
