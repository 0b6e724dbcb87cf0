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
            { $0.items[3].share[0] ^= 1 }, { $0.items[3].path[0] = $0.items[3].path[1] },
            { $0.items[3].path.removeLast() }, { $0.items[3].path.append($0.items[0].path[0]) },
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

    @Test func elementsPastThePrimeBlameTheDealer() throws {
        var seeds = round.seeds
        var items = seeds[1].items
        items[4]?[0].replaceSubrange(0..<8, with: [255, 255, 255, 255, 255, 255, 255, 0x1f])
        seeds[1] = DealtSeeds(selfSeed: seeds[1].selfSeed, pairSeeds: seeds[1].pairSeeds, items: items)
        let spoiled = try TestRound(seeds: seeds)
        let blame = try #require(try spoiled.judge(spoiled.release(of: 4)))
        guard case .dealer(let evidence) = blame else {
            Issue.record("the dealer was not blamed")
            return
        }
        #expect(blame.site == 2 && evidence.shares.map(\.holder) == [4])
        #expect(spoiled.rules.proves(evidence))
    }
}
