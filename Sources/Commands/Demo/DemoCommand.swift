// SPDX-License-Identifier: Apache-2.0
// `consilium demo`: an aggregator and four hospitals as real processes on this machine.

import ArgumentParser
import ClinicalData
import Federation
import Foundation
import Simulation
import Store
import StudyFiles

struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Run four sample hospitals and a server here.",
        usage: "consilium demo [options]",
        discussion: """
            Makes a federation, starts its aggregator, lets one hospital for each folder in
            sites/ join with a token, starts their daemons, submits the study, follows it, and compares the result with what each
            site reaches alone and with training on all rows in one place.

            The overhead of a training round is its time at the aggregator minus the
            median of the sites' computing times. Wall time runs from the start of the
            daemons to the last site's confirmation of the model. --keep DIR keeps
            configuration, certificates, stores and logs of all parties; its script `start`
            runs a party again.

            Examples:
              consilium demo
              consilium demo --keep consilium-demo --json report.json
              consilium demo --seed 7 --json -
            """)

    @Option(help: ArgumentHelp("Keep everything in this new or empty folder.", valueName: "dir"))
    var keep: String?

    @Option(help: ArgumentHelp("Seed rounding, to repeat a run; insecure by nature.", valueName: "n"))
    var seed: UInt64?

    @Option(help: ArgumentHelp("The study; default: studies/heart-disease.yaml.", valueName: "file"))
    var study: String?

    @Option(help: ArgumentHelp("The sites' folders; default: sites.", valueName: "dir"))
    var sites: String?

    @Option(help: ArgumentHelp("The aggregator's port; default: any free one.", valueName: "n"))
    var port: Int?

    @OptionGroup var json: JSONOption

    func validate() throws {
        guard (0...65_535).contains(port ?? 0) else { throw ValidationError("--port is a number from 0 to 65535") }
    }

    func run() async throws {
        try json.check()
        let console = json.console
        let project = try ProjectFiles.find()
        let study: Study
        let file = self.study ?? project.root.appending(path: "studies/heart-disease.yaml").path
        do { study = try StudyFile.load(file) } catch {
            throw CommandError(error, invalid: .doesNotHold)
        }
        let sites = try SampleSite.all(in: self.sites ?? project.root.appending(path: "sites").path)
        let folder = try DemoFolder(kept: keep)
        let demo = DemoFederation(study: study, sites: sites, folder: folder, project: project, seed: seed)
        console.line("\(study.title): \(Figures.plural(sites.count, "site")), one aggregator, TLS on this machine")
        let report: FederationReport
        do {
            report = try await interruptible { try await perform(demo, console) }
        } catch {
            if keep == nil { folder.remove() }
            throw CommandError(error)
        }
        if keep == nil { folder.remove() }
        ReportText.print(report, to: console)
        if let keep {
            console.line("kept everything in \(keep), the model in \(report.model?.path ?? "none")")
            console.line("to go on: \(keep)/start aggregator, and \(keep)/start \(sites[0].configuration.site)")
        }
        try json.write(report)
        if report.outcome != StudyOutcome.completed.word { throw CommandError.saidAlready }
    }

    private func perform(_ demo: DemoFederation, _ console: Console) async throws -> FederationReport {
        try demo.folder.prepare(sites: demo.sites, port: port ?? 0, project: demo.project)
        let records = try await demo.run(display: SharedDisplay(console, members: demo.sites.count))
        for name in records.killed { console.note("note: \(name) did not stop within ten seconds and was killed") }
        let hash = demo.study.hash
        let tables = demo.sites.compactMap { try? $0.table(for: demo.study, hash: hash)?.table }
        return FederationReport(
            study: records.study, rounds: records.rounds, sites: records.sites,
            seed: seed ?? demo.study.training.seed, wallSeconds: records.seconds,
            pooledReference: try? PooledReference.compute(study: demo.study, tables: tables),
            modelPath: try keptModel(records.study.releasedModel, in: demo.folder))
    }

    /// Copies the released model to where a person finds it.
    private func keptModel(_ digest: Digest?, in folder: DemoFolder) throws -> String? {
        guard keep != nil, let digest else { return nil }
        let copy = folder.root.appending(path: "model.safetensors")
        try FileManager.default.copyItem(
            at: folder.aggregatorState.appending(path: "models/\(digest.hex)"), to: copy)
        return copy.path
    }
}
