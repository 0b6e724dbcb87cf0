// SPDX-License-Identifier: Apache-2.0
// The fixed-point form in which model updates enter the ring, and stochastic rounding into it.

import Kernels
package import Randomness

/// Real numbers in `[-clip, clip]` as integers of at most 2ᵛ⁻¹ − 1 in magnitude.
///
/// Units: one integer step is `clip` ÷ (2ᵛ⁻¹ − 1), the reciprocal of `scale`.
/// Source: `protocol/vectors/secagg/secagg.json`, rule `stochastic_rounding`.
package struct FixedPoint: Hashable, Sendable {
    /// The value bits v that a study may choose.
    package static let valueBitsRange = 2...31

    /// v: bits of one unweighted value, with its sign.
    package let valueBits: Int
    /// C: the largest magnitude that is represented; beyond it values are clamped.
    package let clip: Double

    /// Checks and keeps the terms of a study.
    ///
    /// - Throws: ``RingError/invalidValueBits(_:)``; ``RingError/invalidScale`` if `clip` is not positive and finite, or
    ///   so small that `scale` is not finite.
    package init(valueBits: Int, clip: Double) throws(RingError) {
        guard Self.valueBitsRange.contains(valueBits) else { throw .invalidValueBits(valueBits) }
        self.valueBits = valueBits
        self.clip = clip
        guard clip > 0, clip.isFinite, scale.isFinite, scale > 0 else { throw .invalidScale }
    }

    /// 2ᵛ⁻¹ − 1: the largest integer of one unweighted value.
    package var largestInteger: Int32 {
        (1 << Int32(valueBits - 1)) - 1
    }

    /// S = (2ᵛ⁻¹ − 1) ÷ C: integer steps per one.
    package var scale: Double {
        Double(largestInteger) / clip
    }

    /// The real number that an integer stands for.
    package func value(of integer: Int64) -> Double {
        Double(integer) / scale
    }

    /// What to multiply a weighted integer sum by to get the mean: 1 ÷ (S × total weight).
    ///
    /// - Precondition: `totalWeight > 0`.
    package func meanFactor(totalWeight: Int64) -> Double {
        precondition(totalWeight > 0, "a mean needs some weight")
        return 1 / (scale * Double(totalWeight))
    }
}

/// What quantising met on its way.
package struct QuantizationReport: Hashable, Sendable {
    /// Finite values beyond the clip, taken as the clip.
    package var clipped: Int
    /// NaN and infinities, taken as zero. A site withholds an update in which this is not zero.
    package var nonFinite: Int

    package init(clipped: Int = 0, nonFinite: Int = 0) {
        self.clipped = clipped
        self.nonFinite = nonFinite
    }
}

extension FixedPoint {
    /// Elements whose draws one block of keystream holds.
    package static let elementsPerBlock = KeyedStream.blockBytes / 4
    /// A piece whose draws stay in the first-level cache between cipher and rounding.
    private static let pieceElements = 4096

    /// Rounds values stochastically and multiplies them by a weight, with draws from a keystream.
    ///
    /// Value i takes the little-endian 32-bit word at bytes 4i ..< 4i+4 after the start of `firstBlock`; calls for
    /// pieces of one vector advance `firstBlock` by the elements done ÷ ``elementsPerBlock``.
    ///
    /// Shapes: `values` and `elements` `[count]`.
    /// Privacy: the key must come from ``RandomSource/system`` and serve once: who knows the draws of two roundings of
    /// one value learns about its fraction.
    /// - Complexity: O(count), 16 KiB of stack.
    package func quantize(
        _ values: UnsafeBufferPointer<Float>, weight: UInt32, using stream: inout KeyedStream, firstBlock: UInt64,
        into elements: UnsafeMutableBufferPointer<UInt32>
    ) -> QuantizationReport {
        precondition(values.count == elements.count, "one element for each value")
        var report = QuantizationReport()
        unsafe withUnsafeTemporaryAllocation(of: UInt32.self, capacity: min(Self.pieceElements, values.count)) {
            draws in
            for start in stride(from: 0, to: values.count, by: Self.pieceElements) {
                let end = min(start + Self.pieceElements, values.count)
                let words = unsafe UnsafeMutableBufferPointer(rebasing: draws[..<(end - start)])
                let block = firstBlock &+ UInt64(start / Self.elementsPerBlock)
                unsafe stream.fill(UnsafeMutableRawBufferPointer(words), fromBlock: block)
                let piece = unsafe quantize(
                    UnsafeBufferPointer(rebasing: values[start..<end]), weight: weight,
                    draws: UnsafeBufferPointer(words),
                    into: UnsafeMutableBufferPointer(rebasing: elements[start..<end]))
                report.clipped += piece.clipped
                report.nonFinite += piece.nonFinite
            }
        }
        return report
    }

    /// Rounds values with draws given by the caller: the deterministic half of quantising.
    ///
    /// y = clamp(x, −C, C) × S; integer = ⌊y⌋ + [draw ÷ 2³² < y − ⌊y⌋], clamped once more because C × S may exceed
    /// 2ᵛ⁻¹ − 1 by a rounding error; element = integer × weight modulo 2³². All in double precision.
    ///
    /// Shapes: `values`, `draws` and `elements` `[count]`.
    package func quantize(
        _ values: UnsafeBufferPointer<Float>, weight: UInt32, draws: UnsafeBufferPointer<UInt32>,
        into elements: UnsafeMutableBufferPointer<UInt32>
    ) -> QuantizationReport {
        precondition(values.count == elements.count && values.count == draws.count, "one draw and element a value")
        guard let input = values.baseAddress, let random = draws.baseAddress, let output = elements.baseAddress else {
            return QuantizationReport()
        }
        let counts = unsafe consilium_ring_quantize(
            input, random, output, values.count, clip, scale, largestInteger, weight)
        return QuantizationReport(clipped: Int(counts.clipped), nonFinite: Int(counts.non_finite))
    }
}
