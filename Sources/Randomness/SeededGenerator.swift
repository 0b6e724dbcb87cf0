// SPDX-License-Identifier: Apache-2.0
// The reproducible generator behind initial weights, batch order, dropout and simulation.

/// A generator whose whole output is fixed by a seed and the name of a stream, the same on every machine, for ever.
///
/// The seed says which run this is, the stream says what the numbers are for (`"weights"`, `"batches/site-3"`), so
/// that one more draw in one place moves no number in another.
///
/// Algorithm (pinned by a known-answer test, never to be changed):
/// 1. h = FNV-1a, 64 bits, over the UTF-8 bytes of `stream`;
/// 2. m = first output of SplitMix64 started at `seed`;
/// 3. the four state words are the first four outputs of SplitMix64 started at m ⊕ h;
/// 4. every further number is one step of xoshiro256++.
///
/// Source: Blackman & Vigna 2021, "Scrambled linear pseudorandom number generators", section 4 (xoshiro256++);
/// Steele, Lea & Flood 2014, figure 14 (SplitMix64); Fowler, Noll & Vo (FNV-1a).
/// Privacy: predictable by anyone who knows the seed. Never use it for keys, masks, rounding or privacy noise of a
/// real study; those come from ``RandomSource/system``.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
    /// Never all zero: consecutive outputs of SplitMix64 differ, so at most one of them is zero.
    private var state: (UInt64, UInt64, UInt64, UInt64)

    /// Starts the stream named `stream` of the run `seed`.
    package init(seed: UInt64, stream: String) {
        var outer = SplitMix64(state: seed)
        var inner = SplitMix64(state: outer.next() ^ Self.fnv1a(stream))
        state = (inner.next(), inner.next(), inner.next(), inner.next())
    }

    /// Continues xoshiro256++ from an explicit state, for published test vectors.
    ///
    /// - Precondition: at least one word is not zero.
    package init(state: (UInt64, UInt64, UInt64, UInt64)) {
        precondition(state.0 | state.1 | state.2 | state.3 != 0, "xoshiro256++ never leaves the state of zeros")
        self.state = state
    }

    /// The state, from which ``init(words:)`` goes on: four words.
    package var words: [UInt64] { [state.0, state.1, state.2, state.3] }

    /// Goes on where a generator with these ``words`` stood; nil for words that no generator has.
    package init?(words: [UInt64]) {
        guard words.count == 4, words.contains(where: { $0 != 0 }) else { return nil }
        state = (words[0], words[1], words[2], words[3])
    }

    /// The next 64 bits.
    package mutating func next() -> UInt64 {
        step()
    }

    /// A number in `[0, 1)`, a multiple of 2⁻⁵³, from the upper 53 bits of one draw.
    package mutating func uniformDouble() -> Double {
        Double(step() >> 11) * 0x1p-53
    }

    /// A number in `[0, 1)`, a multiple of 2⁻²⁴, from the upper 24 bits of one draw.
    package mutating func uniformFloat() -> Float {
        Float(step() >> 40) * 0x1p-24
    }

    /// An index in `0 ..< bound`, every one exactly as likely as another.
    ///
    /// Source: Lemire 2019, "Fast random integer generation in an interval", algorithm 5.
    /// - Precondition: `bound > 0`.
    /// - Complexity: one draw, a second one with odds below `bound` ÷ 2⁶⁴.
    package mutating func index(below bound: Int) -> Int {
        precondition(bound > 0, "no index lies below zero")
        let width = UInt64(bound)
        var product = step().multipliedFullWidth(by: width)
        if product.low < width {
            // 2⁶⁴ mod width: the low halves below it belong to the surplus that would favour some indices.
            let surplus = (0 &- width) % width
            while product.low < surplus {
                product = step().multipliedFullWidth(by: width)
            }
        }
        return Int(product.high)
    }

    /// Puts `values` into a uniformly random order.
    ///
    /// Source: Durstenfeld 1964, Algorithm 235: for i = count−1 … 1, swap element i with element `index(below: i+1)`.
    /// - Complexity: O(count), no allocation.
    package mutating func shuffle(_ values: inout [Int32]) {
        for last in stride(from: values.count - 1, to: 0, by: -1) {
            values.swapAt(last, index(below: last + 1))
        }
    }

    /// Puts `values` into a uniformly random order, the same one as for `Int32` values.
    package mutating func shuffle(_ values: inout [Int]) {
        for last in stride(from: values.count - 1, to: 0, by: -1) {
            values.swapAt(last, index(below: last + 1))
        }
    }

    /// One step of xoshiro256++, under a name of its own: `next()` is ambiguous with the protocol's generic one.
    mutating func step() -> UInt64 {
        let result = Self.rotate(state.0 &+ state.3, by: 23) &+ state.0
        let shifted = state.1 << 17
        state.2 ^= state.0
        state.3 ^= state.1
        state.1 ^= state.2
        state.0 ^= state.3
        state.2 ^= shifted
        state.3 = Self.rotate(state.3, by: 45)
        return result
    }

    private static func rotate(_ word: UInt64, by count: UInt64) -> UInt64 {
        (word << count) | (word >> (64 &- count))
    }

    private static func fnv1a(_ text: String) -> UInt64 {
        text.utf8.reduce(0xCBF2_9CE4_8422_2325) { hash, byte in
            (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3
        }
    }
}

/// The seed expander that the authors of xoshiro recommend.
private struct SplitMix64 {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}
