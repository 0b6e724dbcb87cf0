// SPDX-License-Identifier: Apache-2.0
// Real-valued totals as exact 64-bit integers, for sums that must not depend on order or rounding draws.

/// Real numbers as whole multiples of a small unit, small enough that the sum over all sites fits 64 bits.
///
/// Counts use a unit of 1. Rounding is to the nearest unit, ties to even, so equal tables give equal integers.
package struct ExactSumScale: Hashable, Sendable {
    /// Units per one, e.g. 2²⁰.
    package let unitsPerOne: Double
    /// The largest magnitude of one site's integer: Int64.max ÷ sites.
    package let largestMagnitude: Int64

    /// - Parameters:
    ///   - unitsPerOne: positive and finite; 2²⁰ unless a study says otherwise.
    ///   - sites: the most contributions that are ever summed.
    /// - Precondition: `sites > 0`.
    /// - Throws: ``RingError/invalidScale``.
    package init(unitsPerOne: Double = 0x1p20, sites: Int) throws(RingError) {
        precondition(sites > 0, "a sum has at least one site")
        guard unitsPerOne > 0, unitsPerOne.isFinite else { throw .invalidScale }
        self.unitsPerOne = unitsPerOne
        largestMagnitude = Int64.max / Int64(sites)
    }

    /// The nearest whole number of units, clamped to ±`largestMagnitude`.
    ///
    /// - Throws: ``RingError/notFinite`` for NaN and infinities.
    package func units(of value: Double) throws(RingError) -> Int64 {
        guard value.isFinite else { throw .notFinite }
        let units = (value * unitsPerOne).rounded(.toNearestOrEven)
        // 2⁶³ − 1 is no double; comparing with the double above or at the limit keeps the conversion in range.
        guard abs(units) < Double(largestMagnitude) else { return units < 0 ? -largestMagnitude : largestMagnitude }
        return Int64(units)
    }

    /// Whether ``units(of:)`` keeps the value, to the precision of a double, instead of clamping it.
    package func represents(_ value: Double) -> Bool {
        abs(value * unitsPerOne).rounded(.toNearestOrEven) <= Double(largestMagnitude)
    }

    /// The real number that a sum of units stands for.
    package func value(of units: Int64) -> Double {
        Double(units) / unitsPerOne
    }
}
