// SPDX-License-Identifier: Apache-2.0
// `consilium federation invite | approve | decline | revoke | roster`.

import ArgumentParser
import Enrolment
import Federation
import Foundation
import Glibc
import WireProtocol

struct FederationInviteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "invite",
        abstract: "Make a join token, for one use by one party.",
        usage: "consilium federation invite <name> --state <dir> [options]",
        discussion: """
            Hand the token over by a way that others do not read. It is worth nothing
            after its first use, after its end, or after five tries with a wrong secret.

            Examples:
              consilium federation invite cleveland --state /etc/consilium/state
              consilium federation invite north --role auditor --hours 2 --state state
            """)

    private struct Result: Codable {
        var name: String
        var role: String
        var token: String
        var expires: String
    }

    @OptionGroup var party: PartyArguments

    @Option(help: ArgumentHelp("Hours until it ends, at most 720.", valueName: "n"))
    var hours: Int = 24

    @OptionGroup var location: AdministratorLocation
    @OptionGroup var json: JSONOption

    func validate() throws {
        guard (1...720).contains(hours) else { throw ValidationError("--hours is a number from 1 to 720") }
    }

    func run() async throws {
        try json.check()
        let reply = try await location.ask(
            .invite(role: party.role, name: party.site, lifetime: Int64(hours) * 3_600))
        let expires = EntryTime(seconds: reply.expiry).text
        json.console.raw(reply.token + "\n")
        json.console.line("for the \(party.role) \(party.name), until \(expires); they run:")
        json.console.line("  consilium \(party.role == "site" ? "site" : "federation") join <token> --directory keys")
        try json.write(Result(name: party.name, role: party.role, token: reply.token, expires: expires))
    }
}

struct FederationApproveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "approve",
        abstract: "Let a party in after comparing six words by telephone.",
        usage: "consilium federation approve <name> [--words <words>] --state <dir>",
        discussion: """
            Call a number that you knew before, never one from the request, and let them
            read their six words to you. Other words are another request: decline it.
            Without --words the words are shown and you are asked.

            Examples:
              consilium federation approve cleveland --state /etc/consilium/state
              consilium federation approve cleveland --state state \\
                --words "emerge steak orphan genius desert claim"
            """)

    @OptionGroup var party: PartyArguments

    @Option(help: ArgumentHelp("The six words that they read out.", valueName: "words"))
    var words: String?

    @OptionGroup var location: AdministratorLocation

    func run() async throws {
        var given = ""
        if let words {
            given = words.split(separator: " ").joined(separator: " ").lowercased()
        } else {
            given = try await ask()
        }
        _ = try await location.ask(.approve(role: party.role, name: party.site, words: given))
        Console.standard().line("approved the \(party.role) \(party.name)")
    }

    private func ask() async throws -> String {
        let all = try await location.ask(.list).parties.filter { $0.name == party.name && $0.role == party.role }
        guard let waiting = all.first(where: { $0.state == "waiting" || $0.state == "returning" }) else {
            throw CommandError(
                .doesNotHold, "no request of \(party.name) waits", hint: "see `consilium federation roster`")
        }
        guard isatty(STDIN_FILENO) == 1 else {
            throw CommandError(.wrongUse, "there is no terminal to ask", hint: "give --words as they were read to you")
        }
        let console = Console.standard()
        console.line(
            waiting.words.isEmpty
                ? "\(party.name) was away too long and asks to come back with the keys it had"
                : "their words must be: \(waiting.words)")
        console.raw("did they say so on the telephone? yes or no: ")
        guard readLine()?.lowercased() == "yes" else {
            throw CommandError(.doesNotHold, "not approved", hint: "decline it: consilium federation decline")
        }
        return waiting.words
    }
}

struct FederationDeclineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "decline",
        abstract: "Refuse a request, or take back an invitation.",
        usage: "consilium federation decline <name> --state <dir> [options]",
        discussion: """
            Examples:
              consilium federation decline cleveland --state /etc/consilium/state
            """)

    @OptionGroup var party: PartyArguments
    @OptionGroup var location: AdministratorLocation

    func run() async throws {
        _ = try await location.ask(.decline(role: party.role, name: party.site))
        Console.standard().line("declined the \(party.role) \(party.name)")
    }
}

struct FederationRevokeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke",
        abstract: "Take a party's rights away; its connections end at once.",
        usage: "consilium federation revoke <name> --state <dir> [options]",
        discussion: """
            What it has contributed stays in the models. It takes part in no round that
            begins from now on.

            Examples:
              consilium federation revoke cleveland --state /etc/consilium/state
              consilium federation revoke north --role auditor --state state
            """)

    @OptionGroup var party: PartyArguments
    @OptionGroup var location: AdministratorLocation

    func run() async throws {
        _ = try await location.ask(.revoke(role: party.role, name: party.site))
        Console.standard().line("revoked the \(party.role) \(party.name)")
    }
}

struct FederationRosterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "roster",
        abstract: "Show who belongs, who is invited, and who waits.",
        usage: "consilium federation roster --state <dir> [options]",
        discussion: """
            Examples:
              consilium federation roster --state /etc/consilium/state
              consilium federation roster --remote aggregator.example.org:7443 --keys keys
            """)

    private struct Result: Codable {
        struct Party: Codable {
            var role: String
            var name: String
            var state: String
            var words: String
            var until: String
        }
        var epoch: Int
        var roster: String?
        var parties: [Party]
    }

    @OptionGroup var location: AdministratorLocation
    @OptionGroup var json: JSONOption

    func run() async throws {
        try json.check()
        let reply = try await location.ask(.list)
        let console = json.console
        console.line(
            reply.roster.map { "roster \(reply.epoch), \($0.short)" } ?? "no site has joined yet")
        for party in reply.parties {
            let until = EntryTime(seconds: party.until).text
            console.line("\(party.role) \(party.name): \(party.state), until \(until)", indent: 2)
            if !party.words.isEmpty { console.line("words: \(party.words)", indent: 4) }
        }
        try json.write(
            Result(
                epoch: Int(reply.epoch), roster: reply.roster?.hex,
                parties: reply.parties.map {
                    Result.Party(
                        role: $0.role, name: $0.name, state: $0.state, words: $0.words,
                        until: EntryTime(seconds: $0.until).text)
                }))
    }
}
