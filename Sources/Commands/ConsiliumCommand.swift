// SPDX-License-Identifier: Apache-2.0
// The root of the people's command: nouns, then verbs.

import ArgumentParser
import Federation

/// `consilium`.
struct ConsiliumCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consilium",
        abstract: "Train one medical model in many hospitals; no record leaves any.",
        discussion: """
            Exit status: 0 done; 1 the thing asked about does not hold; 2 wrong use;
            3 could not be done. Errors go to standard error, results to standard output.

            Examples:
              consilium demo
              consilium simulate studies/heart-disease.yaml --sites sites
              consilium study check studies/heart-disease.yaml
              consilium data check --study studies/heart-disease.yaml \\
                --site sites/cleveland/site.yaml
            """,
        version: programVersion,
        subcommands: [
            DemoCommand.self, SimulateCommand.self, FederationCommand.self, StudyCommand.self, SiteCommand.self,
            DataCommand.self, ModelCommand.self, BackupCommand.self, RestoreCommand.self, CompletionsCommand.self,
        ])
}

/// `consilium completions SHELL`.
struct CompletionsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "completions",
        abstract: "Print a completion script for a shell.",
        discussion: """
            Examples:
              consilium completions bash > /etc/bash_completion.d/consilium
              consilium completions zsh > "${fpath[1]}/_consilium"
              consilium completions fish > ~/.config/fish/completions/consilium.fish
            """)

    enum Shell: String, CaseIterable, ExpressibleByArgument {
        case bash
        case zsh
        case fish
    }

    @Argument(help: "bash, zsh or fish.")
    var shell: Shell

    func run() throws {
        let script = ConsiliumCommand.completionScript(for: CompletionShell(rawValue: shell.rawValue) ?? .bash)
        Console.standard().raw(script.hasSuffix("\n") ? script : script + "\n")
    }
}
