// SPDX-License-Identifier: Apache-2.0
// `consilium site join`, and `federation join` for operators and auditors: from a token to a certificate.

import ArgumentParser
import Enrolment
import Federation
import Foundation
import PeerTransport
import SiteService
import Store

/// What both commands do.
struct JoinArguments: ParsableArguments {
    @Argument(help: "The token; left out, an interrupted join goes on.")
    var token: String?

    @Option(help: ArgumentHelp("Read the token from this file; - is standard input.", valueName: "file"))
    var tokenFile: String?

    @Option(help: ArgumentHelp("The folder for keys; made when absent.", valueName: "dir"))
    var directory: String = "keys"

    func validate() throws {
        guard token == nil || tokenFile == nil else { throw ValidationError("give the token once") }
    }

    private struct Result: Codable {
        var role: String
        var name: String
        var federation: String
        var words: String
        var expires: String
        var directory: String
    }

    /// Joins, and writes the result.
    ///
    /// - Parameter roles: what the token must be for.
    func join(as roles: Set<PartyRole>, json: JSONOption) async throws {
        try json.check()
        let console = json.console
        let folder = try PartyFolder(directory)
        guard let token = try given() ?? folder.pendingToken() else {
            throw CommandError(
                .wrongUse, "there is no token, and no join to go on with in \(directory)",
                hint: "give the token that the operator handed you")
        }
        let shown = Shown()
        let certificate: IssuedCertificate
        do {
            certificate = try await interruptible {
                try await JoinClient(folder: folder, clock: { wallSeconds() }).join(token) { progress in
                    await shown.show(progress, console)
                }
            }
        } catch let error as EnrolmentError {
            throw CommandError(.doesNotHold, "not joined: \(error.explanation)", hint: "")
        }
        guard roles.contains(certificate.party.role) else {
            throw CommandError(
                .doesNotHold, "joined as \(certificate.party), which is not what this command is for",
                hint: "sites use `consilium site join`, people `consilium federation join`")
        }
        let expires = EntryTime(seconds: certificate.notAfter).text
        console.line("joined \(certificate.federation) as \(certificate.party); the keys are in \(folder.path)")
        console.line("the certificate holds until \(expires); the daemon renews it")
        let words = await shown.words
        try json.write(
            Result(
                role: certificate.party.role.rawValue, name: certificate.party.id.rawValue,
                federation: certificate.federation, words: words, expires: expires, directory: folder.path))
    }

    private func given() throws -> JoinToken? {
        var text = token
        if let tokenFile {
            let data =
                tokenFile == "-"
                ? try FileHandle.standardInput.readToEnd() : FileManager.default.contents(atPath: tokenFile)
            guard let data else { throw CommandError(.notDone, "cannot read \(tokenFile)", hint: "check the path") }
            text = String(decoding: data, as: UTF8.self)
        }
        guard let text else { return nil }
        do { return try JoinToken(text: text) } catch {
            throw CommandError(.wrongUse, error.explanation, hint: "the token begins with fl1.")
        }
    }
}

/// What has been said already.
private actor Shown {
    private(set) var words = ""
    private var isUnreachable = false

    func show(_ progress: JoinClient.Progress, _ console: Console) {
        switch progress {
        case .waiting(let six):
            isUnreachable = false
            guard words != six.description else { return }
            words = six.description
            console.note("your six words: \(words)")
            console.note("the operator will call you and compare them; waiting for approval (Ctrl-C is safe)")
        case .unreachable(let code):
            guard !isUnreachable else { return }
            isUnreachable = true
            console.note("the aggregator cannot be reached (\(code.rawValue)); trying again")
        }
    }
}

/// `consilium site join`.
struct SiteJoinCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "join",
        abstract: "Join a federation with the token of its operator.",
        usage: "consilium site join [<token>] [--directory <dir>] [options]",
        discussion: """
            Makes this hospital's keys, which never leave the folder, proves the token to
            the aggregator that it names, and to no other, and waits until the operator
            has compared six words with you by telephone. It may be interrupted at any
            time: run it again without a token. site.yaml's `keysDirectory` is the folder.

            Examples:
              consilium site join fl1.ARyl2HdF... --directory /etc/consilium/keys
              consilium site join --token-file token.txt --directory keys --json -
            """)

    @OptionGroup var arguments: JoinArguments
    @OptionGroup var json: JSONOption

    func run() async throws { try await arguments.join(as: [.site], json: json) }
}

/// `consilium federation join`.
struct FederationJoinCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "join",
        abstract: "Become an operator or auditor with a token.",
        usage: "consilium federation join [<token>] [--directory <dir>] [options]",
        discussion: """
            Works as `consilium site join` does. With the keys, --remote and --keys reach
            the aggregator from anywhere; an auditor only looks.

            Examples:
              consilium federation join fl1.ARyl2HdF... --directory ~/consilium-keys
            """)

    @OptionGroup var arguments: JoinArguments
    @OptionGroup var json: JSONOption

    func run() async throws { try await arguments.join(as: [.operator, .auditor], json: json) }
}
