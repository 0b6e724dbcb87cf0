// SPDX-License-Identifier: Apache-2.0
// Attacks on keys, envelopes and shares: invented members, deals that are not what they say, and who is blamed.

import Federation
import SecureAggregation
import Testing

@Suite struct DealAttackTests {
    // MARK: A5: who stands behind a key

    private func roster(epoch: UInt64, _ names: [String], keys: [String: StatementKey] = [:]) throws -> SecureRoster {
        var entries: [SecureRoster.Entry] = []
        for name in names.sorted() {
            let own = try #require(StatementKey(seed: Digest(of: Array(name.utf8), domain: "own key").bytes))
            let witness = try #require(StatementKey(seed: Digest(of: Array(name.utf8), domain: "witness").bytes))
            entries.append(
                try SecureRoster.Entry(
                    #require(SiteID(name)), of: "hearts.example.org", certificate: Array(name.utf8),
                    statementKey: keys[name] ?? own, witnessKey: witness.publicKey, epoch: epoch,
                    envelopeKey: EnvelopePrivateKey().publicKey, nonceCommitment: nil, notAfter: 1))
        }
        let digest = Digest(of: [], domain: "attacked roster")
        return try SecureRoster(
            federation: "hearts.example.org", study: digest, epoch: epoch, previous: epoch == 1 ? nil : digest,
            denyNumber: 0, denyHash: digest, entries: entries)
    }

    /// The aggregator gives a known site a key of its own making, with a well signed entry, and opens its envelopes.
    @Test func a5_aSwappedKeyIsNotedByEverybody() throws {
        let invented = try #require(StatementKey(seed: [UInt8](repeating: 5, count: 32)))
        let before = try roster(epoch: 1, ["a", "b", "c", "d"])
        let swapped = try roster(epoch: 2, ["a", "b", "c", "d"], keys: ["b": invented])
        try swapped.check()
        #expect(swapped.unexplainedSites(after: before).map(\.rawValue) == ["b"])
        // Another X-Wing key alone, in the entry that the site signed.
        var entries = before.entries
        guard case .present(var offer) = entries[1].presence else { throw SecureSumError.malformed }
        offer.envelopeKey = try EnvelopePrivateKey().publicKey
        entries[1].presence = .present(offer)
        let changed = try SecureRoster(
            federation: before.federation, study: before.study, epoch: 1, previous: nil, denyNumber: 0,
            denyHash: before.denyHash, entries: entries)
        #expect(throws: SecureSumError.badSignature) { try changed.check() }
    }

    /// Sybils: new members of the aggregator's own, and one key that stands on two positions.
    @Test func a5_inventedMembersAreNotedAndNoKeyStandsTwice() throws {
        let before = try roster(epoch: 1, ["a", "b", "c", "d"])
        let flooded = try roster(epoch: 2, ["a", "b", "c", "d", "sybil-1", "sybil-2", "sybil-3"])
        #expect(flooded.unexplainedSites(after: before).map(\.rawValue) == ["sybil-1", "sybil-2", "sybil-3"])
        let one = try #require(StatementKey(seed: [UInt8](repeating: 6, count: 32)))
        #expect(throws: SecureSumError.repeatedKey) {
            try roster(epoch: 2, ["a", "b", "c", "d"], keys: ["c": one, "d": one]).check()
        }
    }

    // MARK: A11: bad deals and bad releases

    /// (b) A dealer seals shares that do not belong together under honest roots.
    @Test func a11b_aDealerOfBadSharesIsConvicted() throws {
        let honest = try TestRound()
        var seeds = honest.seeds
        var items = seeds[1].items
        // A share of another polynomial, in 2's deal to 1.
        items[1]?[0] = try #require(seeds[2].items[1]?[0])
        seeds[1] = DealtSeeds(selfSeed: seeds[1].selfSeed, pairSeeds: seeds[1].pairSeeds, items: items)
        let round = try TestRound(seeds: seeds)
        _ = try round.receive(from: 2, to: 1)
        var collector = ShareCollector(rules: round.rules, plan: round.plan, set: round.set, headers: round.headers)
        for holder in [1, 2, 3, 4] { #expect(try collector.receive(round.release(of: holder)) == nil) }
        var unmasking = Unmasking(
            layout: try MaskLayout(summing: []), plan: round.plan, context: round.rules.context)
        guard case .dealerBlamed(.dealer(let evidence)) = collector.rebuild(into: &unmasking) else {
            Issue.record("the dealer was not blamed")
            return
        }
        #expect(evidence.header.dealer == 2 && round.rules.proves(evidence))
        #expect(
            !honest.rules.proves(
                DealerEvidence(header: honest.header(2), secret: evidence.secret, shares: evidence.shares)))
    }

    /// (b) A responder changes a share, or leaves one out: it is named, its release thrown away, and others do.
    @Test func a11b_aBadResponderIsConvictedAndReplaced() throws {
        let round = try TestRound()
        var collector = ShareCollector(rules: round.rules, plan: round.plan, set: round.set, headers: round.headers)
        var short = try round.release(of: 5)
        short.items.removeLast()
        guard case .responder(let missing)? = try collector.receive(short.signed(by: round.statementKeys[4])) else {
            Issue.record("a missing share was not seen")
            return
        }
        #expect(round.rules.proves(missing, for: round.set, boundTo: round.manifest, plan: round.plan))
        var wrong = try round.release(of: 4)
        wrong.items[0].share[0] ^= 1
        for holder in [1, 2, 3] { #expect(try collector.receive(round.release(of: holder)) == nil) }
        #expect(try collector.receive(wrong.signed(by: round.statementKeys[3])) == nil)
        var unmasking = Unmasking(
            layout: try MaskLayout(summing: []), plan: round.plan, context: round.rules.context)
        guard case .waiting(let blames) = collector.rebuild(into: &unmasking),
            case .responder(let evidence)? = blames.first
        else {
            Issue.record("the responder was not blamed")
            return
        }
        #expect(evidence.release.site == 4 && blames.count == 1)
        #expect(round.rules.proves(evidence, for: round.set, boundTo: round.manifest, plan: round.plan))
        #expect(!collector.hasEnough)
        #expect(try collector.receive(round.release(of: 5)) == nil)
        #expect(collector.hasEnough && collector.rebuild(into: &unmasking) == .complete)
    }

    /// (c) An envelope that does not open; who lies cannot be told, so one side is left out and nothing is revealed.
    @Test func a11c_anEnvelopeThatDoesNotOpenEndsBeforeTheUpload() throws {
        let round = try TestRound()
        let other = try EnvelopePrivateKey(seed: [UInt8](repeating: 1, count: 32))
        #expect(throws: SecureSumError.badDeal(.unopened)) { try round.receive(key: other) }
        func selected(_ missing: [Position: [Position]]) -> [Position] {
            var accepted: [Position: PositionSet] = [:]
            for site in 1...5 {
                accepted[site] = PositionSet(
                    rosterCount: 5, (1...5).filter { $0 != site && !(missing[site] ?? []).contains($0) })
            }
            var selection = DealerSelection(graph: .complete(5), rosterCount: 5, accepted: accepted)
            return selection.select().positions
        }
        #expect(selected([4: [2]]) == [1, 3, 4, 5], "one accusation: the dealer goes")
        #expect(selected([4: [1, 2]]) == [1, 2, 3, 5], "two by one site: the accuser goes")
        #expect(selected([1: [2], 4: [2]]) == [1, 3, 4, 5])
    }

    // MARK: Envelopes on their way

    /// Everything a relay can do to an envelope has its code, and none gives a deal.
    @Test func changedEnvelopesAreNoDeal() throws {
        let round = try TestRound()
        let envelope = try round.envelope(from: 2, to: 4)
        func refuses(_ code: DealAcknowledgement.Complaint.Code, _ bytes: [UInt8], _ comment: Comment) {
            #expect(throws: SecureSumError.badDeal(code), comment) { try round.receive(envelope: bytes) }
        }
        refuses(.counts, [], "withheld, but said to be there")
        refuses(.counts, Array(envelope.dropLast()), "truncated")
        refuses(.counts, envelope + [0], "oversized")
        refuses(.counts, envelope + envelope, "twice")
        refuses(.counts, try round.envelope(from: 5, to: 4), "another dealer's, without a pair seed")
        refuses(.envelopeHash, try round.envelope(from: 2, to: 5), "another holder's")
        refuses(.envelopeHash, Array(envelope.reversed()), "reordered")
    }

    /// A colluding dealer signs for bytes that no honest one would make: malformed points, another's ciphertext.
    @Test func signedNonsenseDoesNotOpen() throws {
        let round = try TestRound()
        let envelope = try round.envelope(from: 2, to: 4)
        func refuses(_ bytes: [UInt8]) throws {
            var header = round.header(2)
            header.envelopeHashes[2] = Digest(of: bytes, domain: "")
            let signed = try header.signed(by: round.statementKeys[1])
            #expect(throws: SecureSumError.badDeal(.unopened)) { try round.receive(signed, envelope: bytes) }
        }
        // The X25519 point: zero, one, and p, all of low order.
        for point in [
            [UInt8](repeating: 0, count: 32), [1] + [UInt8](repeating: 0, count: 31),
            [0xed] + [UInt8](repeating: 0xff, count: 30) + [0x7f],
        ] {
            try refuses(Array(envelope[..<1_088]) + point + envelope[1_120...])
        }
        try refuses([UInt8](repeating: 0xff, count: 1_088) + envelope[1_088...])
        try refuses([UInt8](repeating: 0, count: envelope.count))
        // From 1 to 4 there is a share more: its ciphertext cannot be 2's, whatever its length.
        try refuses(Array(try round.envelope(from: 2, to: 3)))
        try refuses(Array(try round.envelope(from: 1, to: 4).prefix(envelope.count)))
    }
}
