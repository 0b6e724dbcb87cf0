// SPDX-License-Identifier: Apache-2.0
// A release has exactly the shares that the set asks for, and who sends or dealt a wrong one is named.

import Federation
import SecureAggregation
import Testing

@Suite struct ReleaseCheckTests {
    private let round: TestRound

    init() throws { round = try TestRound() }

    private func release(of holder: Position = 4, _ change: (inout ShareRelease) -> Void) throws -> ShareRelease {
        var release = try round.release(of: holder)
        change(&release)
        return try release.signed(by: round.statementKeys[holder - 1])
    }

    @Test func everyHolderReleasesExactlyTheRule() throws {
        for holder in 1...5 {
            let release = try round.release(of: holder)
            // U = {1, 2, 4, 5}: the self seeds of U, and the seeds of 3 with each of them.
            #expect(
                release.items.map(\.secret) == [
                    SecretID(dealer: 1, index: 0), SecretID(dealer: 1, index: 2), SecretID(dealer: 2, index: 0),
                    SecretID(dealer: 2, index: 1), SecretID(dealer: 3, index: 1), SecretID(dealer: 3, index: 2),
                    SecretID(dealer: 4, index: 0), SecretID(dealer: 5, index: 0),
                ])
            #expect(try round.judge(release) == nil)
            #expect(try ShareRelease(bytes: release.bytes) == release)
            // Made again, it has the same bytes.
            #expect(try round.release(of: holder).bytes == release.bytes)
        }
    }

    @Test func whatProvesNothingIsThrown() throws {
        let release = try round.release(of: 4)
        var other = release
        other.context = Digest(of: [], domain: "other")
        #expect(throws: SecureSumError.otherContext) { try round.judge(other) }
        other = release
        other.set = Digest(of: [], domain: "other")
        #expect(throws: SecureSumError.otherSet) { try round.judge(other) }
        #expect(throws: SecureSumError.badSignature) { try round.judge(release.signed(by: round.statementKeys[2])) }
        other = release
        other.site = 6
        #expect(throws: SecureSumError.signerNotAllowed) { try round.judge(other) }
        other = release
        other.site = 2
        #expect(throws: SecureSumError.badSignature, "in another's name") { try round.judge(other) }
    }

    @Test func missingAndSurplusItemsBlameTheResponder() throws {
        let own = round.rules
        for change: (inout ShareRelease) -> Void in [
            { $0.items.removeLast() }, { $0.items.removeAll() },
            { $0.items.append($0.items[0]) },
            { $0.items[0].secret.index = 1 },
        ] {
            let release = try release(change)
            guard case .responder(let evidence) = try round.judge(release) else {
                Issue.record("nobody was blamed")
                continue
            }
            #expect(evidence.header == nil && evidence.release == release)
            #expect(own.proves(evidence, for: round.set, boundTo: round.manifest, plan: round.plan))
        }
    }

    @Test func wrongPathsBlameTheResponder() throws {
        for change: (inout ShareRelease) -> Void in [
            { $0.items[3].share[0] ^= 1 }, { $0.items[3].path.digests[0] = $0.items[3].path.digests[1] },
            { $0.items[3].path.digests.removeLast() }, { $0.items[3].path.digests.append($0.items[0].path.digests[0]) },
            { $0.items[3].share = $0.items[2].share },
        ] {
            let release = try release(change)
            let blame = try #require(try round.judge(release))
            guard case .responder(let evidence) = blame else {
                Issue.record("the responder was not blamed")
                continue
            }
            #expect(blame.site == 4 && evidence.header == round.header(2))
            #expect(round.rules.proves(evidence, for: round.set, boundTo: round.manifest, plan: round.plan))
        }
    }

    @Test func honestRespondersCannotBeFramed() throws {
        let release = try round.release(of: 4)
        func proves(_ evidence: ResponderEvidence) -> Bool {
            round.rules.proves(evidence, for: round.set, boundTo: round.manifest, plan: round.plan)
        }
        #expect(!proves(ResponderEvidence(release: release, header: nil)))
        #expect(!proves(ResponderEvidence(release: release, header: round.header(2))))
        // A colluding dealer signs a second header; the manifest says which one counts.
        var second = round.header(2)
        second.shareRoots[3] = Digest(of: [], domain: "other")
        second = try second.signed(by: round.statementKeys[1])
        #expect(!proves(ResponderEvidence(release: release, header: second)))
        // A release that it did not sign.
        var other = release
        other.items.removeLast()
        #expect(!proves(ResponderEvidence(release: other, header: nil)))
    }

    @Test func elementsPastThePrimeAreNoShare() throws {
        let release = try release { $0.items[0].share.replaceSubrange(0..<8, with: Self.prime) }
        #expect(throws: SecureSumError.malformed) { _ = try ShareRelease(bytes: release.bytes) }
    }

    /// p, little-endian.
    private static let prime: [UInt8] = [255, 255, 255, 255, 255, 255, 255, 0x1f]

    private func shares(of secret: SecretID, in round: TestRound, holders: [Position]) throws -> [ReleasedShare] {
        try holders.map { holder in
            let item = try #require(try round.release(of: holder).items.first { $0.secret == secret })
            return ReleasedShare(holder: holder, share: item.share, path: item.path)
        }
    }

    @Test func sharesOfAnyQuorumRebuildEachSecret() throws {
        for secret in round.plan.secrets {
            for missing in 1...5 {
                let holders = (1...5).filter { $0 != missing }
                let shares = try shares(of: secret, in: round, holders: holders)
                let seeds = round.seeds[secret.dealer - 1]
                let expected = secret.index == 0 ? seeds.selfSeed : seeds.pairSeeds[Int(secret.index) - 1]
                switch round.rules.rebuild(secret, header: round.header(secret.dealer), from: shares) {
                case .seed(let seed): #expect(seed.exposedBytes() == expected.secret.exposedBytes())
                case .blamed: Issue.record("an honest dealer was blamed")
                }
            }
        }
    }

    /// A dealer whose share for 4 is another one, under a root that it signed: every holder acknowledges it, and the
    /// shares contradict its commitment.
    private func roundWithBadShare() throws -> TestRound {
        var seeds = round.seeds
        var items = seeds[1].items
        items[4]?[0][0] ^= 1
        seeds[1] = DealtSeeds(selfSeed: seeds[1].selfSeed, pairSeeds: seeds[1].pairSeeds, items: items)
        let spoiled = try TestRound(seeds: seeds)
        _ = try spoiled.receive()
        return spoiled
    }

    @Test func contradictedCommitmentsBlameTheDealer() throws {
        let spoiled = try roundWithBadShare()
        let secret = SecretID(dealer: 2, index: 0)
        for holder in 1...5 { #expect(try spoiled.judge(spoiled.release(of: holder)) == nil) }
        let shares = try shares(of: secret, in: spoiled, holders: [1, 2, 3, 4])
        guard case .blamed(let evidence) = spoiled.rules.rebuild(secret, header: spoiled.header(2), from: shares) else {
            Issue.record("the dealer was not blamed")
            return
        }
        #expect(evidence.shares == shares && Blame.dealer(evidence).site == 2)
        #expect(spoiled.rules.proves(evidence))
        // Without the bad share the secret comes out.
        let good = try self.shares(of: secret, in: spoiled, holders: [1, 2, 3, 5])
        switch spoiled.rules.rebuild(secret, header: spoiled.header(2), from: good) {
        case .seed(let seed): #expect(seed.exposedBytes() == spoiled.seeds[1].selfSeed.secret.exposedBytes())
        case .blamed: Issue.record("good shares were refused")
        }
    }

    @Test func honestDealersCannotBeFramed() throws {
        let secret = SecretID(dealer: 2, index: 0)
        let shares = try shares(of: secret, in: round, holders: [1, 2, 3, 4])
        let header = round.header(2)
        func proves(_ shares: [ReleasedShare], _ secret: SecretID = secret, _ header: DealHeader = header) -> Bool {
            round.rules.proves(DealerEvidence(header: header, secret: secret, shares: shares))
        }
        #expect(!proves(shares), "t good shares")
        #expect(!proves(Array(shares.prefix(3))), "too few rebuild something else")
        #expect(!proves([shares[0], shares[0], shares[1], shares[2]]), "repeated")
        #expect(!proves(shares.reversed()), "unsorted")
        #expect(!proves([]))
        var other = shares
        other[0] = ReleasedShare(holder: 1, share: shares[1].share, path: shares[0].path)
        #expect(!proves(other), "not under the root")
        other[0] = ReleasedShare(holder: 5, share: shares[0].share, path: shares[0].path)
        #expect(!proves(other), "another's")
        #expect(!proves(shares, SecretID(dealer: 2, index: 1)), "of another secret")
        #expect(!proves(shares, SecretID(dealer: 3, index: 0)), "of another dealer")
        #expect(!proves(shares, SecretID(dealer: 2, index: 9)), "of no secret")
        var forged = header
        forged.selfCommitment = Digest(of: [], domain: "other")
        #expect(!proves(shares, secret, forged), "a header that it did not sign")
        // The control: it did sign it.
        #expect(proves(shares, secret, try forged.signed(by: round.statementKeys[1])))
    }
}
