// SPDX-License-Identifier: Apache-2.0
// Many sites at one aggregator: joining, idle connections, rounds with renewals beside them, and a start on a long history.

import ArgumentParser
import Federation
import Foundation
import Store
import WireProtocol

struct LoadBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load", abstract: "Many sites over real TLS: join, hold, rounds, renewals, restart.",
        discussion: """
            The aggregator is the daemon in a process of its own; the sites live in a few
            more. The last sites join through it with tokens, the others are made members
            before it starts. Then all connect and are idle; then, with --rounds, sites with
            stores of their own run rounds without training, and renew certificates all the
            while; then the daemon starts again. With --history it has that many finished
            rounds from the beginning. All come from one address, whose burst of connections
            the daemon limits, so connecting a thousand takes half a minute.
            """)

    @Option(help: "Sites.") var sites = 1_000
    @Option(help: "Sites that join through the daemon.") var joining = 8
    @Option(help: "Processes for the sites.") var processes = 4
    @Option(help: "Training rounds; 0 measures idle sites alone.") var rounds = 0
    @Option(help: "Parameters of the model, about.") var parameters = 10_000
    @Option(help: "Seconds after which each site renews beside the rounds; 0 for never.") var renewal = 0
    @Option(help: "Finished rounds in the aggregator's store before it starts.") var history = 0
    @OptionGroup var result: ResultOption

    struct Idle: Codable {
        var bytesWithoutSites: Int
        var bytesWithSites: Int
        var peakBytes: Int
        var connectSeconds: Double
    }

    struct Rounds: Codable {
        var parameters: Int
        var rounds: Int
        var secondsPerRound: Spread
        var aggregatorPeakBytes: Int
        var renewals: Int
        var renewalsPerHour: Double
    }

    struct Result: Codable {
        var sites: Int
        var joinSeconds: Spread?
        var finishedRounds: Int
        /// From the start of the process on that history until it listens.
        var startSeconds: Double
        var idle: Idle
        var rounds: Rounds?
    }

    func validate() throws {
        guard sites >= 2, rounds >= 0, parameters >= 100, processes >= 1, history >= 0, renewal >= 0,
            (0...min(sites, 16)).contains(joining)
        else { throw ValidationError("at least 2 sites and 100 parameters; at most 16 sites join") }
    }

    func run() async throws {
        let folder = try BenchFolder()
        defer { folder.remove() }
        let names = (1...sites).map { "site-\($0)" }
        if history > 0 {
            note("\(history) rounds of history")
            let past = try BenchStudy(parameters: 100, sites: 2, rounds: history)
            _ = try await RoundsInMemory(study: past, sites: 2, folder: folder).run()
        }
        note("making \(sites - joining) members")
        let federation = LoadFederation(folder: folder, names: names)
        try await federation.make(members: names.dropLast(joining))
        try AggregatorProcess.prepareForMembers(sites, in: folder)
        // The first start of a store makes what later ones find.
        try await AggregatorProcess.start(in: folder).stop()
        var daemon = try await AggregatorProcess.start(in: folder)
        defer { daemon.stop() }
        let start = daemon.startSeconds
        note("\(joining) sites join")
        let joins = try await federation.join(names.suffix(joining))
        daemon.stop()
        daemon = try await AggregatorProcess.start(in: folder)
        let idle = try await holdAll(daemon, in: folder)
        var measured: Rounds?
        if rounds > 0 { measured = try await runRounds(daemon, in: folder) }
        try result.write(
            Result(
                sites: sites, joinSeconds: joins.isEmpty ? nil : Spread(joins), finishedRounds: history,
                startSeconds: start, idle: idle, rounds: measured))
    }

    private func note(_ text: String) { FileHandle.standardError.write(Data("load: \(text)\n".utf8)) }

    // MARK: Processes

    /// Starts the sites' processes, waits until all sites are there, runs `body`, and ends them.
    private func withSites<Value>(
        _ daemon: AggregatorProcess, in folder: BenchFolder, rounds: Int, _ body: () async throws -> Value
    ) async throws -> (value: Value, connectSeconds: Double) {
        let count = min(processes, sites)
        let clock = ContinuousClock()
        let began = clock.now
        var children: [SitesProcess] = []
        defer { for child in children { child.end() } }
        for index in 0..<count {
            children.append(
                try SitesProcess([
                    "load-sites", "--folder", folder.path, "--first", "\(index * sites / count + 1)", "--last",
                    "\((index + 1) * sites / count)", "--port", "\(daemon.port)", "--rounds", "\(rounds)",
                    "--parameters", "\(parameters)", "--sites", "\(sites)", "--renewal", "\(renewal)",
                ]))
        }
        for child in children {
            guard await child.isReady() else { throw BenchError("a process of sites ended early") }
        }
        let connectSeconds = (clock.now - began) / .seconds(1)
        return (try await body(), connectSeconds)
    }

    private func holdAll(_ daemon: AggregatorProcess, in folder: BenchFolder) async throws -> Idle {
        note("\(sites) sites connect")
        let alone = try daemon.memory("VmRSS")
        let (bytes, seconds) = try await withSites(daemon, in: folder, rounds: 0) {
            // What a handshake needed goes back before the sites are called idle.
            try await Task.sleep(for: .seconds(5))
            return try daemon.memory("VmRSS")
        }
        return Idle(
            bytesWithoutSites: alone, bytesWithSites: bytes, peakBytes: try daemon.memory("VmHWM"),
            connectSeconds: seconds)
    }

    private func runRounds(_ daemon: AggregatorProcess, in folder: BenchFolder) async throws -> Rounds {
        note("\(rounds) rounds")
        let study = try BenchStudy(parameters: parameters, sites: sites, rounds: rounds)
        try FileManager.default.createDirectory(
            atPath: folder.path + "/sites", withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let clock = ContinuousClock()
        let state = folder.path + "/aggregator"
        func renewals() async throws -> Int {
            try await AggregatorStore.openReadOnly(directory: state).entryLog.count(of: .keyRotated)
        }
        let (span, _) = try await withSites(daemon, in: folder, rounds: rounds) {
            let (before, began) = (try await renewals(), clock.now)
            try await folder.withControl { ask in
                try await follow(study.study.canonicalBytes, deliveries: sites, ask: ask)
            }
            return (renewals: try await renewals() - before, seconds: (clock.now - began) / .seconds(1))
        }
        let closed = try await AggregatorStore.openReadOnly(directory: state).rounds(study: study.study.hash)
            .filter { $0.id.kind == .training }.compactMap(\.summary)
        guard closed.count == rounds else { throw BenchError("\(closed.count) of \(rounds) rounds closed") }
        return Rounds(
            parameters: study.parameterCount, rounds: rounds, secondsPerRound: Spread(closed.map(\.seconds)),
            aggregatorPeakBytes: try daemon.memory("VmHWM"), renewals: span.renewals,
            renewalsPerHour: Double(span.renewals) / span.seconds * 3_600)
    }
}

/// A process of sites.
private final class SitesProcess: Sendable {
    private let process: Process
    private let input = Pipe()
    private let output = Pipe()

    init(_ arguments: [String]) throws {
        process = Process()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = arguments
        process.standardInput = input
        process.standardOutput = output
        try process.run()
    }

    /// Waits for the line that all its sites are there; false when the process ended instead.
    func isReady() async -> Bool {
        let handle = output.fileHandleForReading
        return await !Task.detached { handle.availableData }.value.isEmpty
    }

    func end() {
        try? input.fileHandleForWriting.close()
        process.waitUntilExit()
    }
}
