// SPDX-License-Identifier: Apache-2.0
// The roster of a secure sum: its form, its signatures, and what large ones reveal.

import Federation
import SecureAggregation
import Testing

@Suite struct SecureRosterTests {
    private var random = RandomObjects(seed: 21)

    @Test mutating func presentSitesSignAndAbsentOnesDoNot() throws {
        let roster = try random.roster()
        try roster.check()
        #expect(roster.count == 3 && !roster.isSparse)
        #expect(roster.position(of: try #require(SiteID("zurich"))) == 3)
        #expect(roster.position(of: try #require(SiteID("bern"))) == nil)
        #expect(
            roster.entry(at: 1)?.presence == .absent && roster.entry(at: 1)?.isSigned(in: roster.federation) == false)
        #expect(roster.entry(at: 2)?.isSigned(in: roster.federation) == true)
        #expect(roster.entry(at: 2)?.isSigned(in: "other.example.org") == false)
        #expect(roster.entry(at: 0) == nil && roster.entry(at: 4) == nil)
        #expect(roster.statementKeys.count == 3)
    }

    /// Every part of a present entry is under its site's signature.
    @Test mutating func everyChangedPartOfAnEntryIsNoticed() throws {
        let roster = try random.roster()
        let entry = try #require(roster.entry(at: 3))
        var other = entry
        other.certificate[0] ^= 1
        #expect(!other.isSigned(in: roster.federation))
        other = entry
        other.epoch += 1
        #expect(!other.isSigned(in: roster.federation))
        other = entry
        other.change?.since += 1
        #expect(!other.isSigned(in: roster.federation))
        other = entry
        other.change = nil
        #expect(!other.isSigned(in: roster.federation))
        other = entry
        other.witnessKey = try random.key().publicKey
        #expect(!other.isSigned(in: roster.federation))
        guard case .present(var offer) = entry.presence else { throw SecureSumError.malformed }
        offer.notAfter += 1
        other = entry
        other.presence = .present(offer)
        #expect(!other.isSigned(in: roster.federation))
    }

    @Test mutating func noKeyStandsTwice() throws {
        let roster = try random.roster()
        func with(_ change: (inout [SecureRoster.Entry]) throws -> Void) throws -> SecureRoster {
            var entries = roster.entries
            try change(&entries)
            return try SecureRoster(
                federation: roster.federation, study: roster.study, epoch: roster.epoch, previous: roster.previous,
                denyNumber: 0, denyHash: roster.denyHash, entries: entries)
        }
        let changes: [(inout [SecureRoster.Entry]) throws -> Void] = [
            { $0[0].statementKey = $0[1].statementKey }, { $0[0].statementKey = $0[1].witnessKey },
            { $0[0].witnessKey = $0[2].witnessKey }, { $0[0].witnessKey = $0[0].statementKey },
            { $0[0].certificate = $0[1].certificate },
        ]
        for change in changes {
            #expect(throws: SecureSumError.repeatedKey) { try with(change).check() }
        }
        #expect(throws: SecureSumError.badSignature) { try with { $0[1].certificate += [0] }.check() }
    }

    /// The roster with another X-Wing key for the third site, which signs it.
    private mutating func roster(withKey key: (SecureRoster) throws -> EnvelopePublicKey) throws -> SecureRoster {
        let roster = try random.roster()
        var entries = roster.entries
        entries[2] = try SecureRoster.Entry(
            entries[2].site, of: roster.federation, certificate: [9], statementKey: random.key(),
            witnessKey: random.key().publicKey, epoch: roster.epoch, envelopeKey: key(roster), nonceCommitment: nil,
            notAfter: 1)
        return try SecureRoster(
            federation: roster.federation, study: roster.study, epoch: roster.epoch, previous: roster.previous,
            denyNumber: 0, denyHash: roster.denyHash, entries: entries)
    }

    /// A member's nonsense in place of a key would keep everybody else from dealing.
    @Test mutating func keysThatNobodyCanSealToAreRefused() throws {
        let nonsense = try #require(EnvelopePublicKey(bytes: [UInt8](repeating: 255, count: 1_216)))
        let other = try roster { _ in nonsense }
        #expect(throws: SecureSumError.unusableKey) { try other.check() }
    }

    @Test mutating func noXWingKeyStandsTwice() throws {
        let other = try roster { roster in
            guard case .present(let offer) = roster.entries[1].presence else { throw SecureSumError.malformed }
            return offer.envelopeKey
        }
        #expect(throws: SecureSumError.repeatedKey) { try other.check() }
    }

    @Test mutating func formIsStrict() throws {
        let roster = try random.roster()
        func make(
            federation: String = "hearts.example.org", epoch: UInt64? = nil, previous: Digest?? = nil,
            entries: [SecureRoster.Entry]? = nil
        ) throws(SecureSumError) {
            _ = try SecureRoster(
                federation: federation, study: roster.study, epoch: epoch ?? roster.epoch,
                previous: previous ?? roster.previous, denyNumber: 0, denyHash: roster.denyHash,
                entries: entries ?? roster.entries)
        }
        try make()
        #expect(throws: SecureSumError.malformed) { try make(federation: "") }
        #expect(throws: SecureSumError.malformed) { try make(federation: "Hearts.example.org") }
        #expect(throws: SecureSumError.malformed, "no epoch before") { try make(epoch: 0) }
        #expect(throws: SecureSumError.malformed, "entries of another epoch") { try make(epoch: roster.epoch + 1) }
        #expect(throws: SecureSumError.malformed, "only the first has none") { try make(previous: .some(nil)) }
        #expect(throws: SecureSumError.malformed, "unsorted") { try make(entries: roster.entries.reversed()) }
        #expect(throws: SecureSumError.malformed, "repeated") {
            try make(entries: [roster.entries[0]] + roster.entries)
        }
        #expect(throws: SecureSumError.malformed, "two sites") { try make(entries: Array(roster.entries.prefix(2))) }
    }

    @Test mutating func ownNameStandsAloneAmongSignatures() throws {
        let epoch: UInt64 = 2
        let names = try ["basel", "geneva"].map { try #require(SiteID($0)) }
        let signatures = names.map { SecureRoster.NamedSignature(site: $0, signature: random.bytes(64)) }
        let entries = [
            try random.entry("basel", epoch: epoch, change: .init(since: 2, signatures: signatures), isPresent: false),
            try random.entry("geneva", epoch: epoch, change: nil, isPresent: false),
            try random.entry("zurich", epoch: epoch, change: nil, isPresent: false),
        ]
        let roster = try SecureRoster(
            federation: "hearts.example.org", study: random.digest(), epoch: epoch, previous: random.digest(),
            denyNumber: 0, denyHash: random.digest(), entries: entries)
        #expect(throws: SecureSumError.malformed) { _ = try SecureRoster(bytes: roster.bytes) }
    }

    @Test mutating func changeMessageIsThatOfEnrolment() throws {
        let statement = try random.key().publicKey
        let witness = try random.key().publicKey
        let message = SecureRoster.KeyChange.message(
            isVouch: true, federation: "a.org", site: try #require(SiteID("b")), statementKey: statement,
            witnessKey: witness, since: 5)
        let expected =
            Array("fl/keys/v1 vouch\n".utf8) + [0, 5] + Array("a.org".utf8) + [0, 1] + Array("b".utf8)
            + statement.bytes + witness.bytes + [0, 0, 0, 0, 0, 0, 0, 5]
        #expect(message == expected)
    }

    @Test mutating func largeRostersRevealAllOrNothing() throws {
        let (roster, bytes) = try random.sparseRoster()
        try roster.check()
        #expect(roster.isSparse)
        #expect(try SecureRoster(bytes: roster.bytes) == roster)
        let reveals = try RosterReveals(bytes: bytes, of: roster)
        #expect(reveals.rosterHash(of: roster) == Digest(of: roster.bytes + bytes, domain: ""))
        #expect(reveals.graphKey == Digest(of: roster.hash.bytes + bytes, domain: "fl/secagg/v1 graph"))
        for index in [0, 31, 32, 63, bytes.count - 1] {
            var other = bytes
            other[index] ^= 1
            #expect(throws: SecureSumError.wrongReveal) { _ = try RosterReveals(bytes: other, of: roster) }
        }
        #expect(throws: SecureSumError.wrongReveal) { _ = try RosterReveals(bytes: bytes.dropLast(), of: roster) }
        // Zeros in place of what a present site committed to.
        let zeros = [UInt8](repeating: 0, count: bytes.count)
        #expect(throws: SecureSumError.wrongReveal) { _ = try RosterReveals(bytes: zeros, of: roster) }
        let small = try random.roster()
        #expect(throws: SecureSumError.wrongReveal) {
            _ = try RosterReveals(bytes: [UInt8](repeating: 0, count: 96), of: small)
        }
    }

    @Test mutating func commitmentsStandInLargeRostersOnly() throws {
        let (roster, _) = try random.sparseRoster()
        let hundred = Array(roster.entries.prefix(100))
        #expect(throws: SecureSumError.malformed) {
            _ = try SecureRoster(
                federation: roster.federation, study: roster.study, epoch: 1, previous: nil, denyNumber: 0,
                denyHash: roster.denyHash, entries: hundred)
        }
        let without = try random.entry("site-2000", epoch: 1, change: nil, isPresent: true)
        #expect(throws: SecureSumError.malformed) {
            _ = try SecureRoster(
                federation: roster.federation, study: roster.study, epoch: 1, previous: nil, denyNumber: 0,
                denyHash: roster.denyHash, entries: roster.entries + [without])
        }
    }
}

/// Five sites of two epochs; the aggregator tries to give one of them other keys.
@Suite struct SecureRosterContinuityTests {
    private let federation = "hearts.example.org"
    private let names = ["basel", "bern", "geneva", "lund", "zurich"]
    private let keys: [StatementKey]
    private let witnesses: [StatementPublicKey]
    private let newKey: StatementKey
    private let before: SecureRoster

    init() throws {
        var random = RandomObjects(seed: 23)
        keys = try names.map { _ in try random.key() }
        witnesses = try names.map { _ in try random.key().publicKey }
        newKey = try random.key()
        var entries: [SecureRoster.Entry] = []
        for (index, name) in names.enumerated() {
            entries.append(
                SecureRoster.Entry(
                    absent: try #require(SiteID(name)), certificate: [UInt8(index)],
                    statementKey: keys[index].publicKey,
                    witnessKey: witnesses[index], epoch: 4))
        }
        before = try SecureRoster(
            federation: federation, study: random.digest(), epoch: 4, previous: random.digest(), denyNumber: 0,
            denyHash: random.digest(), entries: entries)
    }

    /// The next roster, with another statement key for "bern" or for a new site, and who signed for it.
    private func unexplained(
        _ name: String = "bern", isVouch: Bool, signers: [(String, StatementKey)], since: UInt64 = 6,
        messageSince: UInt64? = nil
    ) throws -> [String] {
        let site = try #require(SiteID(name))
        let witness = witnesses[1]
        let message = SecureRoster.KeyChange.message(
            isVouch: isVouch, federation: federation, site: site, statementKey: newKey.publicKey, witnessKey: witness,
            since: messageSince ?? since)
        var signatures: [SecureRoster.NamedSignature] = []
        for (signer, key) in signers {
            signatures.append(
                .init(site: try #require(SiteID(signer)), signature: try key.sign(message, domain: "")))
        }
        var entries = before.entries.filter { $0.site != site }
        for index in entries.indices { entries[index].epoch = 6 }
        entries.append(
            SecureRoster.Entry(
                absent: site, certificate: [9], statementKey: newKey.publicKey, witnessKey: witness, epoch: 6,
                change: signatures.isEmpty ? nil : .init(since: since, signatures: signatures)))
        entries.sort { $0.site < $1.site }
        let roster = try SecureRoster(
            federation: federation, study: before.study, epoch: 6, previous: before.hash, denyNumber: 0,
            denyHash: before.denyHash, entries: entries)
        return roster.unexplainedSites(after: before).map(\.rawValue)
    }

    private func voters(_ indices: [Int]) -> [(String, StatementKey)] { indices.map { (names[$0], keys[$0]) } }

    @Test func sameKeysNeedNoWord() {
        #expect(before.unexplainedSites(after: before).isEmpty)
    }

    @Test func newKeysNeedTheOldKeyOrAQuorum() throws {
        #expect(try unexplained(isVouch: false, signers: [("bern", keys[1])]) == [])
        // Four of five are a quorum.
        #expect(try unexplained(isVouch: true, signers: voters([0, 2, 3, 4])) == [])
        #expect(try unexplained(isVouch: true, signers: []) == ["bern"])
        #expect(try unexplained(isVouch: true, signers: voters([0, 2, 3])) == ["bern"], "three of five")
        #expect(try unexplained(isVouch: true, signers: voters([0, 1, 2, 3])) == ["bern"], "its own vote")
    }

    @Test func wrongSignaturesExplainNothing() throws {
        let bern = ["bern"]
        #expect(try unexplained(isVouch: false, signers: [("bern", newKey)]) == bern, "the new key for itself")
        #expect(try unexplained(isVouch: false, signers: [("bern", keys[0])]) == bern, "another's key")
        #expect(try unexplained(isVouch: true, signers: [("bern", keys[1])]) == bern, "a vouch for oneself")
        #expect(try unexplained(isVouch: false, signers: voters([0, 2, 3, 4])) == bern, "rotations of others")
        let forged = zip([0, 2, 3, 4], [0, 2, 3, 3]).map { (names[$0], keys[$1]) }
        #expect(try unexplained(isVouch: true, signers: forged) == bern, "one member signs for two")
        #expect(try unexplained(isVouch: false, signers: [("bern", keys[1])], since: 4) == bern, "an old change")
        #expect(
            try unexplained(isVouch: false, signers: [("bern", keys[1])], since: 6, messageSince: 5) == bern,
            "signed for another epoch")
    }

    @Test func newSitesNeedAQuorum() throws {
        #expect(try unexplained("oslo", isVouch: true, signers: voters([0, 1, 2, 4])) == [])
        #expect(try unexplained("oslo", isVouch: true, signers: voters([0, 1, 2])) == ["oslo"])
        #expect(try unexplained("oslo", isVouch: false, signers: [("oslo", newKey)]) == ["oslo"])
    }
}
