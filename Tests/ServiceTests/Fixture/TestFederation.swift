// SPDX-License-Identifier: Apache-2.0
// A whole federation of real parties in this process, each of which a test can lose, stop and start.

import AggregatorService
import Federation
import Foundation
import Logging
import ModelFiles
import NIOPosix
import PeerTransport
import Store
import Synchronization
import Testing
import WireProtocol

/// What carries the frames of a test federation.
enum TestTransport: String, Sendable, CaseIterable {
    case memory
    /// Mutual TLS 1.3 over sockets of this machine.
    case tls
}

/// The aggregator and its sites, each with a line that can be cut.
final class TestFederation: Sendable {
    let study: Study
    let hash: Digest
    let folder: String
    let network = InMemoryNetwork()
    private let sockets: TestSockets?
    let store: AggregatorStore
    let vault: FileVault
    let sites: [TestSite]
    private let members: Set<SiteID>
    private let helloTimeout: Duration
    private let workers: NIOThreadPool
    private struct Server: Sendable {
        var aggregator: Aggregator
        var tasks: [Task<Void, any Error>]
    }
    /// Guards the running aggregator.
    private let server = Mutex<Server?>(nil)

    /// Runs `body` with an aggregator and sites that are up, and the study submitted; then stops everything.
    ///
    /// - Parameters:
    ///   - guests: members that the test plays itself.
    ///   - keptFolder: where every party keeps its state as its daemon does, and finds it again; else the databases
    ///     are in memory, and nothing is synced.
    ///   - durability: of what is kept there.
    static func run(
        _ study: Study, _ plans: [SitePlan], guests: [String] = [], over transport: TestTransport = .memory,
        isSubmitted: Bool = true, in keptFolder: String? = nil, durability: Durability = .powerLossSafe,
        helloTimeout: Duration = .seconds(10),
        _ body: (TestFederation) async throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "service-tests-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(at: folder) }
        let workers = NIOThreadPool(numberOfThreads: plans.count + 1)
        workers.start()
        let federation = try TestFederation(
            study, plans, guests: guests, over: transport, folder: keptFolder ?? folder.path,
            durability: keptFolder.map { _ in durability }, helloTimeout: helloTimeout, workers: workers)
        let result: Result<Void, any Error>
        do {
            federation.startAggregator()
            for site in federation.sites { site.start() }
            if isSubmitted { try await federation.submit() }
            result = .success(try await body(federation))
        } catch {
            result = .failure(error)
        }
        for site in federation.sites {
            let error = await site.stop()
            #expect(error == nil, "the site \(site.plan.name) ended by itself")
        }
        let error = await federation.stopAggregator()
        #expect(error == nil, "the aggregator ended by itself")
        try await workers.shutdownGracefully()
        try result.get()
    }

    private init(
        _ study: Study, _ plans: [SitePlan], guests: [String], over transport: TestTransport, folder: String,
        durability: Durability?, helloTimeout: Duration, workers: NIOThreadPool
    ) throws {
        self.helloTimeout = helloTimeout
        self.study = study
        hash = study.hash
        self.folder = folder
        self.workers = workers
        let state = folder + "/aggregator"
        vault = try FileVault(
            directory: state, durability: durability ?? .lostOnPowerCutForSimulationOnly)
        store =
            try durability.map { try AggregatorStore.open(directory: state, durability: $0) }
            ?? AggregatorStore.inMemory()
        let network = network
        let sockets = transport == .tls ? try TestSockets(sites: plans.map(\.name)) : nil
        self.sockets = sockets
        sites = try plans.map { plan in
            try TestSite(plan, folder: folder, durability: durability, workers: workers) { identity in
                if let sockets { return try await sockets.connect(as: plan.name) }
                return try await network.connect(as: identity)
            }
        }
        members = Set(try (plans.map(\.name) + guests).map(Self.id))
    }

    static func id(_ name: String) throws -> SiteID { try #require(SiteID(name)) }

    subscript(_ name: String) -> TestSite { sites.first { $0.plan.name == name }! }

    // MARK: The aggregator

    static var statementKey: StatementKey {
        guard let key = StatementKey(seed: [UInt8](repeating: 7, count: 32)) else {
            preconditionFailure("32 bytes are a key")
        }
        return key
    }

    /// A new aggregator on the same store and vault.
    func startAggregator() {
        let aggregator = Aggregator(
            settings: AggregatorSettings(
                federation: "test", members: members, statementKey: Self.statementKey, helloTimeout: helloTimeout),
            store: store, vault: vault,
            workers: workers, logger: quietLogger)
        let network = network
        let sockets = sockets
        let tasks = [
            Task { try await aggregator.run() },
            Task {
                if let sockets {
                    try await sockets.listen { await aggregator.serve($0) }
                } else {
                    try await network.listen { await aggregator.serve($0) }
                }
            },
        ]
        server.withLock { $0 = Server(aggregator: aggregator, tasks: tasks) }
    }

    /// Stops as the daemon does, and returns the error that had ended it before.
    @discardableResult
    func stopAggregator() async -> (any Error)? {
        let running = server.withLock { server in
            defer { server = nil }
            return server
        }
        var failure: (any Error)?
        for task in running?.tasks ?? [] {
            task.cancel()
            if case .failure(let error) = await task.result, !(error is CancellationError) { failure = error }
        }
        return failure
    }

    func ask(_ request: ControlRequest) async throws -> ControlReply {
        let aggregator = try #require(server.withLock { $0?.aggregator })
        return await aggregator.answer(request)
    }

    func submit() async throws {
        let reply = try await ask(.submit(study.canonicalBytes))
        #expect(reply == .submitted(study: hash, wasKnown: false))
    }

    func status() async throws -> FederationStatus {
        guard case .status(let status) = try await ask(.status) else { throw TestFailure("no status") }
        return status
    }

    /// The status of the study.
    func progress() async throws -> StudyStatus {
        try #require(try await status().studies.first { $0.study == hash })
    }

    // MARK: Waiting and looking

    /// Waits for the study's end, and until `deliveries` sites have confirmed the model.
    @discardableResult
    func finish(deliveries: Int = 0) async throws -> StudyRecord {
        try await eventually("the study ends") {
            let progress = try await self.progress()
            return progress.isFinished && progress.deliveries >= deliveries
        }
        return try #require(try await store.study(hash))
    }

    func rounds() async throws -> [RoundRecord] { try await store.rounds(study: hash) }

    func round(_ kind: RoundKind, _ round: Int, attempt: Int = 1) async throws -> RoundRecord? {
        try await rounds().first { $0.id == RoundID(kind: kind, round: round, attempt: attempt) }
    }

    /// Waits until the round has ended, and gives each site's word.
    func words(_ kind: RoundKind, _ number: Int, attempt: Int = 1) async throws -> [String: String] {
        try await eventually("\(kind) round \(number) attempt \(attempt) ends") {
            try await self.round(kind, number, attempt: attempt).map { $0.state != .open } ?? false
        }
        let record = try #require(try await round(kind, number, attempt: attempt))
        return Dictionary(uniqueKeysWithValues: record.participation.map { ($0.site.rawValue, $0.word) })
    }

    /// The parameters after a training round; the first ones for round 0.
    func parameters(after round: Int) async throws -> [Float] {
        let models = try await store.models(study: hash)
        let model = try #require(models.first { $0.record.role == .model && $0.record.round == round })
        return try ModelFile.readWithParameters(try vault.file(model.blob).path).parameters
    }

    /// A file of floats: SCAFFOLD's controls.
    func floats(_ blob: BlobReference, in vault: FileVault) throws -> [Float] {
        try vault.file(blob).reader().floats(at: 0, count: blob.byteCount / 4)
    }

    /// Names of the files in the aggregator's folder of uploads.
    func spooledUploads() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder + "/aggregator/uploads")
    }

    /// Waits until the aggregator has removed every upload: it does so when nothing waits for it.
    func spoolIsCleared() async throws {
        try await eventually("no upload is left in the spool") { try spooledUploads().isEmpty }
    }

    func uploads(at site: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "\(folder)/\(site)/uploads")
    }
}

struct TestFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Looks again and again until `condition` holds; gives up after a minute.
func eventually(_ what: String, _ condition: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(60)
    while try await !condition() {
        guard ContinuousClock.now < deadline else { throw TestFailure("in vain: \(what)") }
        try await Task.sleep(for: .milliseconds(5))
    }
}
