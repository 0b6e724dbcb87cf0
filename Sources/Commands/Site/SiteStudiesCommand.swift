// SPDX-License-Identifier: Apache-2.0
// `consilium site studies`: what was offered to the hospital, where each study stands, and what is to be done.

import ArgumentParser
import Federation
import Store
import StudyFiles

struct SiteStudiesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "studies", abstract: "List the studies that were offered to this hospital.",
        discussion: """
            Works also when the daemon is stopped.

            Examples:
              consilium site studies
              consilium site studies --config sites/cleveland/site.yaml --json -
            """)

    @OptionGroup var location: SiteLocation
    @OptionGroup var json: JSONOption

    private struct Line: Codable {
        var study: String
        var hash: String
        /// waiting, taking part, paused, declined, withdrawn, or how the study ended.
        var state: String
        /// What there is to do or to know.
        var note: String
        var dataset: String?
        var approvedBy: String?
        var approvedUntil: String?
        /// Rounds to which this hospital's vector went.
        var rounds: Int
    }

    func run() async throws {
        let site = try location.load()
        let store = try site.store()
        var lines: [Line] = []
        for record in try await store.studies() {
            let rounds = try await store.rounds(study: record.hash).filter { $0.state == .delivered }.count
            lines.append(line(record, site: site, rounds: rounds))
        }
        let console = json.console
        if lines.isEmpty { console.line("no study was offered yet") }
        for line in lines {
            console.line("\(line.study)  \(line.hash.prefix(12))")
            console.line("  \(line.state)\(line.note.isEmpty ? "" : ": \(line.note)")")
            if let officer = line.approvedBy, let until = line.approvedUntil {
                console.line("  approved by \(officer) until \(until)")
            }
            console.line("  vectors sent in \(line.rounds) rounds")
        }
        try json.write(lines)
    }

    private func line(_ record: SiteStudyRecord, site: SiteConfiguration, rounds: Int) -> Line {
        let (state, note) = standing(of: record, site: site)
        return Line(
            study: record.name, hash: record.hash.hex, state: state, note: note, dataset: record.dataset,
            approvedBy: record.approval?.approval.officer, approvedUntil: record.approval?.approval.expires.text,
            rounds: rounds)
    }

    private func standing(of record: SiteStudyRecord, site: SiteConfiguration) -> (state: String, note: String) {
        if let outcome = record.outcome { return ("ended", outcome) }
        if record.isWithdrawn { return ("withdrawn", "nothing leaves any more") }
        guard case .declined(let reason) = record.decision else {
            return record.isPaused
                ? ("paused", "`consilium site resume` goes on") : ("taking part", "")
        }
        guard reason == .notApproved || reason == .refusedByPolicy else { return ("declined", reason.explanation) }
        guard let policy = try? site.policy() else {
            return ("waiting", "the policy cannot be read; see `consilium site policy check`")
        }
        if reason == .refusedByPolicy, let study = try? Study(canonicalBytes: record.canonicalBytes),
            let finding = policy.judge(study, federation: nil, dataset: nil).first
        {
            return ("declined", "the policy does not allow it: \(finding.key): \(finding.problem)")
        }
        return ("waiting", "look with `consilium site preview`, then `consilium site approve` or `decline`")
    }
}
