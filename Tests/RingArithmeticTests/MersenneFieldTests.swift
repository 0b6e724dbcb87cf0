// SPDX-License-Identifier: Apache-2.0
// Checks the field against arithmetic with 128-bit numbers and plain remainders.

import Randomness
import RingArithmetic
import Testing

@Suite struct MersenneFieldTests {
    private static let modulus = MersenneField.modulus
    /// Where reductions go wrong, then numbers from everywhere.
    private let values: [UInt64] = {
        var generator = SeededGenerator(seed: 61, stream: "field")
        let edges: [UInt64] = [
            0, 1, 2, 3, 1 << 30, 1 << 52, 1 << 60, (1 << 60) + 1, modulus / 2, modulus - 2, modulus - 1,
        ]
        return edges + (0..<60).map { _ in generator.next() % modulus }
    }()

    @Test func modulusIsTheMersennePrime() {
        #expect(MersenneField.modulus == 2_305_843_009_213_693_951)
    }

    @Test func onlyNumbersBelowTheModulusAreElements() {
        for value in values { #expect(MersenneField(value)?.value == value) }
        for value in [Self.modulus, Self.modulus + 1, 1 << 61, 1 << 63, .max] { #expect(MersenneField(value) == nil) }
    }

    @Test func everyWordIsReduced() {
        for value in values + [Self.modulus, Self.modulus + 1, 1 << 61, 1 << 62, 1 << 63, .max - 1, .max] {
            #expect(MersenneField(reducing: value).value == value % Self.modulus)
        }
    }

    @Test func sumsDifferencesAndProductsAreRemainders() throws {
        let modulus = UInt128(Self.modulus)
        for left in values {
            for right in values {
                let a = try #require(MersenneField(left))
                let b = try #require(MersenneField(right))
                #expect(UInt128((a + b).value) == (UInt128(left) + UInt128(right)) % modulus)
                #expect(UInt128((a - b).value) == (UInt128(left) + modulus - UInt128(right)) % modulus)
                #expect(UInt128((a * b).value) == UInt128(left) * UInt128(right) % modulus)
            }
        }
    }

    @Test func anElementTimesItsInverseIsOne() throws {
        for value in values where value != 0 {
            let element = try #require(MersenneField(value))
            #expect(element * element.inverse == .one)
        }
        #expect(MersenneField.zero.inverse == .zero)
    }

    @Test func inversesOfManyAreThoseOfEach() throws {
        let elements = values.filter { $0 != 0 }.map { MersenneField(reducing: $0) }
        #expect(MersenneField.inverses(of: elements) == elements.map(\.inverse))
        #expect(MersenneField.inverses(of: []).isEmpty)
    }
}
