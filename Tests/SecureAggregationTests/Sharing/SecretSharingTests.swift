// SPDX-License-Identifier: Apache-2.0
// Checks that t shares give the secret, fewer nothing, and that bad shares are refused.

import Federation
import Randomness
import RingArithmetic
import SecureAggregation
import Testing

@Suite struct SecretSharingTests {
    private let source = RandomSource.seeded(forTestingAndSimulation: 2026)

    private func shares(
        of secret: [UInt8], threshold: Int, holders: [Position]
    ) throws -> [Position: [UInt8]] {
        let polynomials = try SharedPolynomials(
            secret: SecretBytes(copying: secret), threshold: threshold, key: .random(from: source))
        var shares: [Position: [UInt8]] = [:]
        for holder in holders { shares[holder] = polynomials.share(at: holder) }
        return shares
    }

    private func rebuilt(_ shares: [Position: [UInt8]], by holders: [Position]) throws -> [UInt8] {
        try ShareInterpolation(positions: holders).secret(from: holders.map { try #require(shares[$0]) }).exposedBytes()
    }

    @Test(arguments: [(3, 3), (4, 3), (7, 5), (20, 14), (100, 67)])
    func anyEnoughHoldersRebuildTheSecret(count: Int, threshold: Int) throws {
        var generator = SeededGenerator(seed: UInt64(count), stream: "holders")
        for secret in [[UInt8](repeating: 0, count: 32), [UInt8](repeating: 255, count: 32), source.bytes(32)] {
            let shares = try shares(of: secret, threshold: threshold, holders: Array(1...count))
            for _ in 0..<5 {
                let holders = Array((1...count).shuffled(using: &generator).prefix(threshold))
                #expect(try rebuilt(shares, by: holders) == secret)
            }
            // More than enough agree with them.
            #expect(try rebuilt(shares, by: Array(1...count)) == secret)
        }
    }

    @Test func positionsOfASparseGraphWork() throws {
        let holders = [3, 77, 1_200, 9_999, 10_000]
        let secret = source.bytes(32)
        #expect(try rebuilt(try shares(of: secret, threshold: 4, holders: holders), by: Array(holders[1...])) == secret)
    }

    /// Two holders of three with a fixed secret: each of a limb's residues modulo 16 comes out as often as another.
    ///
    /// Statistics: 16 000 draws, chi-square with 15 degrees of freedom; false alarms below 10⁻⁶ at 60.
    @Test func tooFewHoldersSeeAnythingAsOftenAsAnythingElse() throws {
        let secret = [UInt8](repeating: 7, count: 32)
        let interpolation = ShareInterpolation(positions: [2, 5])
        var single = [Int](repeating: 0, count: 16)
        var joined = single
        for _ in 0..<3_200 {
            let shares = try shares(of: secret, threshold: 3, holders: [2, 5])
            let (first, second) = (try elements(shares[2]), try elements(shares[5]))
            for limb in 0..<5 {
                single[Int(first[limb].value % 16)] += 1
                let guess = interpolation.weights[0] * first[limb] + interpolation.weights[1] * second[limb]
                joined[Int(guess.value % 16)] += 1
            }
        }
        for counts in [single, joined] {
            let expected = Double(counts.reduce(0, +)) / 16
            let square = counts.reduce(0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
            #expect(square < 60)
        }
    }

    private func elements(_ share: [UInt8]?) throws -> [MersenneField] {
        try #require(share.flatMap { ShareItem.elements(of: $0) })
    }

    @Test func sharesOfOneStreamAreTheSameAgain() throws {
        let key = source.bytes(32)
        func share() throws -> [UInt8] {
            try SharedPolynomials(
                secret: SecretBytes(copying: key), threshold: 200, key: SecretBytes(copying: key)
            ).share(at: 3)
        }
        #expect(try share() == share())
    }

    @Test func whatIsNoShareIsRefused() throws {
        let shares = try shares(of: source.bytes(32), threshold: 3, holders: [1, 2, 3])
        let interpolation = ShareInterpolation(positions: [1, 2, 3])
        let good = [1, 2, 3].compactMap { shares[$0] }
        #expect(throws: SharingError.wrongShareCount) { _ = try interpolation.secret(from: Array(good.dropLast())) }
        #expect(throws: SharingError.wrongShareCount) { _ = try interpolation.secret(from: good + [good[0]]) }
        for element in 0..<5 {
            for excess: UInt64 in [0, 1, 1 << 61, .max - MersenneField.modulus] {
                var bad = good
                let word = MersenneField.modulus + excess
                bad[1].replaceSubrange(
                    8 * element..<8 * element + 8, with: withUnsafeBytes(of: word.littleEndian, Array.init))
                #expect(throws: SharingError.notAShare(index: 1)) { _ = try interpolation.secret(from: bad) }
            }
        }
        for count in [0, 39, 41] {
            #expect(throws: SharingError.notAShare(index: 2)) {
                _ = try interpolation.secret(from: [good[0], good[1], [UInt8](repeating: 0, count: count)])
            }
        }
    }

    /// Constant polynomials whose limb is one too large, and the largest that is not.
    @Test(arguments: 0..<5) func limbsThatAreTooLargeAreRefused(limb: Int) throws {
        let bits: UInt64 = limb == 4 ? 48 : 52
        let interpolation = ShareInterpolation(positions: [4, 9])
        func secret(_ value: UInt64) throws -> [UInt8] {
            var elements = [MersenneField](repeating: .zero, count: 5)
            elements[limb] = try #require(MersenneField(value))
            let share = ShareItem.bytes(of: elements)
            return try interpolation.secret(from: [share, share]).exposedBytes()
        }
        #expect(throws: SharingError.limbTooLarge) { _ = try secret(1 << bits) }
        #expect(throws: SharingError.limbTooLarge) { _ = try secret(MersenneField.modulus - 1) }
        var number = try secret((1 << bits) - 1)
        // All bits of this limb and no other.
        let ones = number.reduce(0) { $0 + $1.nonzeroBitCount }
        #expect(ones == Int(bits))
        number[limb * 52 / 8] &= limb % 2 == 0 ? 0xfe : 0xef
        #expect(number.reduce(0) { $0 + $1.nonzeroBitCount } == Int(bits) - 1)
    }
}

@Suite struct SecretBytesTests {
    @Test func whatIsCopiedInComesOut() {
        let bytes = [UInt8](0..<32)
        let secret = SecretBytes(copying: bytes)
        #expect(secret.exposedBytes() == bytes)
        #expect(secret.copy().exposedBytes() == bytes)
        #expect(secret.withBytes { $0.count } == 32)
    }

    @Test func drawnSecretsDiffer() {
        #expect(SecretBytes.random(from: .system).exposedBytes() != SecretBytes.random(from: .system).exposedBytes())
        let first = SecretBytes.random(from: .seeded(forTestingAndSimulation: 1))
        #expect(first.exposedBytes() == RandomSource.seeded(forTestingAndSimulation: 1).bytes(32))
    }

    @Test func aCommitmentToASecretIsThatToItsBytes() {
        let bytes = [UInt8](repeating: 3, count: 32)
        let context = Digest(of: [], domain: "context")
        #expect(
            Digest.commitment(to: SecretBytes(copying: bytes), context: context)
                == Digest.commitment(to: bytes, context: context))
    }
}
