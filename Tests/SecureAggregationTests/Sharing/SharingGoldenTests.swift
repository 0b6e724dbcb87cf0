// SPDX-License-Identifier: Apache-2.0
// Shares, weights and derived keys equal those that other programs computed.

import Federation
import RingArithmetic
import SecureAggregation
import Testing

@Suite struct SharingGoldenTests {
    private struct File: Decodable {
        struct Derivation: Decodable {
            let ikm: String
            let salt: String
            let info: String
            let okm: String
        }

        struct Sharing: Decodable {
            let n: Int
            let t: Int
            let secret: String
            let limbs: [UInt64]
            let coefficients: [[UInt64]]?
            let shares: [String: String]
            let reconstructFrom: [Int]
            let lagrangeAtZero: [UInt64]
        }

        let hkdf: [Derivation]
        let shamir: [Sharing]
    }

    private let file: File

    init() throws { file = try GoldenVectors.decode(File.self, from: "secagg/secagg.json") }

    @Test func derivedKeysAreAsPublished() throws {
        #expect(!file.hkdf.isEmpty)
        for row in file.hkdf {
            let key = SecretBytes(copying: try golden(row.ikm))
                .derived(context: try goldenDigest(row.salt), info: Array(row.info.utf8))
            #expect(key.exposedBytes() == (try golden(row.okm)))
        }
    }

    @Test func sharesOfGivenPolynomialsAreAsPublished() throws {
        var compared = 0
        for row in file.shamir {
            guard let coefficients = row.coefficients else { continue }
            let given = try coefficients.map { try $0.map { try #require(MersenneField($0)) } }
            let polynomials = SharedPolynomials(
                secret: SecretBytes(copying: try golden(row.secret)), coefficients: given)
            #expect(polynomials.threshold == row.t)
            for position in 1...row.n {
                let expected = try #require(row.shares["\(position)"])
                #expect(polynomials.share(at: position) == (try golden(expected)))
                compared += 1
            }
        }
        #expect(compared >= 4)
    }

    /// Where all coefficients are zero, every share is the limbs themselves.
    @Test func limbsAreAsPublished() throws {
        for row in file.shamir {
            let flat = [[MersenneField]](repeating: [.zero], count: 5)
            let share = SharedPolynomials(secret: SecretBytes(copying: try golden(row.secret)), coefficients: flat)
                .share(at: 9)
            #expect(try #require(ShareItem.elements(of: share)).map(\.value) == row.limbs)
        }
    }

    @Test func weightsAndRebuiltSecretsAreAsPublished() throws {
        #expect(!file.shamir.isEmpty)
        for row in file.shamir {
            let interpolation = ShareInterpolation(positions: row.reconstructFrom)
            #expect(interpolation.weights.map(\.value) == row.lagrangeAtZero)
            let shares = try row.reconstructFrom.map { try golden(row.shares["\($0)"]) }
            #expect(try interpolation.secret(from: shares).exposedBytes() == (try golden(row.secret)))
        }
    }
}
