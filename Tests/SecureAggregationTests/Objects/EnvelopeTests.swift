// SPDX-License-Identifier: Apache-2.0
// Envelopes open for their holder, in their context and between their two sites, and nowhere else.

import Federation
import SecureAggregation
import Testing

@Suite struct EnvelopeTests {
    private var random = RandomObjects(seed: 31)
    private let key: EnvelopePrivateKey
    private let context: Digest
    private let content: EnvelopeContent

    init() throws {
        key = try EnvelopePrivateKey(seed: random.bytes(32))
        context = random.digest()
        content = EnvelopeContent(
            shares: [random.share(), random.share()], pairSeed: HeldSecret(copying: random.bytes(32)))
    }

    private func open(
        _ envelope: [UInt8], key: EnvelopePrivateKey? = nil, context: Digest? = nil, dealer: Position = 2,
        holder: Position = 5, shareCount: Int = 2
    ) throws(SecureSumError) -> EnvelopeContent {
        try Envelope.open(
            envelope, with: key ?? self.key, context: context ?? self.context, dealer: dealer, holder: holder,
            shareCount: shareCount)
    }

    private func seal() throws -> [UInt8] {
        try Envelope.seal(content, to: key.publicKey, context: context, dealer: 2, holder: 5)
    }

    @Test func whatIsSealedOpens() throws {
        let envelope = try seal()
        #expect(envelope.count == 1_120 + 2 * 40 + 32 + 16)
        #expect(envelope.count == Envelope.byteCount(shares: 2, hasPairSeed: true))
        #expect(try open(envelope) == content)
        // Fresh randomness: a second envelope is another one.
        #expect(try seal() != envelope)
    }

    @Test func higherDealersSealNoPairSeed() throws {
        let shares = EnvelopeContent(shares: content.shares, pairSeed: nil)
        let envelope = try Envelope.seal(shares, to: key.publicKey, context: context, dealer: 5, holder: 2)
        #expect(envelope.count == 1_120 + 2 * 40 + 16)
        #expect(try open(envelope, dealer: 5, holder: 2) == shares)
        // The lengths of three shares and of two with a seed differ, so neither is read as the other.
        #expect(throws: SecureSumError.malformed) { _ = try open(envelope, dealer: 2, holder: 5) }
    }

    @Test func anotherKeyContextOrPairDoesNotOpen() throws {
        let envelope = try seal()
        let other = try EnvelopePrivateKey()
        #expect(throws: SecureSumError.malformed) { _ = try open(envelope, key: other) }
        #expect(throws: SecureSumError.malformed) {
            _ = try open(envelope, context: Digest(of: [], domain: "other"))
        }
        // Same lengths: a lower and a higher site that are not the two.
        for (dealer, holder) in [(1, 5), (2, 6), (2, 4), (3, 5)] {
            #expect(throws: SecureSumError.malformed) { _ = try open(envelope, dealer: dealer, holder: holder) }
        }
        #expect(throws: SecureSumError.malformed) { _ = try open(envelope, shareCount: 1) }
    }

    @Test func changedBytesDoNotOpen() throws {
        let envelope = try seal()
        for index in stride(from: 0, to: envelope.count, by: 37) {
            var bytes = envelope
            bytes[index] ^= 1
            #expect(throws: SecureSumError.malformed, "byte \(index)") { _ = try open(bytes) }
        }
        for bytes in [[], Array(envelope.dropLast()), envelope + [0]] {
            #expect(throws: SecureSumError.malformed) { _ = try open(bytes) }
        }
    }

    @Test func keyIsKeptAsItsSeed() throws {
        let fresh = try EnvelopePrivateKey()
        let kept = try EnvelopePrivateKey(seed: fresh.seed)
        #expect(kept.publicKey == fresh.publicKey && fresh.seed.count == 32)
        #expect(fresh.publicKey.bytes.count == EnvelopePublicKey.byteCount)
        #expect(EnvelopePublicKey(bytes: fresh.publicKey.bytes) == fresh.publicKey)
        #expect(EnvelopePublicKey(bytes: fresh.publicKey.bytes.dropLast()) == nil)
        #expect(throws: SecureSumError.malformed) { _ = try EnvelopePrivateKey(seed: [1, 2, 3]) }
        let envelope = try Envelope.seal(content, to: fresh.publicKey, context: context, dealer: 2, holder: 5)
        #expect(try open(envelope, key: kept) == content)
    }

    /// 1 216 bytes that are no ML-KEM key: coefficients past the modulus.
    @Test func nonsenseIsNoKeyToSealTo() throws {
        let nonsense = try #require(EnvelopePublicKey(bytes: [UInt8](repeating: 255, count: 1_216)))
        #expect(!nonsense.isUsable && key.publicKey.isUsable)
        #expect(throws: SecureSumError.cryptographyFailed) {
            _ = try Envelope.seal(content, to: nonsense, context: context, dealer: 2, holder: 5)
        }
    }
}
