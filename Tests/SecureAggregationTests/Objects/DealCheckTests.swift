// SPDX-License-Identifier: Apache-2.0
// A holder keeps a deal only when all of it is what the header says; every way to be wrong has its code.

import Federation
import SecureAggregation
import Testing

@Suite struct DealCheckTests {
    private let round: TestRound

    init() throws { round = try TestRound() }

    /// The header of dealer 2 with a change, signed again by it.
    private func header(_ change: (inout DealHeader) -> Void) throws -> DealHeader {
        var header = round.header(2)
        change(&header)
        return try header.signed(by: round.statementKeys[1])
    }

    /// A deal of other contents from 2 to 4, well sealed and signed.
    private func sealed(_ content: EnvelopeContent) throws -> (DealHeader, [UInt8]) {
        let envelope = try Envelope.seal(
            content, to: round.envelopeKeys[3].publicKey, context: round.rules.context, dealer: 2, holder: 4)
        // Neighbours of 2 are 1, 3, 4, 5.
        return (try header { $0.envelopeHashes[2] = Digest(of: envelope, domain: "") }, envelope)
    }

    private var content: EnvelopeContent {
        get throws {
            EnvelopeContent(shares: try #require(round.seeds[1].items[4]), pairSeed: round.seeds[1].pairSeeds[1])
        }
    }

    @Test func goodDealsAreKept() throws {
        for dealer in 1...5 {
            for holder in 1...5 where holder != dealer {
                let deal = try round.receive(from: dealer, to: holder)
                #expect(deal.dealer == dealer && deal.header == round.header(dealer).hash)
                #expect(deal.shares == round.seeds[dealer - 1].items[holder])
                #expect(
                    deal.pairSeed == (dealer < holder ? round.seeds[dealer - 1].pairSeeds[holder - dealer - 1] : nil))
            }
        }
    }

    @Test func headerIsReadBack() throws {
        let header = round.header(2)
        #expect(try DealHeader(bytes: header.bytes) == header)
        #expect(header.itemCount == 4 && header.envelopeHashes.count == 4 && header.shareRoots.count == 5)
    }

    @Test func headerCutByAHashIsNotSigned() throws {
        let bytes = round.header(2).bytes
        for hashes in 1...3 {
            let cut = try DealHeader(bytes: Array(bytes.dropLast(32 * hashes)))
            #expect(throws: SecureSumError.badDeal(.signature)) { try round.receive(cut) }
        }
    }

    @Test func absentNeighboursGetNothing() throws {
        var keys: [EnvelopePublicKey?] = round.envelopeKeys.map(\.publicKey)
        keys[2] = nil
        let deal = try round.rules.makeDeal(
            round.seeds[1], dealer: 2, envelopeKeys: keys, signedBy: round.statementKeys[1])
        #expect(deal.envelopes.keys.sorted() == [1, 4, 5])
        #expect(deal.header.envelopeHashes[1].bytes == [UInt8](repeating: 0, count: 32))
        _ = try round.receive(deal.header, envelope: deal.envelopes[4])
    }

    @Test func wrongSignerIsCode1() throws {
        let code = SecureSumError.badDeal(.signature)
        #expect(throws: code) { try round.receive(round.header(2).signed(by: round.statementKeys[2])) }
        var header = round.header(2)
        header.selfCommitment = Digest(of: [], domain: "other")
        #expect(throws: code, "changed after it was signed") { try round.receive(header) }
        // Another dealer's header in place of 2's, and 2's own as if it were of 3.
        #expect(throws: code) { try round.receive(round.header(3)) }
        #expect(throws: code) { try round.receive(round.header(2), from: 3) }
    }

    @Test func otherContextIsCode2() throws {
        let header = try header { $0.context = Digest(of: [], domain: "other") }
        #expect(throws: SecureSumError.badDeal(.context)) { try round.receive(header) }
    }

    @Test func wrongListsAreCode3() throws {
        let code = SecureSumError.badDeal(.counts)
        let changes: [(inout DealHeader) -> Void] = [
            { $0.pairCommitments.removeLast() }, { $0.pairCommitments.append($0.selfCommitment) },
            { $0.envelopeHashes.removeLast() }, { $0.shareRoots.removeFirst() },
            {
                $0.envelopeHashes.removeLast()
                $0.shareRoots.removeLast()
            },
        ]
        for change in changes { #expect(throws: code) { try round.receive(header(change)) } }
        let envelope = try round.envelope(from: 2, to: 4)
        #expect(throws: code) { try round.receive(envelope: envelope + [0]) }
        #expect(throws: code) { try round.receive(envelope: []) }
    }

    @Test func swappedEnvelopesAreCode4() throws {
        let code = SecureSumError.badDeal(.envelopeHash)
        // To 5 instead of to 4: as long, from the same dealer.
        #expect(throws: code) { try round.receive(envelope: round.envelope(from: 2, to: 5)) }
        var envelope = try round.envelope(from: 2, to: 4)
        envelope[0] ^= 1
        #expect(throws: code) { try round.receive(envelope: envelope) }
    }

    @Test func whatDoesNotOpenIsCode5() throws {
        let code = SecureSumError.badDeal(.unopened)
        #expect(throws: code) { try round.receive(key: round.envelopeKeys[4]) }
        // The dealer names 5's envelope as 4's.
        let swapped = try round.envelope(from: 2, to: 5)
        let header = try header { $0.envelopeHashes[2] = $0.envelopeHashes[3] }
        #expect(throws: code) { try round.receive(header, envelope: swapped) }
    }

    @Test func elementsPastThePrimeAreCode6() throws {
        var content = try content
        // p itself, little-endian.
        content.shares[2].replaceSubrange(8..<16, with: [255, 255, 255, 255, 255, 255, 255, 0x1f])
        let (header, envelope) = try sealed(content)
        #expect(throws: SecureSumError.badDeal(.share)) { try round.receive(header, envelope: envelope) }
    }

    @Test func otherSharesAreCode7() throws {
        var content = try content
        content.shares.swapAt(0, 1)
        let (header, envelope) = try sealed(content)
        #expect(throws: SecureSumError.badDeal(.shareRoot)) { try round.receive(header, envelope: envelope) }
    }

    @Test func otherPairSeedIsCode8() throws {
        var content = try content
        content.pairSeed = HeldSecret(copying: [UInt8](repeating: 1, count: 32))
        let (header, envelope) = try sealed(content)
        #expect(throws: SecureSumError.badDeal(.commitment)) { try round.receive(header, envelope: envelope) }
    }

    @Test func strangersAreNoNeighbours() throws {
        #expect(throws: SecureSumError.notANeighbour) {
            try round.receive(envelope: round.envelope(from: 2, to: 4), to: 2, key: round.envelopeKeys[3])
        }
    }

    @Test func secretsAreNotPrinted() throws {
        let received = try round.receive()
        let secrets: [Any] = [received, round.seeds[1], try content, round.envelopeKeys[0]]
        for secret in secrets {
            var dumped = ""
            dump(secret, to: &dumped)
            for text in [String(describing: secret), String(reflecting: secret), "\([secret])", dumped] {
                #expect(text.contains("not shown"))
            }
            #expect(dumped.split(separator: "\n").count == 1, "no children")
        }
    }
}
