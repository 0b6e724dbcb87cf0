// SPDX-License-Identifier: Apache-2.0
// `consilium federation init`: the one time at which a federation's root exists online.

import AggregatorService
import ArgumentParser
import Enrolment
import Federation
import Foundation
import Randomness
import Store

struct FederationInitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Make a new federation: its authority and the aggregator's keys.",
        usage: "consilium federation init <name> --directory <dir> [options]",
        discussion: """
            Writes the aggregator's configuration and keys into one folder, and the root's
            key, encrypted under a passphrase, into another. Take that other folder to a
            medium that is never online: nothing but a new issuing certificate, once a
            year, needs it. The passphrase is asked for, or read from --passphrase-file.

            Examples:
              consilium federation init hearts.example.org --directory /etc/consilium \\
                --offline /media/usb/root --host aggregator.example.org
            """)

    private struct Result: Codable {
        var federation: String
        var directory: String
        var offline: String
        var rootHash: String
    }

    @Argument(help: "The federation's name, like a host's: hearts.example.org.")
    var name: String

    @Option(help: ArgumentHelp("The aggregator's folder; made when absent.", valueName: "dir"))
    var directory: String

    @Option(help: ArgumentHelp("The folder to take offline; made when absent.", valueName: "dir"))
    var offline: String

    @Option(help: ArgumentHelp("Name or address of the aggregator; again for more.", valueName: "name"))
    var host: [String]

    @Option(help: ArgumentHelp("The passphrase is this file's first line.", valueName: "file"))
    var passphraseFile: String?

    @Option(help: ArgumentHelp("Who lets new sites in: operator or members.", valueName: "word"))
    var newMembers: NewMembers = .operator

    @OptionGroup var json: JSONOption

    enum NewMembers: String, CaseIterable, ExpressibleByArgument {
        case `operator`
        case members
    }

    func validate() throws {
        guard PartyName.isFederation(name) else {
            throw ValidationError("a federation's name is like a host's: a-z, 0-9, hyphens, and dots between labels")
        }
        guard !host.isEmpty else { throw ValidationError("name the aggregator by --host") }
    }

    func run() async throws {
        try json.check()
        let passphrase = try Passphrase.new(file: passphraseFile)
        let offline = URL(fileURLWithPath: self.offline).standardizedFileURL.path
        let directory = URL(fileURLWithPath: self.directory).standardizedFileURL.path
        let plan = AuthorityFolder.Plan(
            federation: name, hosts: host, newMembers: newMembers == .members ? .vouched : .trustOperator)
        let rootHash = try NewFederation.make(plan, directory: directory, offline: offline, passphrase: passphrase)
        try writeConfiguration(directory + "/aggregator.yaml")
        let console = json.console
        console.line("made the federation \(name)")
        console.line("aggregator: consilium-aggregator --config \(directory)/aggregator.yaml")
        console.line("TAKE OFFLINE NOW: \(offline), which holds the root's key under your passphrase")
        console.line("next: consilium federation invite <hospital> --state \(directory)/state")
        try json.write(
            Result(
                federation: name, directory: directory, offline: offline, rootHash: rootHash.hex))
    }

    private func writeConfiguration(_ path: String) throws {
        guard !SecretFile.exists(path) else { return }
        let text = """
            # The aggregator of \(name); `consilium-aggregator --config-reference` explains every key.
            federation: \(name)
            stateDirectory: state
            keysDirectory: keys
            listen: {host: 0.0.0.0, port: 7443}
            enrolment: {port: 7444, name: \(host[0])}

            """
        try SecretFile.writePublic(Array(text.utf8), to: path)
    }
}

/// What `federation init` and the demo do.
enum NewFederation {
    /// Makes the keys in `directory`, and the root under its passphrase in `offline`.
    ///
    /// - Returns: SHA-256 of the root's SubjectPublicKeyInfo.
    static func make(
        _ plan: AuthorityFolder.Plan, directory: String, offline: String, passphrase: [UInt8]
    ) throws -> Digest {
        let random = RandomSource.system
        try SecretFile.prepareFolder(offline)
        try SecretFile.prepareFolder(directory)
        guard !SecretFile.exists(offline + "/root.key") else {
            throw CommandError(.notDone, "there is a root in \(offline) already", hint: "name a new folder")
        }
        let (root, rootKey) = try AuthorityFolder.make(
            plan, at: directory + "/keys", now: wallSeconds(), random: random)
        let locked = try EncryptedKey.lock(
            rootKey, passphrase: passphrase, salt: random.bytes(16), iv: random.bytes(16))
        try SecretFile.write(Array(locked.utf8), to: offline + "/root.key")
        try SecretFile.writePublic(Array(PEM.text(root).utf8), to: offline + "/root.pem")
        return rootKey.publicKeyHash
    }
}
