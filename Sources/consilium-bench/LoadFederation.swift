// SPDX-License-Identifier: Apache-2.0
// A federation of many members, made before its daemon starts, and the last of them through the daemon itself.

import AggregatorService
import Enrolment
import Federation
import Foundation
import Randomness
import SiteService
import Store
import WireProtocol

/// The members of a load measurement; the key folder of each is `members/NAME`.
struct LoadFederation {
    let folder: BenchFolder
    let names: [String]
    private let random = RandomSource.system

    static func keys(of name: String, in path: String) -> String { "\(path)/members/\(name)" }

    /// Makes the authority, and members as the daemon would, without the network and its limits for one address.
    func make(members: ArraySlice<String>) async throws {
        try SecretFile.prepareFolder(folder.path + "/members")
        _ = try AuthorityFolder.make(
            AuthorityFolder.Plan(federation: "bench", hosts: ["localhost"], newMembers: .trustOperator),
            at: folder.path + "/keys", now: wallSeconds())
        let store = try AggregatorStore.open(directory: folder.path + "/aggregator")
        let authority = try AuthorityFolder(folder.path + "/keys")
        let registry = try await Registry(
            folder: authority, store: store, clock: { wallSeconds() }, logger: quietLogger)
        for name in members { try await enrol(name, registry: registry, authority: authority) }
    }

    private func enrol(_ name: String, registry: Registry, authority: AuthorityFolder) async throws {
        guard let id = SiteID(name) else { throw BenchError("not a site name") }
        let party = PartyName(.site, id)
        let token = try await registry.invite(party, lifetime: 3_600, address: "localhost:1")
        let own = try PartyFolder(Self.keys(of: name, in: folder.path))
        let keys = try own.keys(random: random)
        let (key, request) = try own.nextRequest(for: id, random: random)
        let asked = try EnrolmentRequest(
            token: token, certificateRequest: request, statementKey: keys.statement, witnessKey: keys.witness,
            serverKeyHash: authority.shownKeyHash, nonce: random.bytes(32))
        // Each from an address of its own, as hospitals are.
        _ = await registry.answer(asked.bytes, source: name, serverKeyHash: authority.shownKeyHash)
        let words = await registry.overview().parties.first { $0.party == party && $0.state == "waiting" }?.words
        try await registry.approve(party, words: words ?? "")
        guard case .issued(let descriptor, let leaf, let issuer) = await registry.standing(of: asked.bytes) else {
            throw BenchError("a member was not made")
        }
        try own.install(
            key, leaf: IssuedCertificate(bytes: leaf), issuer: issuer, root: authority.authority.rootBytes,
            descriptor: descriptor)
    }

    /// Lets sites join as hospitals do: token, TLS, words, approval; one after the other.
    ///
    /// - Returns: seconds for each.
    func join(_ members: ArraySlice<String>) async throws -> [Double] {
        let clock = ContinuousClock()
        var seconds: [Double] = []
        for name in members {
            guard let id = SiteID(name) else { throw BenchError("not a site name") }
            let began = clock.now
            try await folder.withControl { ask in
                let invitation = MembershipCommand.invite(role: "site", name: id, lifetime: 3_600)
                guard case .membership(let reply) = try await ask(.membership(invitation)) else {
                    throw BenchError("no invitation")
                }
                let client = JoinClient(
                    folder: try PartyFolder(Self.keys(of: name, in: folder.path)), clock: { wallSeconds() })
                _ = try await client.join(JoinToken(text: reply.token)) { progress in
                    guard case .waiting(let words) = progress else { return }
                    // What goes wrong here shows: the site then waits for ever.
                    _ = try? await ask(
                        .membership(.approve(role: "site", name: id, words: words.description)))
                }
            }
            seconds.append((clock.now - began) / .seconds(1))
        }
        return seconds
    }
}
