// SPDX-License-Identifier: Apache-2.0
// `consilium site …`: what people at a hospital see and decide.

import ArgumentParser
import Federation
import Foundation
import PeerTransport
import Store
import StudyFiles
import WireProtocol

/// `consilium site …`.
struct SiteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "site", abstract: "See and decide what happens with this hospital's data.",
        subcommands: [
            SiteStatusCommand.self, SiteStudiesCommand.self, SitePreviewCommand.self, SiteApproveCommand.self,
            SiteDeclineCommand.self,
            SitePauseCommand.self, SiteResumeCommand.self, SiteWithdrawCommand.self, SitePolicyCommand.self,
            SiteOfficerCommand.self, SiteJoinCommand.self,
        ])
}

/// The site of this machine, by its configuration.
struct SiteLocation: ParsableArguments {
    @Option(help: ArgumentHelp("The site's configuration.", valueName: "file"))
    var config = "/etc/consilium/site.yaml"

    func load() throws -> SiteConfiguration {
        do { return try SiteConfiguration.load(config) } catch { throw CommandError(error) }
    }
}

extension SiteConfiguration {
    var controlSocket: String { stateDirectory + "/control.sock" }

    /// The policy, or the reason why everything is refused.
    func policy() throws -> SitePolicy {
        do { return try PolicyFile.load(policyFile, datasets: datasets.map(\.name)) } catch {
            throw CommandError(error)
        }
    }

    /// The store of the running or stopped daemon, for reading.
    func store() throws -> SiteStore {
        do { return try SiteStore.openReadOnly(directory: stateDirectory) } catch { throw CommandError(error) }
    }

    /// Sends one request to the running daemon.
    ///
    /// - Throws: ``CommandError`` with the daemon's own words when it refuses, or when none runs.
    func ask(_ request: SiteControlRequest) async throws -> SiteControlReply {
        do {
            return try await LocalSocket.withConnection(path: controlSocket) { connection in
                try await connection.send(Frame(controlBytes: try request.encoded()))
                guard let frame = try await connection.nextFrame() else {
                    throw CommandError(.notDone, "the site's daemon gave no answer", hint: "see its log")
                }
                let reply = try SiteControlReply(decoding: frame.controlBytes)
                if case .error(let message, let hint) = reply { throw CommandError(.notDone, message, hint: hint) }
                return reply
            }
        } catch let error as TransportError {
            switch error.code {
            case .connectionRefused, .socketFileUnusable, .addressUnavailable:
                throw CommandError(
                    .notDone, "no site daemon answers at \(controlSocket)",
                    hint: "start it with `consilium-site --config FILE`, or check the path")
            default: throw error
            }
        }
    }

    /// The one study that was offered and whose hash begins so, or that has this name.
    func study(_ word: String) async throws -> SiteStudyRecord {
        let records = try await store().studies()
        let matches = records.filter { $0.hash.hex.hasPrefix(word.lowercased()) || $0.name == word }
        guard let record = matches.first else {
            throw CommandError(
                .doesNotHold, "no study with this name or hash was offered to the site",
                hint: "list them with `consilium site studies`")
        }
        guard matches.count == 1 else {
            throw CommandError(.wrongUse, "\(matches.count) studies fit", hint: "give more digits of the hash")
        }
        return record
    }
}

/// The study a command is about.
struct OfferedStudy: ParsableArguments {
    @Argument(help: "The study's name, or the beginning of its hash.")
    var study: String

    @OptionGroup var location: SiteLocation
    @OptionGroup var json: JSONOption
}

extension OfferedStudy {
    struct Result: Codable {
        var study: String
        var hash: String
        /// accepted, or why not.
        var decision: String
    }

    /// Has the daemon carry out an action and says where the study stands.
    func act(_ action: SiteControlRequest.StudyAction, done: String) async throws {
        let configuration = try location.load()
        let record = try await configuration.study(study)
        let reply = try await configuration.ask(.decide(study: record.hash, action))
        try report(reply, of: record, done: done)
    }

    func report(_ reply: SiteControlReply, of record: SiteStudyRecord, done: String) throws {
        guard case .decided(_, let decision) = reply else {
            throw CommandError(.notDone, "the daemon gave another answer than asked", hint: "see its log")
        }
        var word = "accepted"
        if case .declined(let reason) = decision { word = reason.rawValue }
        json.console.line("\(done) \(record.name) \(record.hash.short)")
        try json.write(Result(study: record.name, hash: record.hash.hex, decision: word))
    }
}
