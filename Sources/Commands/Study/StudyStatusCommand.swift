// SPDX-License-Identifier: Apache-2.0
// `consilium study status`: from the running aggregator, or from its store when it is stopped.

import ArgumentParser
import Federation
import PeerTransport
import Simulation
import Store
import WireProtocol

struct StudyStatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show the studies of the aggregator on this machine.",
        usage: "consilium study status [<hash>] (--state <dir> | --socket <path>) [...]",
        discussion: """
            Without a running aggregator it shows what its store holds. The numbers come
            from sums over the sites, or are traffic that the aggregator observes anyway.
            Exit status 1 when a study that was named has ended as degraded.

            Examples:
              consilium study status --state /var/lib/consilium
              consilium study status 3f9a --state /var/lib/consilium --watch
              consilium study status --state /var/lib/consilium --json -
            """)

    @Argument(help: "The study's hash, or its beginning; all studies when absent.")
    var hash: String?

    @Flag(help: "Follow the study until it has ended.")
    var watch = false

    @OptionGroup var location: AggregatorLocation
    @OptionGroup var json: JSONOption

    func run() async throws {
        try json.check()
        let console = json.console
        if watch { try await follow(console) }
        let overview = try await FederationOverview.read(location, hash: hash)
        if !watch { overview.print(to: console, inDetail: hash != nil) }
        try json.write(overview)
        if hash != nil, overview.studies.contains(where: { $0.phase == "degraded" }) { throw CommandError.saidAlready }
    }

    /// Shows progress until the study, or every study, has ended.
    private func follow(_ console: Console) async throws {
        var display = ProgressDisplay(console)
        let path = location.socketPath
        var reported: Set<Digest> = []
        while true {
            let status: FederationStatus
            do { status = try await ControlClient.status(at: path) } catch {
                throw ControlClient.explained(error, path: path)
            }
            let study =
                try hash.map { try status.studies.one(startingWith: $0) }
                ?? status.studies.first { !$0.isFinished } ?? status.studies.last
            guard let study else {
                throw CommandError(.doesNotHold, "the aggregator has no study", hint: "submit one first")
            }
            let ended = try await FederationOverview.endedRounds(in: location.directory, study: study.study)
                .filter { reported.insert($0.taskHash).inserted }
            display.show(
                FederationMoment(status: study, connectedSites: status.connectedSites, endedRounds: ended),
                members: nil)
            if study.isFinished { return display.finish() }
            try await Task.sleep(for: .milliseconds(100))
        }
    }
}
