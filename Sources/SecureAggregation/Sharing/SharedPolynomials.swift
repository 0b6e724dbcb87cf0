// SPDX-License-Identifier: Apache-2.0
// The polynomials of one secret, and its share at a position.

import Randomness
package import RingArithmetic

/// How a 32-byte secret stands in the field: five limbs of 52 bits of the little-endian integer, least significant
/// first; the last has 48.
enum SecretLimbs {
    static let count = 5
    static let bits = 52

    /// How many bits limb `index` has.
    static func bits(of index: Int) -> Int { index == count - 1 ? 256 - bits * (count - 1) : bits }

    /// Limb `index` of a secret's 32 bytes.
    static func limb(_ index: Int, of bytes: UnsafeRawBufferPointer) -> UInt64 {
        // Eight bytes from the start of the last limb would leave the secret.
        let first = min(index * bits / 8, bytes.count - 8)
        let word = unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: first, as: UInt64.self))
        return word >> UInt64(index * bits - 8 * first) & ((1 << UInt64(bits)) - 1)
    }

    /// Writes the 32 bytes of five limbs that are in range.
    static func join(_ limbs: [MersenneField], into bytes: UnsafeMutableRawBufferPointer) {
        for word in 0..<4 {
            // Word i holds bits 64 i ..< 64 i + 64: the upper part of limb i and the lower part of the next.
            let (low, high) = (limbs[word].value, limbs[word + 1].value)
            let shift = UInt64(64 * word - bits * word)
            let value = low >> shift | high << (UInt64(bits) - shift)
            unsafe bytes.storeBytes(of: value.littleEndian, toByteOffset: 8 * word, as: UInt64.self)
        }
    }
}

/// One secret as five polynomials of degree t − 1 over the field of ``MersenneField``, wiped when they are let go.
///
/// Limb j of the secret is the constant term of polynomial j. A share is the value of all five at the holder's position:
/// any t shares give the secret, fewer say nothing about it (Shamir 1979, "How to share a secret").
///
/// Memory safety: `@safe` because the buffer never leaves this value and dies with its only owner.
/// Source: `protocol/vectors/secagg/secagg.json`, rule `field`.
@safe
package struct SharedPolynomials: ~Copyable {
    /// Shape: [5][t], ascending degree.
    private let coefficients: UnsafeMutableBufferPointer<MersenneField>
    /// t.
    package let threshold: Int

    /// Room whose constant terms are the secret's limbs and whose other coefficients are zero.
    private init(constants secret: borrowing SecretBytes, threshold: Int) {
        precondition(threshold >= 2, "one holder alone must not know the secret")
        self.threshold = threshold
        unsafe coefficients = .allocate(capacity: SecretLimbs.count * threshold)
        unsafe coefficients.initialize(repeating: .zero)
        let room = unsafe coefficients
        unsafe secret.withBytes { bytes in
            for limb in 0..<SecretLimbs.count {
                unsafe room[limb * threshold] = MersenneField(reducing: SecretLimbs.limb(limb, of: bytes))
            }
        }
    }

    /// Takes the coefficients of degree 1 to t − 1 of each limb, ascending: for published vectors.
    ///
    /// - Precondition: five lists of the same length, at least one element each.
    package init(secret: borrowing SecretBytes, coefficients given: [[MersenneField]]) {
        precondition(given.count == SecretLimbs.count, "one polynomial for each limb")
        self.init(constants: secret, threshold: given[0].count + 1)
        for (limb, list) in given.enumerated() {
            precondition(list.count == threshold - 1, "polynomials of one degree")
            for (index, coefficient) in list.enumerated() {
                unsafe coefficients[limb * threshold + 1 + index] = coefficient
            }
        }
    }

    /// Draws the coefficients from the AES-256-CTR stream of a key.
    ///
    /// The stream is read as 8-byte little-endian words from its start. Of each word the top three bits are cleared; the
    /// value p is skipped. The words go to limb 0, degree 1 to t − 1, then to limb 1, and so on.
    /// Source: privacy design review §3.1, O4; the order is ours (`protocol/secure-sum.md`, section 4).
    /// - Throws: `.cryptographyFailed`.
    package init(
        secret: borrowing SecretBytes, threshold: Int, key: borrowing SecretBytes
    ) throws(SecureSumError) {
        self.init(constants: secret, threshold: threshold)
        var words = try CoefficientWords(key: key)
        for limb in 0..<SecretLimbs.count {
            for degree in 1..<threshold { unsafe coefficients[limb * threshold + degree] = words.next() }
        }
    }

    deinit {
        unsafe UnsafeMutableRawBufferPointer(coefficients).wipe()
        unsafe coefficients.deallocate()
    }

    /// The share of the holder at `position`: the five values there, 8 bytes little-endian each.
    ///
    /// - Precondition: `position >= 1`; at 0 stands the secret.
    /// - Complexity: 5 (t − 1) products.
    package borrowing func share(at position: Position) -> [UInt8] {
        precondition(position >= 1, "positions are counted from 1")
        guard let point = MersenneField(UInt64(position)) else { preconditionFailure("positions are below p") }
        return ShareItem.bytes(of: (0..<SecretLimbs.count).map { value(of: $0, at: point) })
    }

    /// Horner's rule.
    private borrowing func value(of limb: Int, at point: MersenneField) -> MersenneField {
        var value = MersenneField.zero
        for degree in (0..<threshold).reversed() {
            value = unsafe value * point + coefficients[limb * threshold + degree]
        }
        return value
    }
}

/// The coefficients that a stream gives, one after the other.
///
/// Memory safety: as that of ``SharedPolynomials``.
@safe
private struct CoefficientWords: ~Copyable {
    private static let wordsPerPiece = 64

    private var stream: KeyedStream
    private let piece: UnsafeMutableBufferPointer<UInt64>
    private var nextWord = wordsPerPiece
    private var nextBlock: UInt64 = 0

    init(key: borrowing SecretBytes) throws(SecureSumError) {
        stream = try key.keyedStream()
        unsafe piece = .allocate(capacity: Self.wordsPerPiece)
        unsafe piece.initialize(repeating: 0)
    }

    deinit {
        unsafe UnsafeMutableRawBufferPointer(piece).wipe()
        unsafe piece.deallocate()
    }

    mutating func next() -> MersenneField {
        while true {
            if nextWord == Self.wordsPerPiece { refill() }
            defer { nextWord += 1 }
            // Skipping tells the clock that a word was skipped, one in 2⁶¹, and nothing about those that stay.
            if let element = MersenneField(unsafe UInt64(littleEndian: piece[nextWord]) & MersenneField.modulus) {
                return element
            }
        }
    }

    private mutating func refill() {
        let bytes = unsafe UnsafeMutableRawBufferPointer(piece)
        unsafe stream.fill(bytes, fromBlock: nextBlock)
        nextBlock += UInt64(bytes.count / KeyedStream.blockBytes)
        nextWord = 0
    }
}
