// SPDX-License-Identifier: Apache-2.0
// `consilium backup` and `consilium restore`: a party's state in one file, and back.

import ArgumentParser
import Store

struct BackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Copy a daemon's state to one file.",
        usage: "consilium backup <dir> --to <file> [--json <file>]",
        discussion: """
            The daemon may run. The file holds studies, decisions, the journal of rounds
            and models; never uploads, rounding seeds or rounds in progress, and no key:
            keep the files named in `tls` apart. It is as secret as the state itself.

            Examples:
              consilium backup /var/lib/consilium --to /backup/site-2026-11-27
            """)

    @Argument(help: "The stateDirectory of the daemon's configuration.")
    var directory: String

    @Option(help: ArgumentHelp("The new file.", valueName: "file"))
    var to: String

    @OptionGroup var json: JSONOption

    func run() async throws {
        let summary: StoreBackup.Summary
        do { summary = try StoreBackup.make(of: directory, to: to) } catch { throw CommandError(error) }
        json.console.line("kept \(summary.words) in \(to)")
        try json.write(summary)
    }
}

struct RestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Bring a daemon's state back from a backup.",
        usage: "consilium restore <file> --to <dir> [--json <file>]",
        discussion: """
            The daemon that starts on the restored state notices it: rounds that were open
            are closed, and a site leaves out of each study the first round that it is
            asked for, which it may have answered before. Never run a daemon on the old
            state again.

            Examples:
              consilium restore /backup/site-2026-11-27 --to /var/lib/consilium
            """)

    @Argument(help: "A file that `consilium backup` made.")
    var file: String

    @Option(help: ArgumentHelp("A new or empty folder.", valueName: "dir"))
    var to: String

    @OptionGroup var json: JSONOption

    func run() async throws {
        let summary: StoreBackup.Summary
        do { summary = try StoreBackup.restore(file, to: to) } catch { throw CommandError(error) }
        json.console.line("restored \(summary.words) to \(to)")
        try json.write(summary)
    }
}

extension StoreBackup.Summary {
    fileprivate var words: String {
        let studies = "\(Figures.count(self.studies)) \(self.studies == 1 ? "study" : "studies")"
        return "\(party), \(studies), \(Figures.plural(models, "model")) of \(Figures.bytes(modelBytes))"
    }
}
