// SPDX-License-Identifier: Apache-2.0
// Everything secret that a dealer chooses in one context, from one root.

package import Federation

/// The seeds and polynomials of leg R1, all derived from a 32-byte root ρ, so that only the root has to be stored.
///
/// Source: privacy design review §3.1, O4 and A16: HKDF-SHA256(ikm = ρ, salt = context, info = label).
package struct DealSecrets: ~Copyable, Sendable {
    private static let selfLabel = "fl/secagg/v1 deal self"
    private static let pairLabel = "fl/secagg/v1 deal pair"
    private static let polynomialLabel = "fl/secagg/v1 deal poly"

    private let root: SecretBytes
    package let context: Digest
    /// The neighbours above the dealer, ascending: the i-th shares the secret of index i, counted from 1.
    package let partners: [Position]

    /// - Parameters:
    ///   - root: ρ, drawn for this context and nothing else.
    package init(root: consuming SecretBytes, context: Digest, partners: [Position]) {
        self.root = root
        self.context = context
        self.partners = partners
    }

    /// How many secrets the dealer shares: its self seed, and one for each partner.
    package var secretCount: Int { 1 + partners.count }

    /// b_u.
    package borrowing func selfSeed() -> SecretBytes { derived(Self.selfLabel) }

    /// s_uw.
    package borrowing func pairSeed(with partner: Position) -> SecretBytes {
        derived(Self.pairLabel, UInt32(partner))
    }

    /// The secret of an index: b_u for 0, else the pair seed with the partner there.
    ///
    /// - Precondition: `index < secretCount`.
    package borrowing func secret(at index: Int) -> SecretBytes {
        index == 0 ? selfSeed() : pairSeed(with: partners[index - 1])
    }

    /// The key of the coefficients for the secret of an index.
    package borrowing func polynomialKey(at index: Int) -> SecretBytes {
        derived(Self.polynomialLabel, UInt32(index))
    }

    /// H of every secret, in the order of its index: what the header says.
    package borrowing func commitments() -> [Digest] {
        var commitments: [Digest] = []
        for index in 0..<secretCount { commitments.append(.commitment(to: secret(at: index), context: context)) }
        return commitments
    }

    /// The shares of every secret for each holder: u itself and its neighbours.
    ///
    /// Shapes: result `[holders][secretCount]`, 40 bytes each.
    /// - Parameters:
    ///   - holders: N[u].
    ///   - threshold: t of the neighbourhood.
    /// - Throws: `.cryptographyFailed`.
    /// - Complexity: 5 t products for each share.
    package borrowing func shares(
        for holders: [Position], threshold: Int
    ) throws(SecureSumError) -> [[[UInt8]]] {
        var shares = [[[UInt8]]](repeating: [], count: holders.count)
        for index in 0..<secretCount {
            let polynomials = try SharedPolynomials(
                secret: secret(at: index), threshold: threshold, key: polynomialKey(at: index))
            for (place, holder) in holders.enumerated() { shares[place].append(polynomials.share(at: holder)) }
        }
        return shares
    }

    private borrowing func derived(_ label: String, _ number: UInt32? = nil) -> SecretBytes {
        var info = ByteWriter(label: label)
        if let number { info.integer(number) }
        return root.derived(context: context, info: info.bytes)
    }
}
