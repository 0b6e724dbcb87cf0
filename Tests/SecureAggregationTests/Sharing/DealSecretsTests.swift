// SPDX-License-Identifier: Apache-2.0
// What a dealer derives from one root: as an independent program derives it, and the same again.

import Federation
import SecureAggregation
import Testing

@Suite struct DealSecretsGoldenTests {
    private let file: FourSites

    init() throws { file = try FourSites.load() }

    @Test func commitmentsAreAsPublished() throws {
        for site in file.positions {
            #expect(try file.secrets(of: site).commitments().map(\.hex) == (try file.site(site)).commitments)
        }
    }

    @Test func sharesAreAsPublished() throws {
        for site in file.positions {
            let shares = try file.secrets(of: site).shares(for: file.positions, threshold: file.threshold)
            for (place, holder) in file.positions.enumerated() {
                let expected = try #require(try file.site(site).shares["\(holder)"])
                #expect(shares[place].map(\.hex) == expected)
            }
        }
    }

    @Test func longPolynomialsAreReadFromTheWholeStream() throws {
        let long = file.longPolynomials
        let polynomials = try SharedPolynomials(
            secret: SecretBytes(copying: try golden(long.secret)), threshold: long.threshold,
            key: SecretBytes(copying: try golden(long.key)))
        #expect(!long.shares.isEmpty)
        for (holder, share) in long.shares {
            #expect(polynomials.share(at: try #require(Int(holder))) == (try golden(share)))
        }
    }
}

@Suite struct DealSecretsTests {
    private func secrets(root: UInt8 = 1, context: String = "a", partners: [Position] = [4, 9]) -> DealSecrets {
        DealSecrets(
            root: SecretBytes(copying: [UInt8](repeating: root, count: 32)), context: Digest(of: [], domain: context),
            partners: partners)
    }

    @Test func everySecretIsRebuiltFromItsShares() throws {
        let secrets = secrets()
        let holders = [1, 4, 9, 2]
        let shares = try secrets.shares(for: holders, threshold: 3)
        let interpolation = ShareInterpolation(positions: Array(holders[1...]))
        for index in 0..<secrets.secretCount {
            let rebuilt = try interpolation.secret(from: shares[1...].map { $0[index] })
            #expect(rebuilt.exposedBytes() == secrets.secret(at: index).exposedBytes())
            #expect(Digest.commitment(to: rebuilt, context: secrets.context) == secrets.commitments()[index])
        }
    }

    @Test func secretsOfOneRootDifferByPurposeAndContext() {
        let secrets = secrets()
        let all = [
            secrets.selfSeed().exposedBytes(), secrets.pairSeed(with: 4).exposedBytes(),
            secrets.pairSeed(with: 9).exposedBytes(), secrets.polynomialKey(at: 0).exposedBytes(),
            secrets.polynomialKey(at: 1).exposedBytes(), self.secrets(context: "b").selfSeed().exposedBytes(),
            self.secrets(root: 2).selfSeed().exposedBytes(),
        ]
        #expect(Set(all).count == all.count)
        #expect(secrets.secret(at: 2).exposedBytes() == all[2])
    }
}
