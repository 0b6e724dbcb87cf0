// SPDX-License-Identifier: Apache-2.0
// An authority and its registry on disk, and hospitals that ask it directly, without sockets.

import AggregatorService
import Enrolment
import Federation
import Foundation
import Randomness
import SiteService
import Store
import Synchronization
import Testing

/// A registry over a real store, which can be stopped and opened again.
final class TestRegistry: Sendable {
    /// By its real path; removed with this object.
    let folder: String
    let now = Mutex<Int64>(wallSeconds())
    private let random = RandomSource.system

    /// Where the aggregator's store and its keys are.
    var state: String { folder + "/watched/state" }
    var keys: String { folder + "/watched/keys" }

    /// - Parameter watch: gets the folder of both while it is empty.
    init(_ watch: (String) -> Void = { _ in }) throws {
        folder =
            FileManager.default.temporaryDirectory.resolvingSymlinksInPath()
            .appending(path: "registry-\(UUID().uuidString)").path
        try SecretFile.prepareFolder(folder)
        try SecretFile.prepareFolder(folder + "/watched")
        watch(folder + "/watched")
        _ = try AuthorityFolder.make(
            AuthorityFolder.Plan(federation: "test.example.org", hosts: ["localhost"], newMembers: .trustOperator),
            at: keys, now: wallSeconds())
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// Opens the registry over its keys and its store, or over copies of both in another folder.
    func open(in copy: String? = nil, durability: Durability = .powerLossSafe) async throws -> Registry {
        let place = copy ?? folder + "/watched"
        let store = try AggregatorStore.open(directory: place + "/state", durability: durability)
        return try await Registry(
            folder: AuthorityFolder(place + "/keys"), store: store, clock: { self.now.withLock { $0 } },
            logger: quietLogger)
    }

    static func party(_ name: String) throws -> PartyName { PartyName(.site, try #require(SiteID(name))) }

    /// Somebody with a token who asks to join.
    struct Newcomer {
        let folder: PartyFolder
        let key: TLSKey
        let request: [UInt8]
    }

    /// Makes the keys of a hospital and its request.
    func newcomer(_ name: String, _ token: JoinToken, at registry: Registry) throws -> Newcomer {
        let own = try PartyFolder("\(folder)/\(name)")
        let keys = try own.keys(random: random)
        let (key, request) = try own.nextRequest(for: token.party, random: random)
        let asked = try EnrolmentRequest(
            token: token, certificateRequest: request, statementKey: keys.statement, witnessKey: keys.witness,
            serverKeyHash: registry.folder.shownKeyHash, nonce: random.bytes(32))
        return Newcomer(folder: own, key: key, request: asked.bytes)
    }

    func ask(_ newcomer: Newcomer, _ registry: Registry) async -> EnrolmentReply {
        await registry.answer(newcomer.request, source: "test", serverKeyHash: registry.folder.shownKeyHash)
    }

    /// Approves whoever waits under this name.
    func approve(_ name: String, _ registry: Registry) async throws {
        let party = try Self.party(name)
        let waiting = await registry.overview().parties.first { $0.party == party && $0.state == "waiting" }
        try await registry.approve(party, words: try #require(waiting).words)
    }

    /// Invites, asks, approves and installs.
    func join(_ name: String, _ registry: Registry) async throws -> PartyFolder {
        let token = try await registry.invite(Self.party(name), lifetime: 3_600, address: "localhost:1")
        let newcomer = try newcomer(name, token, at: registry)
        _ = await ask(newcomer, registry)
        try await approve(name, registry)
        guard case .issued(let descriptor, let leaf, let issuer) = await registry.standing(of: newcomer.request) else {
            throw TestFailure("no certificate")
        }
        try newcomer.folder.install(
            newcomer.key, leaf: IssuedCertificate(bytes: leaf), issuer: issuer,
            root: registry.folder.authority.rootBytes, descriptor: descriptor)
        return newcomer.folder
    }
}
