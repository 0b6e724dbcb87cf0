// SPDX-License-Identifier: Apache-2.0
// `consilium study submit` and `study stop`: what changes at the aggregator.

import ArgumentParser
import Federation
import Simulation
import StudyFiles
import WireProtocol

struct StudySubmitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "submit",
        abstract: "Submit a study to the aggregator on this machine.",
        usage: "consilium study submit <file> (--state <dir> | --socket <path>) [options]",
        discussion: """
            The same study twice is one study. Follow it with `consilium study status`.

            Examples:
              consilium study submit studies/heart-disease.yaml --state /var/lib/consilium
            """)

    private struct Result: Codable {
        var study: String
        var hash: String
        var wasKnown: Bool
    }

    @Argument(help: "The study file (YAML).")
    var file: String

    @OptionGroup var location: AggregatorLocation
    @OptionGroup var json: JSONOption

    func run() async throws {
        let study: Study
        do { study = try StudyFile.load(file) } catch { throw CommandError(error, invalid: .doesNotHold) }
        let reply: ControlReply
        do { reply = try await ControlClient.ask(.submit(study.canonicalBytes), at: location.socketPath) } catch {
            throw ControlClient.explained(error, path: location.socketPath)
        }
        guard case .submitted(let hash, let wasKnown) = reply else {
            throw CommandError(.notDone, "the aggregator gave another answer than asked", hint: "see its log")
        }
        let console = json.console
        console.line(wasKnown ? "the aggregator knows the study already" : "submitted \(study.name)")
        console.line("hash \(hash)")
        try json.write(Result(study: study.name, hash: hash.hex, wasKnown: wasKnown))
    }
}

struct StudyStopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop",
        abstract: "Stop a study for good; the model so far is kept.",
        usage: "consilium study stop <hash> (--state <dir> | --socket <path>)",
        discussion: """
            Examples:
              consilium study stop 3f9a --state /var/lib/consilium
            """)

    @Argument(help: "The study's hash, or so much of its beginning that no other study has.")
    var hash: String

    @OptionGroup var location: AggregatorLocation

    func run() async throws {
        let path = location.socketPath
        do {
            let status = try await ControlClient.status(at: path)
            let study = try status.studies.one(startingWith: hash)
            _ = try await ControlClient.ask(.stop(study: study.study), at: path)
            Console.standard().line("stopped \(study.name)")
        } catch {
            throw ControlClient.explained(error, path: path)
        }
    }
}

extension [StudyStatus] {
    /// The one study whose hash begins so.
    func one(startingWith prefix: String) throws -> StudyStatus {
        let matches = filter { $0.study.hex.hasPrefix(prefix.lowercased()) }
        guard let study = matches.first else {
            throw CommandError(
                .doesNotHold, "no study has a hash that begins with \(prefix)",
                hint: "list them with `consilium study status`")
        }
        guard matches.count == 1 else {
            throw CommandError(
                .wrongUse, "\(matches.count) studies have a hash that begins with \(prefix)", hint: "give more digits")
        }
        return study
    }
}
