// SPDX-License-Identifier: Apache-2.0
// A site is lost at each step of each kind of round: the others go on, or try again, and it comes back.

import Federation
import Foundation
import NeuralNetworks
import Store
import Testing
import WireProtocol

/// Where in a round the line breaks.
enum LossPoint: String, CaseIterable, Sendable {
    case asked, downloadRequested, downloading, computing, computed, offered
    case uploadingFirst, uploadingSecond, uploadingHalf, uploadingLast
    case delivered

    /// The participation words that may be recorded.
    var words: Set<String> {
        switch self {
        case .asked: ["connectionLost:asked"]
        case .downloadRequested, .downloading: ["connectionLost:asked", "connectionLost:downloading"]
        case .computing: ["connectionLost:computing", "connectionLost:downloading"]
        // The last progress message may not have been due.
        case .computed, .offered, .uploadingFirst, .uploadingSecond, .uploadingHalf, .uploadingLast:
            ["connectionLost:asked", "connectionLost:downloading", "connectionLost:computing"]
        case .delivered: ["included"]
        }
    }

    func happens(in kind: RoundKind) -> Bool {
        switch self {
        case .downloadRequested, .downloading: kind != .statistics
        case .computing: kind == .training
        default: true
        }
    }

    /// Breaks the line in the first round of `kind`.
    func breaks(_ line: Line, in kind: RoundKind) {
        let point = self
        let round = CurrentKind()
        line.cutWhen { passing in
            if case .fromAggregator(.roundOpen(let task)) = passing { round.set(task.id.kind) }
            guard round.kind == kind else { return .pass }
            switch (point, passing) {
            case (.asked, .fromAggregator(.roundOpen)), (.downloading, .download),
                (.computing, .fromSite(.progress(_, .computing, _))), (.computed, .fromSite(.uploadOffer)),
                (.downloadRequested, .fromSite(.blobRequest)), (.offered, .fromAggregator(.uploadReady)),
                (.delivered, .fromAggregator(.uploadResult)):
                return .cut
            case (.uploadingFirst, .upload): return .cutAfter(bytes: 0)
            case (.uploadingSecond, .upload): return .cutAfter(bytes: 1)
            case (.uploadingHalf, .upload(_, let count)): return .cutAfter(bytes: count / 2)
            case (.uploadingLast, .upload(_, let count)): return .cutAfter(bytes: count - 1)
            default: return .pass
            }
        }
    }
}

struct Loss: Sendable, CustomTestStringConvertible {
    var point: LossPoint
    var kind: RoundKind

    static let all = RoundKind.allCases.flatMap { kind in
        LossPoint.allCases.filter { $0.happens(in: kind) }.map { Loss(point: $0, kind: kind) }
    }

    var testDescription: String { "\(kind.rawValue) \(point.rawValue)" }

    /// The number of the round in which it happens, and of the training round after it.
    var round: Int { kind == .statistics ? 0 : 1 }
}

@Suite(.timeLimit(.minutes(3)))
struct LostSiteTests {
    private static func plans(gate: Gate, gatedRound: Int) -> ([SitePlan], [SteadyUpdate]) {
        let updates = [0.1, 0.2, 0.3, 0.4].map { SteadyUpdate($0, gatedRound: gatedRound, gate: gate) }
        return (zip(["a", "b", "c", "lost"], updates).map { SitePlan($0, updates: $1) }, updates)
    }

    @Test(arguments: Loss.all)
    func aRoundClosesWithoutALostSiteThatContributesAgainWhenItIsBack(_ loss: Loss) async throws {
        try await Self.lose(loss, over: .memory)
    }

    @Test(arguments: Loss.all.filter { $0.kind == .training })
    func theSameHoldsOverTLS(_ loss: Loss) async throws {
        try await Self.lose(loss, over: .tls)
    }

    private static func lose(_ loss: Loss, over transport: TestTransport) async throws {
        let gate = Gate()
        let (plans, updates) = Self.plans(gate: gate, gatedRound: loss.round + 1)
        let progress = ProgressTerms(
            joinSeconds: 60, stallSeconds: 120, stragglerFactor: 1, stragglerSeconds: 1, absenceSeconds: 120,
            attempts: 3)
        let study = TestStudy.make(rounds: loss.round + 2, progress: progress)
        try await TestFederation.run(study, plans, over: transport, isSubmitted: false) { federation in
            let line = federation["lost"].line
            loss.point.breaks(line, in: loss.kind)
            try await federation.submit()
            let words = try await federation.words(loss.kind, loss.round)
            for site in ["a", "b", "c"] { #expect(words[site] == "included") }
            let word = try #require(words["lost"])
            #expect(loss.point.words.contains(word), "\(word)")
            #expect(line.isDown)

            // The next training round waits at the gate; the site is not in it, but must be in the one after.
            let offers = line.decisions
            try await eventually("the next training round is open") {
                try await federation.round(.training, loss.round + 1) != nil
            }
            line.restore()
            try await eventually("the site decides again") { line.decisions > offers }
            gate.open()
            let record = try await federation.finish(deliveries: 4)
            #expect(record.outcome == "completed")
            let next = try await federation.words(.training, loss.round + 1)
            // A round that ends with the very upload may be followed before the loss is noticed.
            if loss.point != .delivered { #expect(next["lost"] == "notConnected") }
            #expect(
                try await federation.words(.training, loss.round + 2)
                    == ["a": "included", "b": "included", "c": "included", "lost": "included"])
            for update in updates {
                #expect(Set(update.rounds).count == update.rounds.count, "no round was computed twice")
            }
            // The model of the next round is that of those in it.
            let changes = zip(["a", "b", "c", "lost"], [0.1, 0.2, 0.3, 0.4]).filter { next[$0.0] == "included" }
            let before = try await federation.parameters(after: loss.round)
            let after = try await federation.parameters(after: loss.round + 1)
            let weights = try await federation.weights(changes.map(\.0))
            let mean = zip(weights, changes).map { $0 * $1.1 }.reduce(0, +) / weights.reduce(0, +)
            for (old, new) in zip(before, after) { #expect(abs(Double(new - old) - mean) < 1 / 32_767) }
            try await federation.spoolIsCleared()
            try await eventually("the sites have forgotten their vectors") {
                try ["a", "b", "c", "lost"].allSatisfy { try federation.uploads(at: $0).isEmpty }
            }
        }
    }

    @Test(arguments: [LossPoint.asked, .computed, .uploadingHalf], RoundKind.allCases)
    func aRoundBelowTheMinimumIsAbandonedAndTriedAgain(_ point: LossPoint, _ kind: RoundKind) async throws {
        let progress = ProgressTerms(
            joinSeconds: 60, stallSeconds: 10, stragglerFactor: 1_000, stragglerSeconds: 120, absenceSeconds: 120,
            attempts: 30)
        let study = TestStudy.make(rounds: 1, minimumSites: 4, progress: progress)
        let plans = zip(["a", "b", "c", "lost"], [0.1, 0.2, 0.3, 0.4] as [Float])
            .map { SitePlan($0, updates: SteadyUpdate($1)) }
        let number = kind == .statistics ? 0 : 1
        try await TestFederation.run(study, plans, isSubmitted: false) { federation in
            let line = federation["lost"].line
            point.breaks(line, in: kind)
            try await federation.submit()
            let words = try await federation.words(kind, number)
            #expect(words["lost"]?.hasPrefix("connectionLost:") == true)
            let first = try #require(try await federation.round(kind, number))
            #expect(first.state == .abandoned)
            #expect(first.reason == "tooFewSites")
            #expect(try await federation.progress().phase == "waiting")
            line.restore()
            let record = try await federation.finish(deliveries: 4)
            #expect(record.outcome == "completed")
            let closed = try await federation.rounds().filter { $0.state == .closed }
            #expect(closed.map(\.id.kind) == [.statistics, .training, .evaluation])
            #expect(closed.allSatisfy { $0.summary?.survivors == 4 })
            try await federation.spoolIsCleared()
        }
    }

    @Test
    func aStudyWhoseRoundFailsAtEveryAttemptEndsAsDegraded() async throws {
        let progress = ProgressTerms(
            joinSeconds: 60, stallSeconds: 120, stragglerFactor: 1_000, stragglerSeconds: 120, absenceSeconds: 120,
            attempts: 3)
        let plans = [SitePlan("a"), SitePlan("b", updates: SteadyUpdate(.nan))]
        let study = TestStudy.make(rounds: 1, minimumSites: 2, progress: progress)
        try await TestFederation.run(study, plans) { federation in
            let record = try await federation.finish()
            #expect(record.outcome == "degraded")
            #expect(record.explanation?.hasPrefix("training round 1 failed 3 times: ") == true)
            for attempt in 1...3 {
                let round = try #require(try await federation.round(.training, 1, attempt: attempt))
                #expect(round.state == .abandoned)
                #expect(round.participation.first { $0.site.rawValue == "b" }?.word == "withheld:nonFinite")
            }
            try await federation.spoolIsCleared()
        }
    }
}

/// The kind of the round that a line carries at the moment.
private final class CurrentKind: Sendable {
    private let value = LockedValue<RoundKind?>(nil)

    var kind: RoundKind? { value.get() }
    func set(_ kind: RoundKind) { value.set(kind) }
}

extension Line {
    /// Decisions that went to the aggregator.
    var decisions: Int {
        passed.count { passing in
            if case .fromSite(.decision) = passing { true } else { false }
        }
    }
}

extension TestFederation {
    /// The weights q of these sites.
    func weights(_ names: [String]) async throws -> [Double] {
        var weights: [Double] = []
        for name in names {
            let rows = try await self[name].store.rounds(study: hash).compactMap(\.rows)
            weights.append(Double(study.federation.numbers.weight(rows: try #require(rows.first))))
        }
        return weights
    }
}
