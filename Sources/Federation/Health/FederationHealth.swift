// SPDX-License-Identifier: Apache-2.0
// What is wrong with a federation and what to do about it, from what its aggregator knows. Pure.

/// A federation at one moment, as far as its aggregator can see.
package struct FederationHealth: Hashable, Sendable {
    /// A site, and whether it could take part now.
    package struct Site: Hashable, Sendable {
        package var name: String
        package var isConnected: Bool
        /// What it says is in its way; nil when it has not said.
        package var obstacles: [SiteObstacle]?

        package init(name: String, isConnected: Bool, obstacles: [SiteObstacle]?) {
            self.name = name
            self.isConnected = isConnected
            self.obstacles = obstacles
        }

        /// Connected with a finished handshake, and able to compute by its own word.
        package var isHealthy: Bool { isConnected && obstacles?.isEmpty == true }
    }

    /// A site that the round under way awaits.
    package struct Awaited: Hashable, Sendable {
        package var site: String
        package var stage: String
        package var count: UInt64
        package var pace: AwaitedSite.Pace
        package var idleSeconds: Double
        package var remainingSeconds: Double

        package init(
            site: String, stage: String, count: UInt64, pace: AwaitedSite.Pace, idleSeconds: Double,
            remainingSeconds: Double
        ) {
            self.site = site
            self.stage = stage
            self.count = count
            self.pace = pace
            self.idleSeconds = idleSeconds
            self.remainingSeconds = remainingSeconds
        }
    }

    /// Why a site is not in the sum of a round.
    package struct Absence: Hashable, Sendable {
        package var site: String
        /// ``Participation/explanation``.
        package var explanation: String

        package init(site: String, explanation: String) {
            self.site = site
            self.explanation = explanation
        }
    }

    /// A study, and the latest round of it that has ended.
    package struct StudyState: Hashable, Sendable {
        package var name: String
        /// gathering, waiting, collecting, summing, paused, or a ``StudyOutcome/word``.
        package var phase: String
        package var explanation = ""
        package var minimumSites = 1
        package var requiredSites: [String] = []
        package var accepted: [String] = []
        /// Why each site that declined has done so.
        package var declined: [String: DeclineReason] = [:]
        package var awaited: [Awaited] = []
        /// Sites that hold the released model.
        package var deliveries = 0
        /// Of the latest round that has ended.
        package var absences: [Absence] = []
        /// Why that round came to nothing.
        package var failure: String?

        package init(name: String, phase: String) {
            self.name = name
            self.phase = phase
        }

        package var hasEnded: Bool { ["completed", "degraded", "stopped"].contains(phase) }
    }

    /// One thing that is not as it should be.
    package struct Finding: Hashable, Sendable, Codable {
        /// A site, a study, or the aggregator.
        package var subject: String
        package var problem: String
        package var remedy: String

        package init(_ subject: String, _ problem: String, remedy: String) {
            self.subject = subject
            self.problem = problem
            self.remedy = remedy
        }
    }

    package var isRunning: Bool
    package var sites: [Site]
    package var studies: [StudyState]

    package init(isRunning: Bool, sites: [Site], studies: [StudyState]) {
        self.isRunning = isRunning
        self.sites = sites
        self.studies = studies
    }

    /// What is wrong, the gravest first: the aggregator, what stops a study, then single sites.
    package var findings: [Finding] {
        var findings: [Finding] = []
        if !isRunning {
            findings.append(
                Finding(
                    "aggregator", "it is not running; no round goes on",
                    remedy: "start it: `systemctl start consilium-aggregator`"))
        }
        for study in studies { findings += self.findings(of: study) }
        // A stopped aggregator knows nothing of its sites.
        if isRunning { findings += sites.compactMap(finding(of:)) }
        return findings
    }

    // MARK: Sites

    private func finding(of site: Site) -> Finding? {
        guard site.isConnected else {
            return Finding(
                site.name, "not connected", remedy: "ask the hospital for what `consilium site status` says")
        }
        guard let obstacles = site.obstacles else {
            return Finding(
                site.name, "connected, but has not said whether it can compute",
                remedy: "wait a moment; if it stays, ask the hospital for its program's version")
        }
        guard let first = obstacles.first else { return nil }
        return Finding(
            site.name, "cannot compute: " + obstacles.map(\.explanation).joined(separator: "; "), remedy: first.remedy)
    }

    private func isPresent(_ name: String) -> Bool { sites.contains { $0.name == name && $0.isConnected } }

    // MARK: Studies

    private func findings(of study: StudyState) -> [Finding] {
        if study.hasEnded { return ended(study) }
        var findings: [Finding] = []
        let present = study.accepted.filter(isPresent)
        if isRunning, ["gathering", "waiting"].contains(study.phase), present.count < study.minimumSites {
            findings.append(
                Finding(
                    study.name,
                    "waits: \(present.count) of at least \(study.minimumSites) sites have accepted and are connected",
                    remedy: "see the sites below; a hospital accepts with `consilium site approve`"))
        }
        if !study.explanation.isEmpty {
            findings.append(Finding(study.name, study.explanation, remedy: "see the aggregator's log"))
        } else if let failure = study.failure {
            findings.append(
                Finding(study.name, "its latest round failed: \(failure)", remedy: "see the sites that were absent"))
        }
        findings += missingRequired(study)
        findings += study.declined.sorted { $0.key < $1.key }.map { site, reason in
            Finding(
                site, "declined \(study.name): \(reason.explanation)", remedy: "agree on it with the hospital")
        }
        let awaited = study.awaited.filter { $0.pace != .working }
        findings += awaited.map { Self.finding(of: $0, in: study) }
        findings += study.absences.filter { absence in !awaited.contains { $0.site == absence.site } }.map {
            Finding($0.site, "not in the latest round of \(study.name): \($0.explanation)", remedy: "ask the hospital")
        }
        return findings
    }

    private func missingRequired(_ study: StudyState) -> [Finding] {
        let missing = study.requiredSites.filter { !study.accepted.contains($0) || isRunning && !isPresent($0) }
        guard !missing.isEmpty else { return [] }
        return [
            Finding(
                study.name,
                "will end as degraded without its required \(missing.count == 1 ? "site" : "sites") "
                    + missing.joined(separator: ", "),
                remedy: "bring them in before the next round opens, or stop the study")
        ]
    }

    private static func finding(of awaited: Awaited, in study: StudyState) -> Finding {
        let position = "\(awaited.stage), at \(awaited.count), last progress \(seconds(awaited.idleSeconds)) ago"
        let left = seconds(awaited.remainingSeconds)
        switch awaited.pace {
        case .working, .slow:
            return Finding(
                awaited.site, "slow, not lost: \(position)", remedy: "nothing; it is waited for while it makes progress"
            )
        case .silent:
            return Finding(
                awaited.site, "silent: \(position)", remedy: "it is given up for this round in \(left) without progress"
            )
        case .away:
            return Finding(
                awaited.site, "lost its connection in \(study.name): \(position)",
                remedy: "it goes on where it was if it is back within \(left)")
        }
    }

    private func ended(_ study: StudyState) -> [Finding] {
        var findings: [Finding] = []
        if study.phase == "degraded" {
            findings.append(
                Finding(
                    study.name, "ended as degraded: \(study.explanation)",
                    remedy: "its model is no success; remove the cause and submit the study anew"))
        }
        let missing = study.accepted.count - study.deliveries
        if missing > 0 {
            findings.append(
                Finding(
                    study.name, "\(missing) of \(study.accepted.count) sites have not confirmed the released model",
                    remedy: "each gets it when it connects"))
        }
        return findings
    }

    private static func seconds(_ value: Double) -> String {
        value < 120 ? "\(Int(value.rounded())) s" : "\(Int((value / 60).rounded())) min"
    }
}
