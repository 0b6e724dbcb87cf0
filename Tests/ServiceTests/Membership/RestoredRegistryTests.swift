// SPDX-License-Identifier: Apache-2.0
// An aggregator whose store comes from an old backup: the revoked stay out, and sites see a continuous roster.

import AggregatorService
import Enrolment
import Federation
import Foundation
import PeerTransport
import SiteService
import Store
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(3)))
struct RestoredRegistryTests {
    private func identity(_ folder: PartyFolder, _ name: String) throws -> PeerIdentity {
        let certificate = try folder.identity().certificate
        return PeerIdentity(
            publicKeyHash: certificate.publicKeyHash.bytes, names: ["fl://test.example.org/site/\(name)"],
            notAfter: certificate.notAfter)
    }

    private func take(_ keeper: MembershipKeeper, _ registry: Registry) async throws -> [RosterCheck.Objection] {
        let told = try #require(registry.roster)
        return await keeper.received(roster: told.roster, denyList: told.denyList)
    }

    /// Two sites join, a backup is made, one is revoked and another joins; then the store goes back.
    private func restore(
        _ authority: TestRegistry, forgetting forgotten: [String] = [],
        _ check: (_ keeper: MembershipKeeper, _ revoked: PeerIdentity, _ later: PeerIdentity) async throws -> Void
    ) async throws {
        let first: PartyFolder
        let revoked: PeerIdentity
        let later: PeerIdentity
        let keeper: MembershipKeeper
        do {
            let registry = try await authority.open()
            first = try await authority.join("a", registry)
            revoked = try identity(try await authority.join("b", registry), "b")
            #expect(registry.member(for: revoked) != nil)
            _ = try StoreBackup.make(of: authority.state, to: authority.folder + "/backup")
            try await registry.revoke(TestRegistry.party("b"))
            later = try identity(try await authority.join("c", registry), "c")
            keeper = try MembershipKeeper(
                folder: first, clock: { authority.now.withLock { $0 } }, logger: quietLogger)
            #expect(try await take(keeper, registry).isEmpty)
        }
        try FileManager.default.removeItem(atPath: authority.state)
        _ = try StoreBackup.restore(authority.folder + "/backup", to: authority.state)
        for name in forgotten { try FileManager.default.removeItem(atPath: "\(authority.keys)/\(name)") }
        try await check(keeper, revoked, later)
    }

    @Test func whoWasRevokedSinceTheBackupStaysOutAndRostersGoOn() async throws {
        let authority = try TestRegistry()
        try await restore(authority) { keeper, revoked, later in
            do {
                let registry = try await authority.open()
                #expect(registry.member(for: revoked) == nil)
                #expect(registry.sites.map(\.rawValue) == ["a"])
                #expect(try await take(keeper, registry).isEmpty)
                // Its keys are unknown here; it is invited again, with new ones.
                #expect(registry.member(for: later) == nil)
            }
            // As after any other restart.
            let registry = try await authority.open()
            #expect(registry.member(for: revoked) == nil)
            #expect(try await take(keeper, registry).isEmpty)
            _ = try await authority.join("d", registry)
            #expect(try await take(keeper, registry).isEmpty)
            #expect(registry.sites.map(\.rawValue).sorted() == ["a", "d"])
        }
    }

    @Test func sitesRefuseTheRosterOfAnAggregatorThatForgotARevocation() async throws {
        let authority = try TestRegistry()
        try await restore(authority, forgetting: ["deny.bin", "roster.bin"]) { keeper, _, _ in
            let registry = try await authority.open()
            #expect(Set(try await take(keeper, registry)) == [.lowerEpoch, .lowerDenyNumber])
            // Nor when its numbers have grown again.
            _ = try await authority.join("d", registry)
            _ = try await authority.join("e", registry)
            #expect(try await take(keeper, registry).contains(.lowerDenyNumber))
            #expect(await keeper.rosterEpoch == 4)
        }
    }

    @Test func damagedRemaindersAreNoReasonToForget() async throws {
        let authority = try TestRegistry()
        try await restore(authority) { _, _, _ in
            let file = authority.keys + "/deny.bin"
            var bytes = try SecretFile.read(file)
            bytes[bytes.count - 1] ^= 1
            try SecretFile.write(bytes, to: file)
            await #expect(throws: SecretFile.Failure.self) { _ = try await authority.open() }
        }
    }
}
