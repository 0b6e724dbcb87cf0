// SPDX-License-Identifier: Apache-2.0
// `consilium site studies`: what was offered to the hospital, where each study stands, and what is to be done.

import ArgumentParser
import Federation
import ModelFiles
import SiteService
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
        /// This hospital's training rows, and those of all hospitals in the statistics round; about its share of the
        /// sums, whose weights are such rows in units. Known here only.
        var ownRows: Int?
        var allRows: Int?

        var share: String? {
            guard let ownRows, let allRows, allRows > 0 else { return nil }
            let percent = Int((100 * Double(ownRows) / Double(allRows)).rounded())
            return "own part: \(ownRows) of \(allRows) training rows, about \(percent) % of the weight"
        }
    }

    func run() async throws {
        let site = try location.load()
        let store = try site.store()
        var lines: [Line] = []
        for record in try await store.studies() {
            let rounds = try await store.rounds(study: record.hash)
            var line = self.line(record, site: site, rounds: rounds.count { $0.state == .delivered })
            line.ownRows = rounds.last { $0.id.kind == .training && $0.rows != nil }?.rows
            line.allRows = try await Self.allRows(record.hash, in: store, site: site)
            lines.append(line)
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
            if let share = line.share { console.line("  \(share)") }
        }
        try json.write(lines)
    }

    /// What the latest global model says about the rows behind it; nil when there is none, or its file is gone.
    private static func allRows(_ study: Digest, in store: SiteStore, site: SiteConfiguration) async throws -> Int? {
        guard let model = try await store.latestModel(study: study, role: .global)?.blob,
            let file = try? ModelFile.read("\(site.stateDirectory)/models/\(model.digest.hex)")
        else { return nil }
        return (try? StudyModel(file))?.trainingRows
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
            let finding = policy.judge(study, federation: nil, dataset: nil, machine: site.machine).first
        {
            return ("declined", "the policy does not allow it: \(finding.key): \(finding.problem)")
        }
        return ("waiting", "look with `consilium site preview`, then `consilium site approve` or `decline`")
    }
}
