// SPDX-License-Identifier: Apache-2.0
// One of the processes in which the sites of a load measurement live.

import ArgumentParser
import Federation
import Foundation
import Kernels
import NIOPosix
import PeerTransport
import Randomness
import SiteService
import Store
import Synchronization
import WireProtocol

/// Connects members, says `ready` when all are there, and stays until standard input ends.
struct LoadSitesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load-sites", abstract: "The sites of `load`, which starts it.", shouldDisplay: false)

    @Option var folder: String
    @Option var first: Int
    @Option var last: Int
    @Option var port: Int
    /// The rounds of the study that the sites work for; 0 for idle ones.
    @Option var rounds: Int
    @Option var parameters: Int
    @Option var sites: Int
    /// Sites ask for a new certificate every so many seconds; 0 for never.
    @Option var renewal: Int

    func run() async throws {
        consilium_tune_allocator()
        let names = (first...last).map { "site-\($0)" }
        let arrived = Arrivals(expected: names.count)
        let study = rounds > 0 ? try BenchStudy(parameters: parameters, sites: sites, rounds: rounds) : nil
        let worker = NIOThreadPool(numberOfThreads: 1)
        worker.start()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for name in names {
                group.addTask {
                    if let study {
                        try await work(name, study, worker, arrived)
                    } else {
                        try await hold(name, arrived)
                    }
                }
            }
            group.addTask {
                await arrived.all()
                FileHandle.standardOutput.write(Data("ready\n".utf8))
                // Blocks a thread of its own, as it may.
                try await NIOThreadPool.singleton.runIfActive { while readLine() != nil {} }
                throw CancellationError()
            }
            defer { group.cancelAll() }
            do { try await group.next() } catch is CancellationError {
                // Told to end.
            }
        }
        try await worker.shutdownGracefully()
    }

    private func identity(_ name: String) -> TLSIdentity {
        let keys = LoadFederation.keys(of: name, in: folder)
        return TLSIdentity(
            certificateChainPath: keys + "/identity.pem", privateKeyPath: keys + "/identity.pem",
            trustRootsPath: keys + "/authority.pem")
    }

    /// Where the aggregator has had enough of this address, it waits.
    private func connect(_ name: String) async throws -> any PeerConnection {
        while true {
            do {
                return try await PeerConnector.connect(host: "localhost", port: port, identity: identity(name))
            } catch is TransportError {
                try await Task.sleep(for: .milliseconds(.random(in: 200...2_000)))
            }
        }
    }

    /// Connects, is welcomed, and says nothing more.
    private func hold(_ name: String, _ arrived: Arrivals) async throws {
        while true {
            do {
                let connection = try await connect(name)
                let hello = SiteMessage.hello(versions: WireLimits.versions, software: programVersion)
                try await connection.send(Frame(controlBytes: try hello.encoded()))
                var isWelcome = false
                while let frame = try await connection.nextFrame() {
                    guard !isWelcome, case .welcome = try AggregatorMessage(decoding: frame.controlBytes) else {
                        continue
                    }
                    isWelcome = true
                    arrived.one()
                }
                throw BenchError("the aggregator ended an idle connection")
            } catch is TransportError {
                try await Task.sleep(for: .milliseconds(.random(in: 200...2_000)))
            }
        }
    }

    /// A site with a store of its own; the sites of one process share a thread for their work.
    private func work(
        _ name: String, _ study: BenchStudy, _ worker: NIOThreadPool, _ arrived: Arrivals
    ) async throws {
        guard let id = SiteID(name) else { throw BenchError("not a site name") }
        let own = try PartyFolder(LoadFederation.keys(of: name, in: folder))
        let policy = SitePolicy.allowing(study.study, dataset: "bench", federation: "bench")
        var settings = SiteSettings(
            site: id, policy: { policy }, statementKey: try own.keys(random: .system).statement)
        var ahead: Int64 = 0
        if renewal > 0 {
            settings.renewalInterval = .seconds(renewal)
            // By this site's clock every certificate is about to end.
            ahead = 6 * 86_400
        }
        let offset = ahead
        let directory = "\(folder)/sites/\(name)"
        let site = Site(
            settings: settings, store: try SiteStore.open(directory: directory),
            vault: try FileVault(directory: directory), workers: worker, random: .system, datasets: study.tables,
            updates: study.update,
            membership: try MembershipKeeper(folder: own, clock: { wallSeconds() + offset }, logger: quietLogger),
            logger: quietLogger)
        let isFirst = Mutex(true)
        try await site.run {
            let connection = try await connect(name)
            if isFirst.withLock({ first in
                defer { first = false }
                return first
            }) {
                arrived.one()
            }
            return connection
        }
    }
}

/// Counts sites that have arrived.
private final class Arrivals: Sendable {
    private let expected: Int
    /// Guards the count.
    private let count = Mutex(0)
    private let (stream, input) = AsyncStream.makeStream(of: Void.self)

    init(expected: Int) { self.expected = expected }

    func one() {
        let all = count.withLock { count in
            count += 1
            return count >= expected
        }
        if all { input.finish() }
    }

    /// Returns when all are there.
    func all() async { for await _ in stream {} }
}
