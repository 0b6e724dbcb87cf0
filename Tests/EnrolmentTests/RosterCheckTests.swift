// SPDX-License-Identifier: Apache-2.0
// Rosters by which an aggregator that holds the authority would replace, invent or double a hospital.

import Enrolment
import Federation
import Testing

@Suite struct RosterCheckTests {
    private let federation: TestFederation
    private let parties: [TestParty]
    private let first: Roster

    init() throws {
        federation = try TestFederation(newMembers: .vouched)
        let federation = federation
        parties = try ["budapest", "cleveland", "zurich"].map { try TestParty($0, in: federation) }
        first = try federation.roster(try parties.map { try $0.entry(in: federation) })
    }

    private func objections(
        to roster: Roster, denyList: DenyList? = nil, after memory: RosterCheck.Memory? = nil,
        in other: TestFederation? = nil, approved: Set<Digest> = []
    ) async throws -> [RosterCheck.Objection] {
        let federation = other ?? federation
        let check = RosterCheck(
            descriptor: federation.descriptor, root: federation.root, ownSite: parties[0].id, ownKeys: parties[0].keys,
            approved: approved)
        return await check.objections(
            to: roster, denyList: try denyList ?? federation.denyList(), after: memory ?? RosterCheck.Memory(first))
    }

    private func next(_ entries: [Roster.Entry], denyList: DenyList? = nil) throws -> Roster {
        try federation.roster(entries, epoch: 2, after: first, denyList: denyList)
    }

    private func entries(replacing index: Int, with entry: Roster.Entry) throws -> [Roster.Entry] {
        try parties.indices.map { $0 == index ? entry : try parties[$0].entry(in: federation) }
    }

    @Test func theSameMembersAreAcceptedAgain() async throws {
        #expect(try await objections(to: first).isEmpty)
        #expect(try await objections(to: next(first.content.entries)).isEmpty)
        // A site that was away does not see every epoch.
        let third = try federation.roster(first.content.entries, epoch: 3, after: try next(first.content.entries))
        #expect(try await objections(to: third).isEmpty)
    }

    @Test func aSwappedStatementKeyIsRefusedWithoutTheOldKeysSignature() async throws {
        let impostor = try TestParty("cleveland", in: federation)
        let swapped = try entries(replacing: 1, with: impostor.entry(in: federation, since: 2))
        #expect(try await objections(to: next(swapped)) == [.keysChanged(impostor.id)])
        let message = Roster.changeMessage(
            isVouch: false, federation: federation.name, site: impostor.id, keys: impostor.keys, epoch: 2)
        let byOld = try parties[1].statement.sign(message, domain: "")
        let rotated = try entries(
            replacing: 1, with: impostor.entry(in: federation, since: 2, change: .rotated(byOld)))
        #expect(try await objections(to: next(rotated)).isEmpty)
        let byNew = try impostor.statement.sign(message, domain: "")
        let claimed = try entries(
            replacing: 1, with: impostor.entry(in: federation, since: 2, change: .rotated(byNew)))
        #expect(try await objections(to: next(claimed)) == [.keysChanged(impostor.id)])
    }

    @Test func inventedHospitalsAreRefusedUnlessVouchedForOrApproved() async throws {
        let sybil = try TestParty("sybil", in: federation)
        let entry = try sybil.entry(in: federation, since: 2)
        #expect(try await objections(to: next(first.content.entries + [entry])) == [.unvouched(sybil.id)])
        #expect(
            try await objections(to: next(first.content.entries + [entry]), approved: [sybil.keys.hash]).isEmpty)
        let message = Roster.changeMessage(
            isVouch: true, federation: federation.name, site: sybil.id, keys: sybil.keys, epoch: 2)
        let vouches = try parties.map {
            Roster.Vouch(site: $0.id, signature: try $0.statement.sign(message, domain: ""))
        }
        func with(_ vouches: [Roster.Vouch]) throws -> Roster {
            try next(first.content.entries + [sybil.entry(in: federation, since: 2, change: .vouched(vouches))])
        }
        #expect(try await objections(to: with(vouches)).isEmpty)
        // Two of three are no quorum, and one that signs three times is one.
        #expect(try await objections(to: with(Array(vouches.prefix(2)))) == [.unvouched(sybil.id)])
        #expect(try await objections(to: with([vouches[0], vouches[0], vouches[0]])) == [.unvouched(sybil.id)])
    }

    @Test func oneKeyInTwoEntriesIsRefused() async throws {
        let fresh = try TestParty("zurich", in: federation)
        let double = try TestParty(
            id: fresh.id, tls: fresh.tls, statement: parties[1].statement, witness: fresh.witness)
        let roster = try federation.roster(try entries(replacing: 2, with: double.entry(in: federation)))
        let found = try await objections(to: roster, after: RosterCheck.Memory(roster))
        #expect(found == [.sharedKey(parties[1].id, fresh.id)])
    }

    @Test func aCertificateOfAnotherRoleNameOrAuthorityIsRefused() async throws {
        let other = try TestFederation(seed: 2)
        var foreign = try parties[1].entry(in: federation)
        foreign.certificate = try parties[1].certificate(in: other).bytes
        #expect(
            try await objections(to: next(entries(replacing: 1, with: foreign))) == [.badCertificate(parties[1].id)])
        var person = try parties[1].entry(in: federation)
        person.certificate = try parties[1].certificate(in: federation, role: .operator).bytes
        #expect(try await objections(to: next(entries(replacing: 1, with: person))) == [.badCertificate(parties[1].id)])
        // The certificate binds the keys: an entry with others, the certificate left as it was.
        var unbound = try parties[1].entry(in: federation)
        unbound.keys = try TestParty("cleveland", in: federation).keys
        let found = try await objections(to: next(entries(replacing: 1, with: unbound)))
        #expect(found == [.badCertificate(parties[1].id), .keysChanged(parties[1].id)])
    }

    @Test func aDeniedKeyAnOldListAndAWithheldListAreRefused() async throws {
        let denial = DenyList.Denial(
            publicKeyHash: parties[2].tls.publicKeyHash, party: PartyName(.site, parties[2].id), since: 0)
        let list = try federation.denyList(number: 1, [denial])
        let roster = try next(first.content.entries, denyList: list)
        #expect(try await objections(to: roster, denyList: list) == [.denied(parties[2].id)])
        #expect(try await objections(to: roster) == [.badDenyList])
        let without = try next(Array(first.content.entries.dropLast()), denyList: list)
        #expect(try await objections(to: without, denyList: list).isEmpty)
        let later = try federation.roster(Array(first.content.entries.dropLast()), epoch: 3, after: without)
        #expect(try await objections(to: later, after: RosterCheck.Memory(without)) == [.lowerDenyNumber])
    }

    @Test func forksAndForgeriesAreRefused() async throws {
        let other = try federation.roster(Array(first.content.entries.dropLast()))
        #expect(try await objections(to: other) == [.forkedEpoch])
        let unchained = try federation.roster(first.content.entries, epoch: 2, after: other)
        #expect(try await objections(to: unchained) == [.brokenChain])
        let forged = try Roster(first.content, signedBy: parties[0].statement)
        #expect(try await objections(to: forged) == [.badSignature])
        let own = try TestParty("budapest", in: federation)
        let altered = try next(entries(replacing: 0, with: own.entry(in: federation)))
        #expect(try await objections(to: altered) == [.ownEntryAltered, .keysChanged(own.id)])
    }
}
