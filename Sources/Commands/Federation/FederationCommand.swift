// SPDX-License-Identifier: Apache-2.0
// The commands about who belongs to a federation, and how they reach the aggregator.

import ArgumentParser
import Enrolment
import Federation
import Logging
import PeerTransport
import SiteService
import Store
import WireProtocol

/// `consilium federation …`.
struct FederationCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "federation", abstract: "Make a federation, invite hospitals, approve and revoke them.",
        subcommands: [
            FederationInitCommand.self, FederationInviteCommand.self, FederationApproveCommand.self,
            FederationDeclineCommand.self, FederationRevokeCommand.self, FederationRosterCommand.self,
            FederationJoinCommand.self, FederationStatusCommand.self, FederationMetricsCommand.self,
            FederationRenewIssuingCommand.self,
        ])
}

/// Where the aggregator takes an administrator's commands: on this machine, or anywhere with a certificate.
struct AdministratorLocation: ParsableArguments {
    @Option(help: ArgumentHelp("The aggregator's state directory, on this machine.", valueName: "dir"))
    var state: String?

    @Option(help: ArgumentHelp("The aggregator's control socket, on this machine.", valueName: "path"))
    var socket: String?

    @Option(help: ArgumentHelp("The aggregator elsewhere: its members' port.", valueName: "host:port"))
    var remote: String?

    @Option(help: ArgumentHelp("With --remote: your key folder, from `federation join`.", valueName: "dir"))
    var keys: String?

    func validate() throws {
        guard [state, socket, remote].compactMap({ $0 }).count == 1 else {
            throw ValidationError("name the aggregator by --state DIR, --socket PATH or --remote HOST:PORT")
        }
        guard (remote == nil) == (keys == nil) else {
            throw ValidationError("--remote and --keys go together")
        }
    }

    /// Sends one command and returns its answer.
    func ask(_ command: MembershipCommand) async throws -> MembershipReply {
        let reply: ControlReply
        if let remote, let keys {
            reply = try await askRemotely(command, remote, keys: keys)
        } else {
            let path = socket ?? (state ?? ".") + "/control.sock"
            do { reply = try await ControlClient.ask(.membership(command), at: path) } catch {
                throw ControlClient.explained(error, path: path)
            }
        }
        guard case .membership(let answer) = reply else {
            throw CommandError(.notDone, "the aggregator gave another answer than asked", hint: "see its log")
        }
        return answer
    }

    private func askRemotely(_ command: MembershipCommand, _ remote: String, keys: String) async throws -> ControlReply
    {
        guard let colon = remote.lastIndex(of: ":"), let port = Int(remote[remote.index(after: colon)...]) else {
            throw CommandError(.wrongUse, "--remote is no HOST:PORT", hint: "such as aggregator.example.org:7443")
        }
        let folder = try PartyFolder(keys)
        let federation = try folder.descriptor().federation
        let path = folder.path
        return try await PeerConnector.withConnection(
            host: String(remote[..<colon]), port: port,
            identity: TLSIdentity(
                certificateChainPath: path + "/identity.pem", privateKeyPath: path + "/identity.pem",
                trustRootsPath: path + "/authority.pem")
        ) { connection in
            guard connection.identity.role == .aggregator, connection.identity.consortium == federation else {
                throw CommandError(.notDone, "the server is no aggregator of \(federation)", hint: "check --remote")
            }
            try await renewIfDue(folder, over: connection)
            return try await ControlClient.ask(.membership(command), over: connection)
        }
    }
}

extension AdministratorLocation {
    /// A person's certificate renews itself like a site's: when it is used in the last third of its seven days.
    private func renewIfDue(_ folder: PartyFolder, over connection: any PeerConnection) async throws {
        let keeper = try MembershipKeeper(
            folder: folder, clock: { wallSeconds() }, logger: Logger(label: "consilium"))
        guard let request = try await keeper.renewalDue(),
            case .membership(let reply) = try await ControlClient.ask(.membership(.renew(request)), over: connection)
        else { return }
        await keeper.received(reply: reply.renewal)
    }
}

/// Whom a command is about.
struct PartyArguments: ParsableArguments {
    @Argument(help: "The party's name: 1 to 63 of a-z, 0-9 and hyphens.")
    var name: String

    @Option(help: ArgumentHelp("site, operator or auditor.", valueName: "role"))
    var role: String = PartyRole.site.rawValue

    func validate() throws {
        guard SiteID(name) != nil else {
            throw ValidationError("a name has 1 to 63 of a-z, 0-9 and -, and no - at either end")
        }
        guard let role = PartyRole(rawValue: role), PartyRole.invited.contains(role) else {
            throw ValidationError("--role is site, operator or auditor")
        }
    }

    /// - Precondition: validated.
    var site: SiteID {
        guard let site = SiteID(name) else { preconditionFailure("names are validated") }
        return site
    }
}
