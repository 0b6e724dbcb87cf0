// SPDX-License-Identifier: Apache-2.0
// `consilium federation status`: one screen about what is wrong and what to do.

import ArgumentParser
import Federation
import Foundation
import Simulation

struct FederationStatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Say in one screen what is wrong and what to do.",
        discussion: """
            A site is ready when it is connected and says that its policy, data and disk
            let it compute. Works also when the aggregator is stopped: then it shows what
            its store holds. Exit status 1 when something is wrong.

            Examples:
              consilium federation status --state /var/lib/consilium
              consilium federation status --state /var/lib/consilium --json -
            """)

    @OptionGroup var location: AggregatorLocation
    @OptionGroup var json: JSONOption

    func run() async throws {
        try json.check()
        let overview = try await FederationOverview.read(location, hash: nil)
        let view = FederationStatusView(overview)
        view.print(to: json.console)
        try json.write(view)
        if !view.findings.isEmpty { throw CommandError.saidAlready }
    }
}

/// The screen, for people and as JSON.
struct FederationStatusView: Codable, Sendable {
    struct Round: Codable, Sendable {
        var kind: String
        var round: Int
        var attempt: Int
        /// closed or abandoned.
        var state: String
        var survivors: Int
        /// How much of the sum each survivor is if all weigh the same; true weights stay at the sites.
        var equalShare: Double?
        /// The word for why each other site is not in it.
        var absences: [String: String]
    }

    struct Study: Codable, Sendable {
        var name: String
        var hash: String
        var phase: String
        var round: Int
        var rounds: Int
        var requiredSites: [String]
        /// The latest round that has ended.
        var latest: Round?
    }

    /// Lists longer than this are cut on the screen; JSON has all.
    private static let shownFindings = 6
    private static let shownSites = 12

    var federation: String?
    var isRunning: Bool
    var findings: [FederationHealth.Finding]
    var sites: [FederationOverview.Member]
    var studies: [Study]

    init(_ overview: FederationOverview) {
        federation = overview.federation
        isRunning = overview.isRunning
        findings = overview.health.findings
        sites = overview.sites
        studies = overview.studies.map { study in
            Study(
                name: study.name, hash: study.hash, phase: study.phase, round: study.round, rounds: study.rounds,
                requiredSites: study.requiredSites,
                latest: study.latestEnded.map { round in
                    let absent = round.participation.filter { $0.outcome != Participation.included.word }
                    return Round(
                        kind: round.kind, round: round.round, attempt: round.attempt, state: round.state,
                        survivors: round.survivors,
                        equalShare: round.survivors > 0 ? 1 / Double(round.survivors) : nil,
                        absences: Dictionary(
                            absent.map { ($0.site, $0.outcome) }, uniquingKeysWith: { first, _ in first }))
                })
        }
    }

    func print(to console: Console) {
        let ready = sites.filter(\.isReady).count
        if isRunning {
            let running = studies.filter { !$0.hasEnded }.count
            console.line(
                "federation \(federation ?? ""): \(ready) of \(Figures.plural(sites.count, "site")) ready, "
                    + "\(running == 1 ? "1 study" : "\(running) studies") under way")
        } else {
            console.line("the aggregator is not running; this is what its store holds")
        }
        console.line()
        if findings.isEmpty { console.line("nothing is wrong") }
        for finding in findings.prefix(Self.shownFindings) {
            console.line("\(finding.subject): \(finding.problem)")
            console.line("-> \(finding.remedy)", indent: 2)
        }
        if findings.count > Self.shownFindings {
            console.line("and \(findings.count - Self.shownFindings) more; --json - shows all")
        }
        if !sites.isEmpty { console.line() }
        for site in sites.prefix(Self.shownSites) { console.line("\(site.site)  \(site.words)", indent: 2) }
        if sites.count > Self.shownSites { console.line("and \(sites.count - Self.shownSites) more", indent: 2) }
        for study in studies.suffix(3) { study.print(to: console) }
    }
}

extension FederationStatusView.Study {
    fileprivate var hasEnded: Bool { ["completed", "degraded", "stopped"].contains(phase) }

    fileprivate func print(to console: Console) {
        console.line()
        console.line("\(name)  \(hash.prefix(12))  \(phase), round \(round) of \(rounds)")
        guard let latest else { return }
        let all = latest.survivors + latest.absences.count
        var text = "\(latest.kind) round \(latest.round): \(latest.survivors) of \(Figures.plural(all, "site"))"
        text += latest.state == "closed" ? " in the sum" : " delivered, and it came to nothing"
        if let equalShare = latest.equalShare, latest.state == "closed" {
            text += String(format: ", %.0f %% each if they weigh the same", equalShare * 100)
        }
        console.line(text, indent: 2)
    }
}
