// SPDX-License-Identifier: Apache-2.0
// What can be wrong with numbers, layouts and packed bytes that come from a study, a file or a peer.

/// The failures of the module RingArithmetic. None carries a value of a vector.
package enum RingError: Error, Equatable, Sendable {
    /// A fixed-point form needs 2 to 31 value bits.
    case invalidValueBits(Int)
    /// A clip or scale must be a positive finite number for which the fixed-point scale is finite too.
    case invalidScale
    /// A ring of a 32-bit section has 2 to 32 bits.
    case invalidRingBits(section: Int, bits: Int)
    /// A section cannot have a negative number of elements.
    case invalidCount(section: Int)
    /// Two sections bear the same name; `section` is the second one.
    case duplicateName(section: Int)
    /// The packed form would have more bytes than an address can count.
    case layoutTooLarge
    /// Packed bytes end too early or go on too long for their layout.
    case wrongLength(expected: Int, actual: Int)
    /// The unused bits after the last element of a section are not zero.
    case nonzeroPadding(section: Int)
    /// NaN or infinity where a number was needed.
    case notFinite
    /// A contribution was begun and never finished, so the sum holds a part of it.
    case unfinishedContribution
    /// A contribution failed on its way, so the sum holds a part of it: start a new accumulator.
    case spoiled
}
