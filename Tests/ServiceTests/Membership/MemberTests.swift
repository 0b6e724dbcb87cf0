// SPDX-License-Identifier: Apache-2.0
// Members after joining: revoked in mid-connection, renewed, expired, doubled, and chains that go too far.

import AggregatorService
import Crypto
import Enrolment
import Federation
import Foundation
import PeerTransport
import Randomness
import SiteService
import Store
import Testing
import WireProtocol

@Suite(.timeLimit(.minutes(2)), .serialized)
struct MemberTests {
    /// Whether the other end closes; what it says before is dropped.
    private func ends(_ connection: any PeerConnection) async -> Bool {
        while let frame = try? await connection.nextFrame() { _ = frame }
        return true
    }

    @Test func aRevokedSiteLosesItsConnectionAndDoesNotComeBack() async throws {
        try await EnrolledFederation.run { federation in
            try await federation.join("a")
            try await federation.join("b")
            let first = RawSite(over: try await federation.connect("a"))
            let other = RawSite(over: try await federation.connect("b"))
            for site in [first, other] {
                try await site.say(.hello(versions: [1], software: "test"))
                _ = try await site.hear { if case .rosterPart = $0 { true } else { false } }
            }
            try await federation.registry.revoke(try federation.party("a"))
            #expect(await ends(first.connection))
            let again = try? await federation.connect("a")
            if let again { #expect(!(await federation.isWelcome(again))) }
            // The others hear of it: a roster without the site, and a deny list with its key.
            guard
                case .rosterPart(let part) = try await other.hear({
                    if case .rosterPart = $0 { true } else { false }
                })
            else { return }
            var assembler = RosterAssembler()
            let (bytes, deny) = try #require(try assembler.add(part))
            let roster = try Roster(bytes: bytes)
            #expect(roster.content.entries.map(\.site.rawValue) == ["b"] && roster.content.epoch == 3)
            let list = try DenyList(bytes: deny)
            let revoked = try federation.party("a")
            #expect(list.number == 1 && list.denials.map(\.party) == [revoked])
            #expect(federation.registry.sites.map(\.rawValue) == ["b"])
            #expect(try await federation.entries(.membershipRevoked).count == 1)
        }
    }

    @Test func sitesCheckRostersAndKeepThem() async throws {
        try await EnrolledFederation.run { federation in
            try await federation.join("a")
            let folder = try PartyFolder(federation.keys("a"))
            let keeper = try MembershipKeeper(folder: folder, clock: { federation.now }, logger: quietLogger)
            let first = try #require(federation.registry.roster)
            #expect(await keeper.received(roster: first.roster, denyList: first.denyList).isEmpty)
            try await federation.join("b")
            let second = try #require(federation.registry.roster)
            #expect(await keeper.received(roster: second.roster, denyList: second.denyList).isEmpty)
            #expect(await keeper.rosterEpoch == 2)
            // An older one, after a restart, too.
            let later = try MembershipKeeper(folder: folder, clock: { federation.now }, logger: quietLogger)
            #expect(await later.received(roster: first.roster, denyList: first.denyList) == [.lowerEpoch])
            #expect(await later.rosterEpoch == 2)
        }
    }

    @Test func anAuditorOnlyLooksAndLosesThatWhenRevoked() async throws {
        try await EnrolledFederation.run { federation in
            try await federation.join("north", .auditor)
            try await federation.join("chief", .operator)
            func ask(_ command: MembershipCommand, _ connection: any PeerConnection) async throws -> ControlReply? {
                try await connection.send(Frame(controlBytes: ControlRequest.membership(command).encoded()))
                guard let frame = try await connection.nextFrame() else { return nil }
                return try ControlReply(decoding: frame.controlBytes)
            }
            let auditor = try await federation.connect("north")
            guard case .membership(let list)? = try await ask(.list, auditor) else {
                Issue.record("an auditor cannot look")
                return
            }
            #expect(list.parties.count == 2)
            let queries = try await federation.entries(.accessQueried)
            #expect(queries.map { $0.body["query"] } == [.string("membership")])
            #expect(queries.map { $0.body["name"] } == [.string("north")])
            let name = try #require(SiteID("cleveland"))
            let invite = MembershipCommand.invite(role: "site", name: name, lifetime: 3_600)
            guard case .error? = try await ask(invite, auditor) else {
                Issue.record("an auditor invites")
                return
            }
            let chief = try await federation.connect("chief")
            guard case .membership(let reply)? = try await ask(invite, chief) else {
                Issue.record("an operator cannot invite from afar")
                return
            }
            #expect(try JoinToken(text: reply.token).party == name)
            guard case .membership? = try await ask(.revoke(role: "auditor", name: #require(SiteID("north"))), chief)
            else {
                Issue.record("an operator cannot revoke from afar")
                return
            }
            #expect(await ends(auditor))
            // An operator's commands are steps of their own.
            #expect(try await federation.entries(.accessQueried).count == 1)
            let again = try? await federation.connect("north")
            if let again { #expect(((try? await ask(.list, again)) ?? nil) == nil) }
        }
    }

    @Test func aCertificateIsRenewedOverTheConnectionAndAReplacedSerialRaisesAnAlarm() async throws {
        let age = CertificateAuthority.leafLifetime * 8 / 10
        try await EnrolledFederation.run(startingEarlier: age) { federation in
            let first = try await federation.join("a")
            let folder = try PartyFolder(federation.keys("a"))
            let stolen = federation.keys("a") + "/stolen.pem"
            try SecretFile.write(try SecretFile.read(federation.keys("a") + "/identity.pem"), to: stolen)
            let keeper = try MembershipKeeper(folder: folder, clock: { federation.now }, logger: quietLogger)
            #expect(try await keeper.renewalDue() == nil)
            federation.pass(seconds: age)
            let request = try #require(try await keeper.renewalDue())
            #expect(try RenewalRequest(bytes: request).party == first.party)
            let site = RawSite(over: try await federation.connect("a"))
            try await site.say(.hello(versions: [1], software: "test"))
            try await site.say(.renewal(request))
            guard case .renewed(let reply) = try await site.hear({ if case .renewed = $0 { true } else { false } })
            else { return }
            await keeper.received(reply: reply)
            let second = try folder.identity().certificate
            #expect(second.publicKeyHash != first.publicKeyHash && second.serial != first.serial)
            #expect(second.keysHash == first.keysHash && second.notAfter > first.notAfter)
            // In use at once, without a restart of anything.
            #expect(await federation.isWelcome(try await federation.connect("a")))
            // The thief who copied key files before: his renewal meets the successor.
            let keys = try folder.keys(random: .system)
            let theft = try RenewalRequest(
                federation: "test.example.org", party: first.party, replacedSerial: first.serial,
                certificateRequest: CertificateRequest.make(for: first.party.id, key: RandomSource.system.tlsKey()),
                signedBy: keys.statement)
            let thief = RawSite(over: try await federation.connect(with: stolen))
            try await thief.say(.hello(versions: [1], software: "test"))
            try await thief.say(.renewal(theft.bytes))
            guard case .renewed(let answer) = try await thief.hear({ if case .renewed = $0 { true } else { false } })
            else { return }
            #expect(try EnrolmentReply(bytes: answer) == .refused(.replacedSerial))
            #expect(try await federation.entries(.incident).count == 1)
            #expect(try await federation.entries(.keyRotated).count == 1)
        }
    }

    @Test(arguments: [PartyRole.operator, .auditor])
    func aPersonsCertificateIsRenewedWhenItIsUsed(_ role: PartyRole) async throws {
        let age = CertificateAuthority.leafLifetime * 8 / 10
        try await EnrolledFederation.run(startingEarlier: age) { federation in
            let first = try await federation.join("north", role)
            federation.pass(seconds: age)
            let folder = try PartyFolder(federation.keys("north"))
            let keeper = try MembershipKeeper(folder: folder, clock: { federation.now }, logger: quietLogger)
            let request = try #require(try await keeper.renewalDue())
            let connection = try await federation.connect("north")
            let renewal = ControlRequest.membership(.renew(request))
            try await connection.send(Frame(controlBytes: renewal.encoded()))
            let frame = try #require(try await connection.nextFrame())
            guard case .membership(let reply) = try ControlReply(decoding: frame.controlBytes) else {
                Issue.record("no answer to a renewal")
                return
            }
            await keeper.received(reply: reply.renewal)
            let second = try folder.identity().certificate
            #expect(second.publicKeyHash != first.publicKeyHash && second.party == first.party)
            #expect(try await federation.entries(.keyRotated).count == 1)
            #expect(try await federation.entries(.accessQueried).isEmpty)
        }
    }

    /// What members hold stays good; what they get next holds for another year.
    @Test func theIssuingCertificateIsRenewedUnderTheSameKey() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "issuing-\(UUID().uuidString)").path
        try SecretFile.prepareFolder(folder)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let keys = folder + "/keys"
        let now = wallSeconds()
        let (root, rootKey) = try AuthorityFolder.make(
            AuthorityFolder.Plan(federation: "test.example.org", hosts: ["localhost"], newMembers: .trustOperator),
            at: keys, now: now)
        let before = try AuthorityFolder(keys)
        let random = RandomSource.system
        let name = try #require(SiteID("a"))
        let members = PartyKeys(
            statement: random.statementKey().key.publicKey, witness: random.statementKey().key.publicKey)
        // From the day before the renewal.
        let later = now + 300 * 86_400
        let leaf = try before.authority.issue(
            to: PartyName(.site, name), keys: members, publicKey: random.tlsKey().key.publicKey, at: later - 86_400,
            random: random)

        #expect(throws: SecretFile.Failure.self) {
            _ = try AuthorityFolder.renewIssuing(at: keys, rootKey: random.tlsKey(), now: now)
        }
        #expect(try AuthorityFolder(keys).issuingEnd == before.issuingEnd)
        let end = try AuthorityFolder.renewIssuing(at: keys, rootKey: rootKey, now: later)
        let after = try AuthorityFolder(keys)
        #expect(end == after.issuingEnd && end > before.issuingEnd + 299 * 86_400)
        #expect(after.authority.issuingBytes != before.authority.issuingBytes)
        let verified = try await CertificateChain.verify(
            leaf: leaf.bytes, issuer: after.authority.issuingBytes, root: root, federation: "test.example.org",
            at: later + 3_600)
        #expect(verified == leaf)
    }

    @Test func aLeafThatExpiresEndsItsConnectionAndAPersonLetsTheSiteComeBack() async throws {
        try await EnrolledFederation.run { federation in
            let old = try await federation.join("a")
            let connection = try await federation.connect("a")
            #expect(await federation.isWelcome(connection))
            federation.pass(seconds: CertificateAuthority.leafLifetime + 3_600)
            #expect(await ends(connection))
            let late = try? await federation.connect("a")
            if let late { #expect(!(await federation.isWelcome(late))) }
            let asked = LockedValue(false)
            let fresh = try await federation.client("a").comeBack { progress in
                guard case .waiting = progress else { return }
                let states = await federation.registry.overview().parties.map(\.state)
                #expect(states == ["returning"])
                asked.set(true)
                try? await federation.registry.approve(try federation.party("a"), words: "")
            }
            #expect(asked.get() && fresh.keysHash == old.keysHash && fresh.notAfter > federation.now)
            // Too late, later.
            federation.pass(seconds: CertificateAuthority.leafLifetime + MemberBook.returnPeriod + 60)
            await #expect(throws: EnrolmentError.tooLate) { _ = try await federation.client("a").comeBack { _ in } }
        }
    }

    @Test func twoDaemonsThatTakeOverFromEachOtherRaiseOneAlarm() async throws {
        try await EnrolledFederation.run { federation in
            try await federation.join("a")
            try await federation.join("b")
            var others: [RawSite] = []
            for number in 1...12 {
                let site = RawSite(over: try await federation.connect("a"))
                try await site.say(.hello(versions: [1], software: "test"))
                _ = try await site.hear { if case .rosterPart = $0 { true } else { false } }
                others.append(site)
                if number == 4 { #expect(try await federation.entries(.incident).isEmpty) }
            }
            let alarms = try await federation.entries(.incident)
            #expect(alarms.map { $0.body["alarm"] } == [.string("sharedIdentity")])
            #expect(alarms.map { $0.body["name"] } == [.string("a")])
        }
    }

    @Test func ofTwoDaemonsWithOneIdentityTheLaterOneIsServed() async throws {
        try await EnrolledFederation.run { federation in
            try await federation.join("a")
            let first = RawSite(over: try await federation.connect("a"))
            try await first.say(.hello(versions: [1], software: "test"))
            _ = try await first.hear { if case .rosterPart = $0 { true } else { false } }
            #expect(await federation.isWelcome(try await federation.connect("a")))
            let word = try await first.hear { if case .refusal = $0 { true } else { false } }
            #expect(word == .refusal(.alreadyConnected))
        }
    }

    @Test func chainsWithAnExtraAuthorityAndNamesOfAnotherFederationAreRefused() async throws {
        try await EnrolledFederation.run { federation in
            try await federation.join("a")
            let random = RandomSource.system
            let folder = try PartyFolder(federation.keys("a"))
            let own = try folder.identity()
            let authority = federation.registry.folder.authority
            let keys = PartyKeys(
                statement: random.statementKey().key.publicKey, witness: random.statementKey().key.publicKey)
            func expectRefused(_ key: TLSKey, _ chain: [[UInt8]], _ claim: Comment) async throws {
                let file = federation.folder + "/forged.pem"
                try SecretFile.write(Array((key.pem + chain.map(PEM.text).joined()).utf8), to: file)
                let connection = try? await federation.connect(with: file)
                if let connection { #expect(!(await federation.isWelcome(connection)), claim) }
            }
            // A member's leaf signs another one.
            let below = try CertificateAuthority(
                federation: "test.example.org", root: authority.rootBytes, issuing: own.certificate.bytes, key: own.key)
            let key = random.tlsKey()
            let forged = try below.issue(
                to: try federation.party("b"), keys: keys, publicKey: key.key.publicKey, at: federation.now,
                random: random)
            try await expectRefused(
                key, [forged.bytes, own.certificate.bytes, authority.issuingBytes], "a leaf as an authority")
            // The issuing key signs a name outside of its constraint.
            let issuing = try TLSKey(
                pem: String(decoding: SecretFile.read(federation.folder + "/keys/issuing.key"), as: UTF8.self))
            let elsewhere = try CertificateAuthority(
                federation: "other.example.org", root: authority.rootBytes, issuing: authority.issuingBytes,
                key: issuing)
            let escaped = try elsewhere.issue(
                to: try federation.party("a"), keys: keys, publicKey: key.key.publicKey, at: federation.now,
                random: random)
            try await expectRefused(key, [escaped.bytes, authority.issuingBytes], "an escape from the name constraint")
            // The issuing key, stolen, makes a proper leaf: its key is nobody's in the registry.
            let invented = try authority.issue(
                to: try federation.party("a"), keys: keys, publicKey: key.key.publicKey, at: federation.now,
                random: random)
            try await expectRefused(key, [invented.bytes, authority.issuingBytes], "a leaf that was never recorded")
        }
    }
}
