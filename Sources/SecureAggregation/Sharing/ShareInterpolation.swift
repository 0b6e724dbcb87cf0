// SPDX-License-Identifier: Apache-2.0
// Rebuilds secrets from the shares of one set of holders.

import Randomness
package import RingArithmetic

/// Why shares do not give a secret.
package enum SharingError: Error, Hashable, Sendable {
    /// Not one share for each position.
    case wrongShareCount
    /// A share that is not five elements below p; `index` counts the shares.
    case notAShare(index: Int)
    /// What they give is no secret: a limb has more than 52 bits, the last more than 48.
    case limbTooLarge
}

/// Lagrange interpolation at zero through one set of positions, computed once and used for every secret that these holders
/// share.
///
/// λᵢ = ∏ⱼ≠ᵢ xⱼ ÷ (xⱼ − xᵢ); a polynomial of degree below the number of positions has the value Σ λᵢ yᵢ at zero. Positions
/// are public, shares are not: nothing branches on them but the refusals.
/// Source: Shamir 1979, "How to share a secret"; `lagrange_at_zero` of `protocol/vectors/secagg/secagg.json`.
package struct ShareInterpolation: Sendable {
    /// Whose shares are taken, in the order in which they are given.
    package let positions: [Position]
    /// λ, one for each position.
    package let weights: [MersenneField]

    /// - Precondition: the positions are at least 1 and distinct, and there are at least two.
    /// - Complexity: a square of the count of products and one inverse.
    package init(positions: [Position]) {
        precondition(positions.count >= 2, "one holder alone does not know the secret")
        let points = positions.map { position in
            precondition(position >= 1, "positions are counted from 1")
            return MersenneField(reducing: UInt64(position))
        }
        let product = points.reduce(.one, *)
        // λᵢ = product ÷ (xᵢ ∏ⱼ≠ᵢ (xⱼ − xᵢ)). A repeated position would make a factor zero, which has no inverse.
        let denominators = points.indices.map { index in
            points.indices.reduce(points[index]) { partial, other in
                other == index ? partial : partial * (points[other] - points[index])
            }
        }
        self.positions = positions
        weights = MersenneField.inverses(of: denominators).map { $0 * product }
    }

    /// The secret of which these are shares, in the order of ``positions``.
    ///
    /// - Throws: ``SharingError``.
    /// - Complexity: 5 products for each share.
    package func secret(from shares: [[UInt8]]) throws(SharingError) -> SecretBytes {
        guard shares.count == positions.count else { throw .wrongShareCount }
        var values = [MersenneField](repeating: .zero, count: SecretLimbs.count)
        for (index, share) in shares.enumerated() {
            guard share.count == ShareItem.byteCount else { throw .notAShare(index: index) }
            for limb in values.indices {
                guard let element = ShareItem.element(limb, of: share) else { throw .notAShare(index: index) }
                values[limb] = values[limb] + weights[index] * element
            }
        }
        defer { unsafe values.withUnsafeMutableBytes { unsafe $0.wipe() } }
        // All limbs are looked at before anything is decided.
        let excess = values.indices.reduce(UInt64(0)) { $0 | values[$1].value >> UInt64(SecretLimbs.bits(of: $1)) }
        guard excess == 0 else { throw .limbTooLarge }
        return unsafe SecretBytes { bytes in unsafe SecretLimbs.join(values, into: bytes) }
    }
}
