// SPDX-License-Identifier: Apache-2.0
// `consilium site policy check` and `site officer`: the files by which a hospital says what it allows, and who may.

import ArgumentParser
import Federation
import Randomness
import Store
import StudyFiles

struct SitePolicyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy", abstract: "Check what this hospital allows.", subcommands: [SitePolicyCheckCommand.self])
}

struct SitePolicyCheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Check a policy.yaml and say what it allows.",
        discussion: """
            Exit status 1: the file is wrong, with line and hint.

            Examples:
              consilium site policy check sites/cleveland/policy.yaml
            """)

    private struct Result: Codable {
        var hash: String
        var federations: [String]
        var tasks: [String]
        var layers: [String]
        var datasets: [String]
        var minimumSites: Int
        /// The limits of a round's memory and work: absent where the policy leaves them to the machine.
        var memoryBytes: Int?
        var operationsPerRound: Int
        var officers: [String]
        var standingApprovals: Int
        var exposesIndividualUpdates: Bool
    }

    @Argument(help: "The policy file (YAML).")
    var file: String

    @OptionGroup var json: JSONOption

    func run() async throws {
        let policy: SitePolicy
        do { policy = try PolicyFile.load(file) } catch { throw CommandError(error, invalid: .doesNotHold) }
        let console = json.console
        func list(_ title: String, _ words: [String]) {
            console.line("\(title): \(words.isEmpty ? "none" : words.joined(separator: ", "))")
        }
        list("federations that may ask", policy.federations)
        list("tasks", policy.tasks.map(\.rawValue))
        list("layers", policy.layers)
        list("data sets", policy.datasets.map { "\($0.name) (\($0.minimumRows) rows or more)" })
        console.line("sites in a sum: \(policy.minimumSites) or more")
        console.line(
            "a study: at most \(policy.compute.rounds) rounds, \(policy.compute.stepsPerRound) steps a round, "
                + "\(policy.compute.parameters) parameters")
        let memory = policy.compute.memoryBytes.map { "\(Figures.count($0)) bytes" } ?? "what the machine has"
        console.line(
            "a round: at most \(memory) of memory, \(Figures.count(policy.compute.allowedOperationsPerRound)) operations"
        )
        list("officers", policy.officers.map(\.name))
        console.line("studies that need no officer: \(policy.standingApprovals.count)")
        if policy.exposesIndividualUpdates {
            console.line("WEAK MODE exposesIndividualUpdates: the aggregator may see this site's own updates")
        }
        try json.write(
            Result(
                hash: policy.hash.hex, federations: policy.federations, tasks: policy.tasks.map(\.rawValue),
                layers: policy.layers, datasets: policy.datasets.map(\.name), minimumSites: policy.minimumSites,
                memoryBytes: policy.compute.memoryBytes,
                operationsPerRound: policy.compute.allowedOperationsPerRound,
                officers: policy.officers.map(\.name), standingApprovals: policy.standingApprovals.count,
                exposesIndividualUpdates: policy.exposesIndividualUpdates))
    }
}

struct SiteOfficerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "officer", abstract: "Make an officer's key and print what policy.yaml needs.",
        discussion: """
            The private key stays in the file, mode 0600: keep it with the officer, not
            with the daemon. It is an Ed25519 key in PEM form, as OpenSSL writes them.

            Examples:
              consilium site officer dpo --out dpo.key
            """)

    private struct Result: Codable {
        var name: String
        var key: String
    }

    @Argument(help: "The officer's name, of a-z, 0-9 and -.")
    var name: String

    @Option(help: ArgumentHelp("The file of the private key; an existing one is not replaced.", valueName: "file"))
    var out: String

    @OptionGroup var json: JSONOption

    func validate() throws {
        guard SiteID(name) != nil else { throw ValidationError("the name may have 1 to 63 of a-z, 0-9 and -") }
    }

    func run() async throws {
        let key: StatementKey
        do {
            try KeyFile.create(out, seed: RandomSource.system.bytes(32))
            key = try KeyFile.load(out)
        } catch { throw CommandError(error) }
        let console = json.console
        console.line("private key in \(out); write into policy.yaml:")
        console.line("")
        console.line("officers:")
        console.line("  - name: \(name)")
        console.line("    key: \(key.publicKey.bytes.hex)")
        try json.write(Result(name: name, key: key.publicKey.bytes.hex))
    }
}
