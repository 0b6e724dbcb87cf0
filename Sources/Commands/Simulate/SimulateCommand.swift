// SPDX-License-Identifier: Apache-2.0
// `consilium simulate`: a whole federation in this process, as often as asked.

import ArgumentParser
import Federation
import Foundation
import Glibc
import Logging
import NIOPosix
import Simulation
import StudyFiles

struct SimulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Run a study in one process, with the real code.",
        usage: "consilium simulate <study> --sites <dir> [options]",
        discussion: """
            The aggregator and the sites of DIR/*/site.yaml run in this process over an
            in-memory network. The seed replaces the study's own (and so changes its
            hash) and seeds rounding and faults: the same seed gives the same model, bit
            for bit, unless there are faults. --copies N makes N sites of each, all with
            the same rows. Overhead and time are defined in `consilium demo --help`.

            Examples:
              consilium simulate studies/heart-disease.yaml --sites sites
              consilium simulate studies/heart-disease.yaml --sites sites --seeds 5
              consilium simulate studies/heart-disease.yaml --sites sites --faults heavy
              consilium simulate studies/heart-disease.yaml --sites sites \\
                --json run.json --csv tables
            """)

    @Argument(help: "The study file (YAML).")
    var study: String

    @Option(help: ArgumentHelp("A folder with a folder for each site.", valueName: "dir"))
    var sites: String

    @Option(help: ArgumentHelp("The seed; default: the study's own.", valueName: "n"))
    var seed: UInt64?

    @Option(help: ArgumentHelp("Repeat with so many consecutive seeds.", valueName: "n"))
    var seeds = 1

    @Option(help: ArgumentHelp("Make so many sites of each.", valueName: "n"))
    var copies = 1

    @Option(help: "Faults of the network: none, light or heavy.")
    var faults: FaultProfile = .none

    @Option(help: ArgumentHelp("Write tables for R and Python into this folder.", valueName: "dir"))
    var csv: String?

    @OptionGroup var json: JSONOption

    func validate() throws {
        guard (1...1_000).contains(seeds) else { throw ValidationError("--seeds is a number from 1 to 1000") }
        guard (1...1_000).contains(copies) else { throw ValidationError("--copies is a number from 1 to 1000") }
        guard (seed ?? 0).addingReportingOverflow(UInt64(seeds)).overflow == false else {
            throw ValidationError("--seed is too large for --seeds")
        }
    }

    func run() async throws {
        try json.check()
        let tables = try csv.map { try makeTablesFolder($0) }
        let console = json.console
        let plan: SimulationPlan
        do { plan = try SimulationPlan(study: study, sites: sites, copies: copies) } catch {
            throw CommandError(error, invalid: .doesNotHold)
        }
        for note in plan.notes { console.note("note: \(note)") }
        let first = seed ?? plan.study.training.seed
        let reports = try await interruptible {
            var reports: [FederationReport] = []
            for seed in first..<first + UInt64(seeds) {
                let display = SharedDisplay(console, members: plan.members.count, isSilent: seeds > 1)
                reports.append(try await plan.run(seed: seed, faults: faults, display: display))
                if seeds > 1 { console.line("seed \(seed): \(reports[reports.count - 1].outcome)") }
            }
            return reports
        }
        if let tables {
            do { try ReportTables(reports).write(to: tables) } catch { throw CommandError(error) }
        }
        if reports.count == 1 {
            ReportText.print(reports[0], to: console)
            try json.write(reports[0])
        } else {
            let comparison = SeedComparison(runs: reports)
            ReportText.print(comparison, to: console)
            try json.write(comparison)
        }
        if reports.contains(where: { $0.outcome != StudyOutcome.completed.word }) { throw CommandError.saidAlready }
    }
}

/// Makes the folder for tables before the work, not after it.
private func makeTablesFolder(_ path: String) throws -> URL {
    let folder = URL(fileURLWithPath: path)
    do { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) } catch {
        throw CommandError(
            .notDone, "the folder \(path) cannot be made", hint: "check the name, and that its parent may be written")
    }
    guard access(path, W_OK) == 0 else {
        throw CommandError(.notDone, "the folder \(path) may not be written", hint: "name another folder")
    }
    return folder
}

extension FaultProfile: ExpressibleByArgument {}
