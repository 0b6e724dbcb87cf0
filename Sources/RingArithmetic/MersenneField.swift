// SPDX-License-Identifier: Apache-2.0
// The prime field in which the seeds of a secure sum are shared.

/// An element of the integers modulo p = 2⁶¹ − 1.
///
/// Sums, products and inverses run the same instructions whatever the elements are: no branch and no index depends on
/// them. Legend: a product is high · 2⁶⁴ + low, and 2⁶¹ ≡ 1, so its bits above the 61st are added to those below.
/// Source: `protocol/vectors/secagg/secagg.json`, rule `field`.
package struct MersenneField: Hashable, Sendable {
    /// p.
    package static let modulus: UInt64 = (1 << 61) - 1
    package static let zero = MersenneField(reduced: 0)
    package static let one = MersenneField(reduced: 1)

    /// The one representative below p.
    package let value: UInt64

    /// Takes a number below p; nil for any other.
    package init?(_ value: UInt64) {
        guard value < Self.modulus else { return nil }
        self.value = value
    }

    /// The element that a number is congruent to, without a branch.
    package init(reducing value: UInt64) {
        self.init(twice: (value & Self.modulus) &+ (value >> 61))
    }

    /// - Precondition: `value < p`.
    @inlinable @inline(__always)
    init(reduced value: UInt64) { self.value = value }

    /// - Precondition: `sum < 2 p`.
    @inlinable @inline(__always)
    init(twice sum: UInt64) {
        let less = sum &- MersenneField.modulus
        // All ones where the subtraction went below zero.
        let borrow = 0 &- (less >> 63)
        value = less &+ (MersenneField.modulus & borrow)
    }

    @inlinable @inline(__always)
    package static func + (left: MersenneField, right: MersenneField) -> MersenneField {
        MersenneField(twice: left.value &+ right.value)
    }

    @inlinable @inline(__always)
    package static func - (left: MersenneField, right: MersenneField) -> MersenneField {
        MersenneField(twice: left.value &+ (MersenneField.modulus &- right.value))
    }

    @inlinable @inline(__always)
    package static func * (left: MersenneField, right: MersenneField) -> MersenneField {
        let product = left.value.multipliedFullWidth(by: right.value)
        return MersenneField(
            twice: (product.low & MersenneField.modulus) &+ (product.high << 3 | product.low >> 61))
    }

    /// The element whose product with this one is 1, by Fermat's theorem: a^(p − 2). Zero gives zero.
    package var inverse: MersenneField {
        // p − 2 = 2⁶¹ − 3 has ones in all places but that of 2. The exponent is public, so is every branch.
        var power = self
        var result = self
        for place in 1..<61 {
            power = power * power
            if place > 1 { result = result * power }
        }
        return result
    }

    /// The inverses of many elements for the price of one and three products each. Zero is not among them.
    ///
    /// Source: Montgomery 1987, "Speeding the Pollard and elliptic curve methods of factorization", section 10.3.1.
    /// - Precondition: no element is zero.
    package static func inverses(of elements: [MersenneField]) -> [MersenneField] {
        var inverses: [MersenneField] = []
        var product = one
        for element in elements {
            inverses.append(product)
            product = product * element
        }
        precondition(product != zero, "zero has no inverse")
        var rest = product.inverse
        for index in elements.indices.reversed() {
            inverses[index] = inverses[index] * rest
            rest = rest * elements[index]
        }
        return inverses
    }
}
