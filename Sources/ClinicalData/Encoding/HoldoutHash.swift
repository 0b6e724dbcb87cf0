// SPDX-License-Identifier: Apache-2.0
// Which patients are held out: a keyed hash below a threshold, so that the choice is the same in every run.

import Federation

/// SipHash-2-4 of the patient key under the contract's seed, compared with the test fraction.
///
/// Key: the seed, then the bytes `holdout` and a zero, both as little-endian words. Message: the trimmed UTF-8 bytes
/// of the patient key, or the data row's number from zero as eight little-endian bytes.
/// Source: Aumasson and Bernstein 2012, "SipHash: a fast short-input PRF", §2.
package struct HoldoutHash {
    private static let domain: UInt64 = 0x0074_756F_646C_6F68

    private let seed: UInt64
    private let threshold: UInt64

    init(_ holdout: Holdout) {
        seed = holdout.seed
        // 2^64 times a fraction below one fits in 64 bits.
        threshold = UInt64(max(0, min(holdout.testFraction, 1 - 0x1p-53)) * 0x1p64)
    }

    func isTest(key: UnsafeBufferPointer<UInt8>) -> Bool {
        Self.sipHash(key, key0: seed, key1: Self.domain) < threshold
    }

    func isTest(row: UInt64) -> Bool {
        withUnsafeBytes(of: row.littleEndian) { bytes in
            bytes.withMemoryRebound(to: UInt8.self) { isTest(key: $0) }
        }
    }

    /// The 64-bit tag of `message`.
    package static func sipHash(_ message: [UInt8], key0: UInt64, key1: UInt64) -> UInt64 {
        message.withUnsafeBufferPointer { sipHash($0, key0: key0, key1: key1) }
    }

    static func sipHash(_ message: UnsafeBufferPointer<UInt8>, key0: UInt64, key1: UInt64) -> UInt64 {
        // v0…v3 as in the paper: "somepseudorandomlygeneratedbytes" in ASCII.
        var state = SipState(
            v0: key0 ^ 0x736f_6d65_7073_6575, v1: key1 ^ 0x646f_7261_6e64_6f6d, v2: key0 ^ 0x6c79_6765_6e65_7261,
            v3: key1 ^ 0x7465_6462_7974_6573)
        let wholeWords = message.count / 8
        for index in 0..<wholeWords { state.compress(word(message, from: index * 8, count: 8)) }
        let rest = word(message, from: wholeWords * 8, count: message.count % 8)
        state.compress(UInt64(truncatingIfNeeded: message.count) << 56 | rest)
        return state.finish()
    }

    private static func word(_ bytes: UnsafeBufferPointer<UInt8>, from start: Int, count: Int) -> UInt64 {
        var word: UInt64 = 0
        for index in 0..<count { word |= UInt64(bytes[start + index]) << (8 * index) }
        return word
    }
}

private struct SipState {
    var v0, v1, v2, v3: UInt64

    mutating func compress(_ word: UInt64) {
        v3 ^= word
        round()
        round()
        v0 ^= word
    }

    mutating func finish() -> UInt64 {
        v2 ^= 0xFF
        for _ in 0..<4 { round() }
        return v0 ^ v1 ^ v2 ^ v3
    }

    private mutating func round() {
        v0 &+= v1
        v2 &+= v3
        v1 = Self.rotate(v1, 13) ^ v0
        v3 = Self.rotate(v3, 16) ^ v2
        v0 = Self.rotate(v0, 32)
        v2 &+= v1
        v0 &+= v3
        v1 = Self.rotate(v1, 17) ^ v2
        v3 = Self.rotate(v3, 21) ^ v0
        v2 = Self.rotate(v2, 32)
    }

    private static func rotate(_ word: UInt64, _ bits: UInt64) -> UInt64 { word << bits | word >> (64 - bits) }
}
