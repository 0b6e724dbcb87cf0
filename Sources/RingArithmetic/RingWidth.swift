// SPDX-License-Identifier: Apache-2.0
// How many bits a ring needs so that a sum of contributions cannot wrap around.

/// The width of the ring ℤ/2ᵇ for a round.
package enum RingWidth {
    /// The smallest b whose two's complement numbers hold every weighted sum: ⌈log₂(2·n·w·(2ᵛ⁻¹−1) + 1)⌉.
    ///
    /// Exact for all arguments; a result above 32 says that a 32-bit section cannot carry the sum, above 64 that none
    /// can.
    ///
    /// Legend: n = `sites`, invited, not only surviving; w = `maximumWeight` in weight units; v = `valueBits`.
    /// Source: table `ring_bits` of `protocol/vectors/secagg/secagg.json`.
    /// - Precondition: `sites` and `maximumWeight` are positive, `valueBits` is in `2...31`.
    package static func bits(sites: Int, maximumWeight: Int, valueBits: Int) -> Int {
        precondition(sites > 0 && maximumWeight > 0, "a sum has at least one site of at least weight one")
        precondition(FixedPoint.valueBitsRange.contains(valueBits), "fixed point has 2 to 31 value bits")
        // 2ᵇ ≥ 2s + 1 says 2ᵇ > 2s: b is the number of binary digits of 2s, one more than those of s = n·w·(2ᵛ⁻¹−1).
        let weights = UInt128(sites) * UInt128(maximumWeight)
        let largest = UInt128(1) << UInt128(valueBits - 1) - 1
        let sum = weights.multipliedFullWidth(by: largest)
        let digits = sum.high > 0 ? 256 - sum.high.leadingZeroBitCount : 128 - sum.low.leadingZeroBitCount
        return digits + 1
    }
}
