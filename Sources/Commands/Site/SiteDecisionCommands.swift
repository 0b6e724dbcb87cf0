// SPDX-License-Identifier: Apache-2.0
// `consilium site approve|decline|pause|resume|withdraw`: what people at a hospital decide about a study.

import ArgumentParser
import ClinicalData
import Federation
import SiteService
import Store
import StudyFiles
import WireProtocol

struct SiteApproveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "approve",
        abstract: "Let a study use a data set, signed with an officer's key.",
        usage: "consilium site approve <study> --officer <name> --officer-key <file>",
        discussion: """
            The table is read and checked first; the approval names its content, the
            policy and a day on which it ends. When one of them changes, it holds no more.

            Examples:
              consilium site approve heart-disease --officer dpo --officer-key dpo.key
              consilium site approve 3f9a --officer dpo --officer-key dpo.key --days 90
            """)

    @OptionGroup var offered: OfferedStudy

    @Option(help: ArgumentHelp("The officer's name in policy.yaml.", valueName: "name"))
    var officer: String

    @Option(help: ArgumentHelp("The officer's private key, mode 0600.", valueName: "file"))
    var officerKey: String

    @Option(help: ArgumentHelp("The data set, when the site has several.", valueName: "name"))
    var dataset: String?

    @Option(help: ArgumentHelp("Days until the approval ends, 1 to 1096.", valueName: "days"))
    var days = 365

    func validate() throws {
        guard (1...1_096).contains(days) else { throw ValidationError("--days must be from 1 to 1096") }
    }

    func run() async throws {
        let site = try offered.location.load()
        let policy = try site.policy()
        let record = try await site.study(offered.study)
        guard let study = try? Study(canonicalBytes: record.canonicalBytes) else {
            throw CommandError(.notDone, "this version does not understand the study", hint: "update the program")
        }
        let chosen = try site.dataset(named: dataset, study: study.name, hash: record.hash)
        try refuse(policy.judge(study, federation: nil, dataset: chosen.name, machine: site.machine))
        let signer: StatementKey
        do { signer = try KeyFile.load(officerKey) } catch { throw CommandError(error) }
        guard policy.officer(named: officer)?.key == signer.publicKey else {
            throw CommandError(
                .doesNotHold, "policy.yaml names no officer of this name with this key",
                hint: "list the officer's name and public key under `officers`")
        }
        let console = offered.json.console
        console.line("reading \(chosen.name) …")
        let table: EncodedTable
        do {
            table = try TableLoader(contract: study.data, mapping: chosen.mapping).load().table
        } catch { throw CommandError(error) }
        let approval = Approval(
            study: record.hash, site: site.site, dataset: chosen.name, contentHash: table.contentHash,
            policyHash: policy.hash, officer: officer,
            expires: EntryTime(seconds: wallMilliseconds() / 1_000 + Int64(days) * 86_400))
        let reply = try await site.ask(.approve(try SignedApproval(approval, signedBy: signer)))
        if case .decided(_, .declined(let reason)) = reply {
            throw CommandError(
                .doesNotHold, "the site still takes no part: \(reason.explanation)", hint: "see the daemon's log")
        }
        try offered.report(reply, of: record, done: "approved until \(approval.expires.text):")
    }

    private func refuse(_ findings: [PolicyFinding]) throws {
        guard let first = findings.first else { return }
        let more = findings.count > 1 ? ", and \(findings.count - 1) more" : ""
        throw CommandError(
            .doesNotHold, "the policy does not allow it: \(first.key): \(first.problem)\(more)",
            hint: "see all with `consilium site preview`")
    }
}

struct SiteDeclineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "decline", abstract: "Refuse a study for good.",
        discussion: """
            Examples:
              consilium site decline heart-disease
            """)

    @OptionGroup var offered: OfferedStudy

    func run() async throws { try await offered.act(.decline, done: "declined for good:") }
}

struct SitePauseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause", abstract: "Take no part in a study's rounds for a while.",
        discussion: """
            A round at work is given up; nothing leaves until `consilium site resume`,
            also not after a restart. The other hospitals go on if the study lets them.

            Examples:
              consilium site pause heart-disease
            """)

    @OptionGroup var offered: OfferedStudy

    func run() async throws { try await offered.act(.pause, done: "paused:") }
}

struct SiteResumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Take part again in a paused study, from its next round on.",
        discussion: """
            Examples:
              consilium site resume heart-disease
            """)

    @OptionGroup var offered: OfferedStudy

    func run() async throws { try await offered.act(.resume, done: "resumed:") }
}

struct SiteWithdrawCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "withdraw", abstract: "End this hospital's part in a study for good.",
        discussion: """
            Nothing leaves any more. What has left cannot come back: it is part of sums
            and of the models made from them.

            Examples:
              consilium site withdraw heart-disease
            """)

    @OptionGroup var offered: OfferedStudy

    func run() async throws {
        try await offered.act(.withdraw, done: "withdrawn for good (what has left cannot come back):")
    }
}
