// SPDX-License-Identifier: Apache-2.0
// `consilium site preview`: every field that would leave the hospital for a study, before anybody agrees.

import ArgumentParser
import Federation
import Foundation
import SiteService
import Store
import StudyFiles

struct SitePreviewCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "preview", abstract: "Show everything that would leave this hospital for a study.",
        discussion: """
            Names a study that was offered, or a study file. Shows what the policy has
            against it, the memory and the work of a round, then the egress manifest: every
            field, how it is protected, how many bytes, how often. Nothing else ever leaves.

            Exit status 1: the policy does not allow the study.

            Examples:
              consilium site preview heart-disease
              consilium site preview studies/heart-disease.yaml --json manifest.json
            """)

    @Argument(help: "An offered study's name or the beginning of its hash, or a study file.")
    var study: String

    @OptionGroup var location: SiteLocation
    @OptionGroup var json: JSONOption

    private struct Result: Codable {
        struct Finding: Codable {
            var key: String
            var problem: String
            var hint: String
        }
        struct Field: Codable {
            var name: String
            var count: Int
            var meaning: String
            var isFromPatients: Bool
        }
        struct Item: Codable {
            var kind: String
            var protection: String
            var leastBytes: Int
            var mostBytes: Int
            var occasion: String
            var fields: [Field]
        }
        var study: String
        var hash: String
        var purpose: String
        /// Of a round at its highest, predicted.
        var memoryBytes: Int
        /// Multiplications and additions of a training round; absent for epochs, see `operationsPerRow`.
        var operationsPerRound: Int?
        /// Those that each row costs, for epochs.
        var operationsPerRow: Int?
        var policyFindings: [Finding]
        var leaves: [Item]
    }

    func run() async throws {
        let site = try location.load()
        let policy = try site.policy()
        let study = try await find(site)
        let dataset = try? site.dataset(named: nil, study: study.name, hash: study.hash)
        let machine = site.machine
        let findings = policy.judge(study, federation: nil, dataset: dataset?.name, machine: machine)
        let cost: StudyCost
        do { cost = try StudyCost(study, threads: machine.threads) } catch {
            throw CommandError(.doesNotHold, "the model does not fit the study's table", hint: "the study is wrong")
        }
        let sites =
            study.federation
            .minimumSites...max(
                study.federation.minimumSites, study.federation.numbers.siteCapacity)
        let manifest: EgressManifest
        do { manifest = try EgressManifest(study, sites: sites) } catch {
            throw CommandError(.doesNotHold, "no vector can hold the study's sums", hint: "the study is wrong")
        }
        let console = json.console
        console.line("\(study.title)")
        console.line("purpose: \(study.purpose)")
        console.line("hash \(study.hash)")
        console.line("")
        show(findings, console)
        console.line("a round takes, as this program predicts it; time is not promised:")
        console.line("  memory: about \(Figures.bytes(cost.memoryBytes))")
        let work = StudySummary.work(cost.operationsPerRound(rows: nil), StudySummary.operationsPerRow(cost))
        console.line("  work: \(work)")
        console.line("")
        show(manifest, console)
        try json.write(result(study, cost, findings, manifest))
        if !findings.isEmpty { throw ExitCode(1) }
    }

    private func find(_ site: SiteConfiguration) async throws -> Study {
        if study.hasSuffix(".yaml") || study.contains("/") {
            do { return try StudyFile.load(study) } catch { throw CommandError(error, invalid: .doesNotHold) }
        }
        let record = try await site.study(study)
        guard let found = try? Study(canonicalBytes: record.canonicalBytes) else {
            throw CommandError(.notDone, "this version does not understand the study", hint: "update the program")
        }
        return found
    }

    private func show(_ findings: [PolicyFinding], _ console: Console) {
        guard !findings.isEmpty else { return console.line("the policy allows it\n") }
        console.line("the policy does NOT allow it:")
        for finding in findings {
            console.line("  \(finding.key): \(finding.problem)")
            console.line("    \(finding.hint)")
        }
        console.line("")
    }

    private func show(_ manifest: EgressManifest, _ console: Console) {
        console.line("what would leave, and nothing else:")
        for item in manifest.items {
            let bytes =
                item.bytes.lowerBound == item.bytes.upperBound
                ? "\(item.bytes.upperBound) bytes"
                : item.bytes.lowerBound == 1
                    ? "at most \(item.bytes.upperBound) bytes"
                    : "\(item.bytes.lowerBound) to \(item.bytes.upperBound) bytes"
            console.line("")
            console.line("\(item.kind.rawValue): \(bytes), \(item.occasion.explanation)")
            console.line("  protection: \(item.protection.explanation)")
            for field in item.fields {
                let mark = field.isFromData ? "*" : " "
                let count = field.count == 1 ? "" : " × \(field.count)"
                for (index, line) in Self.wrapped("\(field.name)\(count): \(field.meaning)", width: 74).enumerated() {
                    console.line(index == 0 ? "  \(mark) \(line)" : "      \(line)")
                }
            }
        }
        console.line("")
        console.line("* computed from patients' data")
    }

    /// Lines of at most `width` characters, broken at blanks.
    private static func wrapped(_ text: String, width: Int) -> [String] {
        var lines = [""]
        for word in text.split(separator: " ") {
            let last = lines[lines.count - 1]
            if last.isEmpty {
                lines[lines.count - 1] = String(word)
            } else if last.count + 1 + word.count <= width {
                lines[lines.count - 1] = last + " " + word
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }

    private func result(_ study: Study, _ cost: StudyCost, _ findings: [PolicyFinding], _ manifest: EgressManifest)
        -> Result
    {
        Result(
            study: study.name, hash: study.hash.hex, purpose: study.purpose,
            memoryBytes: cost.memoryBytes, operationsPerRound: cost.operationsPerRound(rows: nil),
            operationsPerRow: StudySummary.operationsPerRow(cost),
            policyFindings: findings.map { .init(key: $0.key, problem: $0.problem, hint: $0.hint) },
            leaves: manifest.items.map { item in
                .init(
                    kind: item.kind.rawValue, protection: item.protection.rawValue,
                    leastBytes: item.bytes.lowerBound, mostBytes: item.bytes.upperBound,
                    occasion: item.occasion.explanation,
                    fields: item.fields.map {
                        .init(name: $0.name, count: $0.count, meaning: $0.meaning, isFromPatients: $0.isFromData)
                    })
            })
    }
}
