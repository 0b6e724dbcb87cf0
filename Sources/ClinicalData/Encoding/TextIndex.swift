// SPDX-License-Identifier: Apache-2.0
// Numbers different byte strings in the order of their first appearance: patients, and long codes already met.

/// A hash table from byte strings to 0, 1, 2, …
///
/// Keeps all strings in one array; about 20 bytes a string beside their text.
/// Complexity: amortised O(length) for each string.
struct TextIndex {
    private(set) var count = 0
    private var text: [UInt8] = []
    /// String `i` is `text[ends[i - 1]..<ends[i]]`.
    private var ends: [Int] = []
    private var hashes: [UInt32] = []
    /// Open addressing; at most half full, so a search ends soon.
    private var slots = [Int32](repeating: -1, count: 64)

    /// The number of `bytes`, given now when it is new.
    mutating func number(of bytes: UnsafeBufferPointer<UInt8>) -> (number: Int, isNew: Bool) {
        let hash = Self.hash(bytes)
        var slot = Int(hash) & (slots.count - 1)
        while slots[slot] >= 0 {
            let candidate = Int(slots[slot])
            if hashes[candidate] == hash && holds(bytes, at: candidate) { return (candidate, false) }
            slot = (slot + 1) & (slots.count - 1)
        }
        text.append(contentsOf: bytes)
        ends.append(text.count)
        hashes.append(hash)
        slots[slot] = Int32(count)
        count += 1
        if count * 2 > slots.count { grow() }
        return (count - 1, true)
    }

    private func holds(_ bytes: UnsafeBufferPointer<UInt8>, at number: Int) -> Bool {
        let start = number == 0 ? 0 : ends[number - 1]
        guard ends[number] - start == bytes.count else { return false }
        return text.withUnsafeBufferPointer { $0[start..<ends[number]].elementsEqual(bytes) }
    }

    private mutating func grow() {
        slots = [Int32](repeating: -1, count: slots.count * 2)
        for (number, hash) in hashes.enumerated() {
            var slot = Int(hash) & (slots.count - 1)
            while slots[slot] >= 0 { slot = (slot + 1) & (slots.count - 1) }
            slots[slot] = Int32(number)
        }
    }

    /// Only spreads strings over this table; differs from run to run and is never stored.
    private static func hash(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt32 {
        var hasher = Hasher()
        hasher.combine(bytes: UnsafeRawBufferPointer(bytes))
        return UInt32(truncatingIfNeeded: hasher.finalize())
    }
}
