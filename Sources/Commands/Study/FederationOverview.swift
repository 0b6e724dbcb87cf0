// SPDX-License-Identifier: Apache-2.0
// The studies of an aggregator with their rounds, read over its socket and from its store.

import Federation
import PeerTransport
import Simulation
import Store
import WireProtocol

/// What `study status` shows, for screens and as JSON.
struct FederationOverview: Codable, Sendable {
    struct PendingSite: Codable, Sendable {
        var site: String
        var stage: String
        var isConnected: Bool
        /// Bytes or steps done in this stage.
        var count: UInt64
        /// working, slow, silent or away.
        var pace: String
        /// Since its last progress.
        var idleSeconds: Double
        /// Until it is given up if it makes none.
        var remainingSeconds: Double
    }

    struct Member: Codable, Sendable {
        var site: String
        var isConnected: Bool
        /// What it says is in its way; absent when it has not said.
        var obstacles: [String]?

        /// Connected, and able to compute by its own word.
        var isReady: Bool { isConnected && obstacles?.isEmpty == true }

        var words: String {
            if isReady { return "ready" }
            guard isConnected else { return "not connected" }
            return obstacles == nil ? "connected, condition unknown" : "cannot compute"
        }
    }

    struct StudyView: Codable, Sendable {
        var name: String
        var hash: String
        /// gathering, waiting, collecting, summing, completed, degraded or stopped; of a stopped aggregator's study
        /// that has not ended: paused.
        var phase: String
        var explanation: String?
        var round: Int
        var rounds: Int
        var minimumSites: Int
        var requiredSites: [String]
        var acceptedSites: [String]
        /// Why each site that declined has done so.
        var declinedSites: [String: String]
        var pending: [PendingSite]
        var loss: Double?
        var accuracy: Double?
        var auc: Double?
        var bytesUp: Int
        var bytesDown: Int
        var examplesPerSecond: Double?
        var deliveries: Int?
        var model: String?
        /// Why each site that was chosen is not in the latest round that has ended.
        var latestAbsences: [String: String]
        /// Why the latest round that has ended came to nothing.
        var latestFailure: String?
        var roundMetrics: [RoundMetrics]
    }

    var federation: String?
    var isRunning: Bool
    var connectedSites: [String]
    var sites: [Member]
    var studies: [StudyView]

    /// Asks the aggregator, or reads its store when nobody answers.
    static func read(_ location: AggregatorLocation, hash: String?) async throws -> FederationOverview {
        let path = location.socketPath
        do {
            let status = try await ControlClient.status(at: path)
            let studies = try hash.map { [try status.studies.one(startingWith: $0)] } ?? status.studies
            // The store may lie elsewhere than the socket; the live figures do not need it.
            let store = try? AggregatorStore.openReadOnly(directory: location.directory)
            var views: [StudyView] = []
            for study in studies {
                let rounds = try await store?.rounds(study: study.study) ?? []
                views.append(
                    StudyView(
                        study, rounds: rounds, record: try await store?.study(study.study),
                        decisions: try await store?.decisions(study: study.study) ?? []))
            }
            return FederationOverview(
                federation: status.federation, isRunning: true, connectedSites: status.connectedSites,
                sites: status.sites.map {
                    Member(site: $0.site, isConnected: $0.isConnected, obstacles: $0.obstacles)
                }, studies: views)
        } catch let error as TransportError {
            guard let store = try? AggregatorStore.openReadOnly(directory: location.directory) else {
                throw ControlClient.explained(error, path: path)
            }
            return try await stored(store, hash: hash)
        }
    }

    private static func stored(_ store: AggregatorStore, hash: String?) async throws -> FederationOverview {
        var statuses: [StudyStatus] = []
        var views: [String: StudyView] = [:]
        for record in try await store.studies() {
            let rounds = try await store.rounds(study: record.hash)
            let decisions = try await store.decisions(study: record.hash)
            var status = Self.status(of: record, rounds: rounds, decisions: decisions)
            status.deliveries = try await store.deliveries(study: record.hash).count
            statuses.append(status)
            views[status.study.hex] = StudyView(status, rounds: rounds, record: record, decisions: decisions)
        }
        let chosen = try hash.map { [try statuses.one(startingWith: $0)] } ?? statuses
        return FederationOverview(
            federation: nil, isRunning: false, connectedSites: [], sites: [],
            studies: chosen.compactMap { views[$0.study.hex] })
    }

    private static func status(
        of record: StudyRecord, rounds: [RoundRecord], decisions: [DecisionRecord]
    ) -> StudyStatus {
        var status = StudyStatus(study: record.hash, name: record.name, phase: record.outcome ?? "paused")
        status.explanation = record.explanation ?? ""
        status.rounds = (try? Study(canonicalBytes: record.canonicalBytes))?.federation.rounds ?? 0
        let closed = rounds.filter { $0.state == .closed }
        let training = closed.last { $0.id.kind == .training }
        let evaluation = closed.last { $0.id.kind == .evaluation }
        status.roundKind = RoundKind.training.rawValue
        status.round = training?.id.round ?? 0
        status.acceptedSites = decisions.filter(\.isAccepted).map(\.site.rawValue).sorted()
        status.loss = training?.summary?.loss
        status.accuracy = evaluation?.metrics["accuracy"]
        status.auc = evaluation?.metrics["auc"]
        return status
    }

    /// Rounds of a study that have ended, when the store can be read.
    static func endedRounds(in directory: String, study: Digest) async throws -> [RoundRecord] {
        guard let store = try? AggregatorStore.openReadOnly(directory: directory) else { return [] }
        return try await store.rounds(study: study).filter { $0.state != .open }
    }
}

extension FederationOverview.StudyView {
    /// - Parameter rounds: from the store; their traffic counts when the aggregator has forgotten it by a restart.
    init(_ status: StudyStatus, rounds: [RoundRecord], record: StudyRecord?, decisions: [DecisionRecord]) {
        let terms = record.flatMap { try? Study(canonicalBytes: $0.canonicalBytes) }?.federation
        let declined = decisions.compactMap { record -> (String, String)? in
            guard case .declined(let reason) = record.decision else { return nil }
            return (record.site.rawValue, reason.rawValue)
        }
        let up = rounds.reduce(0) { $0 + ($1.summary?.bytesUp ?? 0) }
        let down = rounds.reduce(0) { $0 + ($1.summary?.bytesDown ?? 0) }
        let latest = rounds.last { $0.state != .open }
        let absent = latest?.participation.filter {
            ![Participation.included.word, Participation.notSampled.word].contains($0.word)
        }
        self.init(
            name: status.name, hash: status.study.hex, phase: status.phase,
            explanation: status.explanation.isEmpty ? nil : status.explanation, round: status.round,
            rounds: status.rounds, minimumSites: terms?.minimumSites ?? 1,
            requiredSites: terms?.requiredSites.map(\.rawValue) ?? [], acceptedSites: status.acceptedSites,
            declinedSites: Dictionary(declined, uniquingKeysWith: { first, _ in first }),
            pending: status.pending.map {
                .init(
                    site: $0.site, stage: $0.stage, isConnected: $0.isConnected, count: $0.count, pace: $0.pace,
                    idleSeconds: $0.idleSeconds, remainingSeconds: $0.remainingSeconds)
            },
            loss: status.loss, accuracy: status.accuracy, auc: status.auc,
            bytesUp: max(up, Int(clamping: status.bytesUp)),
            bytesDown: max(down, Int(clamping: status.bytesDown)),
            examplesPerSecond: status.examplesPerSecond > 0 ? status.examplesPerSecond : nil,
            deliveries: status.isFinished && status.phase != "paused" ? status.deliveries : nil,
            model: record?.releasedModel?.hex,
            latestAbsences: Dictionary(
                absent?.map { ($0.site.rawValue, $0.explanation) } ?? [], uniquingKeysWith: { first, _ in first }),
            latestFailure: latest?.state == .abandoned ? latest?.reason : nil,
            roundMetrics: rounds.map { RoundMetrics($0) })
    }
}

extension FederationOverview {
    func print(to console: Console, inDetail: Bool) {
        if let federation {
            console.line("federation \(federation): \(Figures.plural(connectedSites.count, "site")) connected")
        } else {
            console.line("the aggregator is not running; this is what its store holds")
        }
        if studies.isEmpty { console.line("no study") }
        for study in studies {
            console.line()
            console.heading("\(study.name)  \(study.hash.prefix(12))")
            console.line("\(study.phase), round \(study.round) of \(study.rounds)")
            if let explanation = study.explanation { console.line(explanation) }
            let sites = study.acceptedSites
            console.line("sites: \(sites.isEmpty ? "none yet" : sites.joined(separator: ", "))")
            for site in study.pending {
                console.line("  waiting for \(site.site): \(site.stage), at \(site.count), \(site.pace)")
            }
            console.line(
                "loss \(Figures.fixed(study.loss)), accuracy \(Figures.fixed(study.accuracy)), "
                    + "AUC \(Figures.fixed(study.auc))")
            console.line("received \(Figures.bytes(study.bytesUp)), sent \(Figures.bytes(study.bytesDown))")
            if let model = study.model { console.line("model \(model)") }
            if inDetail { for round in study.roundMetrics { console.line(round.line(of: study.rounds)) } }
        }
    }
}
