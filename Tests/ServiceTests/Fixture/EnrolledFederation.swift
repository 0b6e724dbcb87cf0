// SPDX-License-Identifier: Apache-2.0
// An aggregator with an authority of its own, listening on both ports in this process, with a clock that tests turn.

import AggregatorService
import Enrolment
import Federation
import Foundation
import NIOPosix
import PeerTransport
import SiteService
import Store
import Synchronization
import TestSupport
import Testing
import WireProtocol

/// Real keys, real TLS, a real store.
final class EnrolledFederation: Sendable {
    let folder: String
    let registry: Registry
    let store: AggregatorStore
    let aggregator: Aggregator
    let port: Int
    let enrolmentPort: Int
    private let clock: Mutex<Int64>

    /// The moment that the authority believes it is.
    var now: Int64 { clock.withLock { $0 } }

    func pass(seconds: Int64) { clock.withLock { $0 += seconds } }

    /// - Parameter earlier: seconds by which the authority's clock begins before the real one, by which TLS judges dates.
    static func run(startingEarlier earlier: Int64 = 0, _ body: (EnrolledFederation) async throws -> Void) async throws
    {
        let folder = FileManager.default.temporaryDirectory.appending(path: "enrolled-\(UUID().uuidString)").path
        try SecretFile.prepareFolder(folder)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        _ = try AuthorityFolder.make(
            AuthorityFolder.Plan(federation: "test.example.org", hosts: ["localhost"], newMembers: .trustOperator),
            at: folder + "/keys", now: wallSeconds() - earlier)
        let federation = try await EnrolledFederation(folder, start: wallSeconds() - earlier)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await federation.aggregator.run() }
            group.addTask { try await federation.listen() }
            group.addTask { try await federation.listenForNewcomers() }
            defer { group.cancelAll() }
            try await body(federation)
        }
    }

    private init(_ folder: String, start: Int64) async throws {
        self.folder = folder
        let clock = Mutex(start)
        self.clock = clock
        store = try AggregatorStore.inMemory()
        let box = ClockBox(start: start)
        registry = try await Registry(
            folder: try AuthorityFolder(folder + "/keys"), store: store, clock: { box.now }, logger: quietLogger)
        port = try freePort()
        let enrolmentPort = try freePort()
        self.enrolmentPort = enrolmentPort
        let workers = NIOThreadPool(numberOfThreads: 1)
        workers.start()
        aggregator = Aggregator(
            settings: AggregatorSettings(
                federation: "test.example.org", members: registry, statementKey: registry.folder.statementKey),
            store: store,
            vault: try FileVault(directory: folder + "/state", durability: .lostOnPowerCutForSimulationOnly),
            workers: workers, logger: quietLogger, newcomersAddress: { "localhost:\(enrolmentPort)" })
        box.federation.withLock { $0 = self }
    }

    /// The registry's clock, which is this federation's once that exists.
    private final class ClockBox: Sendable {
        let federation = Mutex<EnrolledFederation?>(nil)
        private let start: Int64

        init(start: Int64) { self.start = start }

        var now: Int64 { federation.withLock { $0?.now } ?? start }
    }

    private static var limits: TransportLimits {
        var limits = TransportLimits()
        // Connections look at their peers' certificates in quarters of this.
        limits.stalledWriteTimeout = .seconds(2)
        return limits
    }

    private func listen() async throws {
        try await PeerListener.run(
            host: "127.0.0.1", port: port, identity: identity("identity.pem"), gate: registry.gate, limits: Self.limits,
            logger: quietLogger, onConnection: { await self.aggregator.serve($0) })
    }

    private func listenForNewcomers() async throws {
        try await PeerListener.run(
            host: "127.0.0.1", port: enrolmentPort, identity: identity("enrolment.pem"), clients: .newcomers,
            logger: quietLogger, onConnection: { await self.aggregator.serveNewcomer($0) })
    }

    private func identity(_ name: String) -> TLSIdentity {
        TLSIdentity(
            certificateChainPath: "\(folder)/keys/\(name)", privateKeyPath: "\(folder)/keys/\(name)",
            trustRootsPath: folder + "/keys/authority.pem")
    }

    // MARK: Parties

    func party(_ name: String, _ role: PartyRole = .site) throws -> PartyName {
        PartyName(role, try #require(SiteID(name)))
    }

    func invite(_ name: String, _ role: PartyRole = .site) async throws -> JoinToken {
        try await registry.invite(
            try party(name, role), lifetime: JoinToken.standardLifetime, address: "localhost:\(enrolmentPort)")
    }

    /// The folder of a party.
    func keys(_ name: String) -> String { "\(folder)/\(name)" }

    func client(_ name: String, clock: (@Sendable () -> Int64)? = nil) throws -> JoinClient {
        JoinClient(folder: try PartyFolder(keys(name)), clock: clock ?? { self.now })
    }

    /// Invites, joins and approves, as people do it.
    @discardableResult
    func join(_ name: String, _ role: PartyRole = .site) async throws -> IssuedCertificate {
        let token = try await invite(name, role)
        return try await finish(name, role) { try await self.client(name).join(token, onProgress: $0) }
    }

    /// Approves whatever waits until the client is done.
    @discardableResult
    func finish(
        _ name: String, _ role: PartyRole = .site,
        _ ask: ((JoinClient.Progress) async -> Void) async throws -> IssuedCertificate
    ) async throws -> IssuedCertificate {
        let party = try party(name, role)
        return try await ask { progress in
            guard case .waiting(let words) = progress else { return }
            try? await self.registry.approve(party, words: words.description)
        }
    }

    /// A connection of a member to the members' port.
    func connect(_ name: String) async throws -> any PeerConnection {
        try await connect(with: keys(name) + "/identity.pem")
    }

    /// - Parameter file: key and chain.
    func connect(with file: String) async throws -> any PeerConnection {
        try await PeerConnector.connect(
            host: "localhost", port: port,
            identity: TLSIdentity(
                certificateChainPath: file, privateKeyPath: file, trustRootsPath: folder + "/keys/authority.pem"))
    }

    /// Whether the aggregator welcomes the holder of this connection as a site.
    func isWelcome(_ connection: any PeerConnection) async -> Bool {
        let site = RawSite(over: connection)
        try? await site.say(.hello(versions: [1], software: "test"))
        guard let message = try? await site.hear(), case .welcome = message else { return false }
        return true
    }

    /// The log's entries of one kind.
    func entries(_ kind: EntryKind) async throws -> [Entry] {
        try await store.entryLog.entries(from: 0, limit: 1_000).map(\.entry).filter { $0.kind == kind }
    }
}
