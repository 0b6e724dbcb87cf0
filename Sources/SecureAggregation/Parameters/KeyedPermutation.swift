// SPDX-License-Identifier: Apache-2.0
// Orders of a roster that everybody can recompute from a public key.

package import Federation
internal import Randomness

/// The permutation of 1...n that a 32-byte key stands for.
///
/// Words are 8 bytes, little-endian, taken one after the other from byte 0 of the AES-256-CTR stream of the key (zero
/// plaintext, the counter block a 16-byte big-endian number from 0). The array starts as 1, 2, …, n. For i from n − 1
/// down to 1: words are drawn until one is below 2⁶⁴ − (2⁶⁴ mod (i + 1)); j is that word mod (i + 1); the entries at i
/// and j (counted from 0) change places. A word that is refused is used for nothing.
/// Source: Durstenfeld 1964, Algorithm 235; privacy design note §1.3.
package enum KeyedPermutation {
    /// The permuted positions.
    ///
    /// - Throws: `.cryptographyFailed` without AES-256-CTR.
    package static func positions(count: Int, key: Digest) throws(SecureSumError) -> [Position] {
        var words = try KeyedWords(key: key)
        return positions(count: count) { words.next() }
    }

    /// The permutation that a sequence of words makes.
    package static func positions(count: Int, nextWord: () -> UInt64) -> [Position] {
        var positions = Array(1..<count + 1)
        for last in stride(from: count - 1, to: 0, by: -1) {
            positions.swapAt(last, index(below: UInt64(last + 1), nextWord: nextWord))
        }
        return positions
    }

    private static func index(below bound: UInt64, nextWord: () -> UInt64) -> Int {
        // 2⁶⁴ mod bound words at the top would favour the small indices.
        let lastAccepted = UInt64.max - (0 &- bound) % bound
        while true {
            let word = nextWord()
            if word <= lastAccepted { return Int(word % bound) }
        }
    }
}

/// The stream of a key in words.
private struct KeyedWords: ~Copyable {
    private static let bufferedWords = 512

    private var stream: KeyedStream
    private var buffer = [UInt64](repeating: 0, count: bufferedWords)
    private var nextIndex = bufferedWords
    private var nextBlock: UInt64 = 0

    init(key: Digest) throws(SecureSumError) {
        do { stream = try KeyedStream(key: key.bytes) } catch { throw .cryptographyFailed }
    }

    mutating func next() -> UInt64 {
        if nextIndex == Self.bufferedWords {
            unsafe buffer.withUnsafeMutableBytes { bytes in unsafe stream.fill(bytes, fromBlock: nextBlock) }
            nextBlock += UInt64(Self.bufferedWords * MemoryLayout<UInt64>.size / KeyedStream.blockBytes)
            nextIndex = 0
        }
        defer { nextIndex += 1 }
        return UInt64(littleEndian: buffer[nextIndex])
    }
}
