// SPDX-License-Identifier: Apache-2.0
// What the people's command says to an aggregator on the same machine, and the answers.

package import Federation
import Foundation
import SwiftProtobuf

/// A request over the aggregator's control socket.
package enum ControlRequest: Hashable, Sendable {
    /// Canonical bytes of a study.
    case submit([UInt8])
    case status
    case stop(study: Digest)
    /// The aggregator's metrics.
    case metrics
    case membership(MembershipCommand)

    /// What is asked for, for records.
    package var word: String {
        switch self {
        case .submit: "submit"
        case .status: "status"
        case .stop: "stop"
        case .metrics: "metrics"
        case .membership: "membership"
        }
    }
}

/// An answer over the control socket.
package enum ControlReply: Hashable, Sendable {
    case error(message: String, hint: String)
    case submitted(study: Digest, wasKnown: Bool)
    case status(FederationStatus)
    case stopped(study: Digest)
    /// In the text format of Prometheus.
    case metrics(String)
    case membership(MembershipReply)
}

/// What an operator sees of the federation at one moment.
package struct FederationStatus: Hashable, Sendable {
    package var federation: String
    package var connectedSites: [String]
    package var studies: [StudyStatus]
    /// Members, and whoever else is connected or takes part, by name.
    package var sites: [MemberStatus]

    package init(federation: String, connectedSites: [String], studies: [StudyStatus], sites: [MemberStatus]) {
        self.federation = federation
        self.connectedSites = connectedSites
        self.studies = studies
        self.sites = sites
    }
}

/// Whether a site is there and able to compute.
package struct MemberStatus: Hashable, Sendable {
    package var site: String
    package var isConnected: Bool
    /// What keeps it from computing, in the words of ``SiteObstacle``; nil when it has not said so on this connection.
    package var obstacles: [String]?

    package init(site: String, isConnected: Bool, obstacles: [String]?) {
        self.site = site
        self.isConnected = isConnected
        self.obstacles = obstacles
    }

    /// Connected, and says that nothing is in the way.
    package var isHealthy: Bool { isConnected && obstacles?.isEmpty == true }
}

/// What an operator sees of one study.
package struct StudyStatus: Hashable, Sendable {
    package struct PendingSite: Hashable, Sendable {
        package var site: String
        package var stage: String
        package var count: UInt64
        package var isConnected: Bool
        /// ``AwaitedSite/Pace``.
        package var pace: String
        package var idleSeconds: Double
        package var remainingSeconds: Double

        package init(
            site: String, stage: String, count: UInt64, isConnected: Bool, pace: String, idleSeconds: Double,
            remainingSeconds: Double
        ) {
            self.site = site
            self.stage = stage
            self.count = count
            self.isConnected = isConnected
            self.pace = pace
            self.idleSeconds = idleSeconds
            self.remainingSeconds = remainingSeconds
        }
    }

    package var study: Digest
    package var name: String
    /// gathering, waiting, collecting, summing, completed, degraded or stopped.
    package var phase: String
    /// Why the phase is what it is, for people; may be empty.
    package var explanation = ""
    package var roundKind = ""
    package var round = 0
    package var rounds = 0
    package var attempt = 0
    package var acceptedSites: [String] = []
    package var pending: [PendingSite] = []
    /// Of the latest training round.
    package var loss: Double?
    /// Of the latest evaluation round.
    package var accuracy: Double?
    package var auc: Double?
    package var bytesUp: UInt64 = 0
    package var bytesDown: UInt64 = 0
    package var examplesPerSecond = 0.0
    /// Sites that have confirmed the released model.
    package var deliveries = 0

    package init(study: Digest, name: String, phase: String) {
        self.study = study
        self.name = name
        self.phase = phase
    }

    package var isFinished: Bool { ["completed", "degraded", "stopped"].contains(phase) }
}

extension ControlRequest {
    package func encoded() throws -> [UInt8] {
        var message = WireControlRequest()
        switch self {
        case .submit(let bytes): message.submit = .with { $0.study = Data(bytes) }
        case .status: message.status = WireStatusQuery()
        case .stop(let study): message.stop = .with { $0.study = study.data }
        case .metrics: message.metrics = WireMetricsQuery()
        case .membership(let command): message.membership = command.wire
        }
        return try message.serializedBytes()
    }

    package init(decoding bytes: [UInt8]) throws(WireError) {
        let message: WireControlRequest
        do { message = try WireControlRequest(serializedBytes: bytes) } catch { throw .malformed }
        switch message.body {
        case .submit(let submit):
            guard submit.study.count <= WireLimits.studyBytes else { throw .invalidField("study") }
            self = .submit(Array(submit.study))
        case .status: self = .status
        case .stop(let stop): self = .stop(study: try stop.study.digest("study"))
        case .metrics: self = .metrics
        case .membership(let command): self = .membership(try MembershipCommand(command))
        case nil: throw .unknownBody
        }
    }
}

extension ControlReply {
    package func encoded() throws -> [UInt8] {
        var message = WireControlReply()
        switch self {
        case .error(let text, let hint):
            message.error = .with {
                $0.message = text
                $0.hint = hint
            }
        case .submitted(let study, let wasKnown):
            message.submitted = .with {
                $0.study = study.data
                $0.wasKnown = wasKnown
            }
        case .status(let status):
            message.status = .with {
                $0.federation = status.federation
                $0.connectedSites = status.connectedSites
                $0.studies = status.studies.map(\.wire)
                $0.sites = status.sites.map { member in
                    .with {
                        $0.site = member.site
                        $0.connected = member.isConnected
                        $0.reported = member.obstacles != nil
                        $0.obstacles = member.obstacles ?? []
                    }
                }
            }
        case .stopped(let study): message.stopped = .with { $0.study = study.data }
        case .metrics(let text): message.metrics = .with { $0.text = text }
        case .membership(let reply): message.membership = reply.wire
        }
        return try message.serializedBytes()
    }

    package init(decoding bytes: [UInt8]) throws(WireError) {
        let message: WireControlReply
        do { message = try WireControlReply(serializedBytes: bytes) } catch { throw .malformed }
        switch message.body {
        case .error(let error): self = .error(message: error.message, hint: error.hint)
        case .submitted(let submitted):
            self = .submitted(study: try submitted.study.digest("study"), wasKnown: submitted.wasKnown)
        case .status(let status):
            var studies: [StudyStatus] = []
            for study in status.studies { studies.append(try StudyStatus(study)) }
            self = .status(
                FederationStatus(
                    federation: status.federation, connectedSites: status.connectedSites, studies: studies,
                    sites: status.sites.map {
                        MemberStatus(
                            site: $0.site, isConnected: $0.connected, obstacles: $0.reported ? $0.obstacles : nil)
                    }))
        case .stopped(let stopped): self = .stopped(study: try stopped.study.digest("study"))
        case .metrics(let metrics): self = .metrics(metrics.text)
        case .membership(let reply): self = .membership(try MembershipReply(reply))
        case nil: throw .unknownBody
        }
    }
}

extension StudyStatus {
    fileprivate var wire: WireStudyStatus {
        .with {
            $0.study = study.data
            $0.name = name
            $0.phase = phase
            $0.explanation = explanation
            $0.roundKind = roundKind
            $0.round = UInt32(round)
            $0.rounds = UInt32(rounds)
            $0.attempt = UInt32(attempt)
            $0.acceptedSites = acceptedSites
            $0.pending = pending.map { site in
                .with {
                    $0.site = site.site
                    $0.stage = site.stage
                    $0.count = site.count
                    $0.connected = site.isConnected
                    $0.pace = site.pace
                    $0.idleSeconds = site.idleSeconds
                    $0.remainingSeconds = site.remainingSeconds
                }
            }
            if let loss { $0.loss = loss }
            if let accuracy { $0.accuracy = accuracy }
            if let auc { $0.auc = auc }
            $0.bytesUp = bytesUp
            $0.bytesDown = bytesDown
            $0.examplesPerSecond = examplesPerSecond
            $0.deliveries = UInt32(deliveries)
        }
    }

    fileprivate init(_ wire: WireStudyStatus) throws(WireError) {
        self.init(study: try wire.study.digest("study"), name: wire.name, phase: wire.phase)
        explanation = wire.explanation
        roundKind = wire.roundKind
        round = Int(wire.round)
        rounds = Int(wire.rounds)
        attempt = Int(wire.attempt)
        acceptedSites = wire.acceptedSites
        pending = wire.pending.map {
            PendingSite(
                site: $0.site, stage: $0.stage, count: $0.count, isConnected: $0.connected, pace: $0.pace,
                idleSeconds: $0.idleSeconds, remainingSeconds: $0.remainingSeconds)
        }
        loss = wire.hasLoss ? wire.loss : nil
        accuracy = wire.hasAccuracy ? wire.accuracy : nil
        auc = wire.hasAuc ? wire.auc : nil
        bytesUp = wire.bytesUp
        bytesDown = wire.bytesDown
        examplesPerSecond = wire.examplesPerSecond
        deliveries = Int(wire.deliveries)
    }
}
