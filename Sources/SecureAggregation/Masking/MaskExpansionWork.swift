// SPDX-License-Identifier: Apache-2.0
// The work of masking alone, to be timed.

import Federation
import RingArithmetic

/// Expansion of some masks into one chunk of 32-bit words and nothing else: what a benchmark times for each core.
package struct MaskExpansionWork: ~Copyable {
    private var streams: MaskStreams
    private var words = [UInt32](repeating: 0, count: MaskLayout.chunkElements)

    /// - Precondition: `masks >= 1`.
    /// - Throws: `.cryptographyFailed`.
    package init(masks: Int) throws(SecureSumError) {
        precondition(masks >= 1, "one mask at least is expanded")
        let context = Digest(of: [], domain: "mask expansion work")
        var list = MaskList()
        for mask in 0..<masks {
            let seed = SecretBytes(copying: Digest(of: [UInt8(truncatingIfNeeded: mask)], domain: "seed").bytes)
            list.append(seed: seed, .pair, mask % 2 == 0 ? .added : .subtracted, context: context)
        }
        streams = try MaskStreams(list)
    }

    /// Expands every mask once over a chunk.
    ///
    /// - Returns: How many bytes of keystream went into the words.
    package mutating func run() -> Int {
        let count = words.count
        unsafe words.withUnsafeMutableBufferPointer { words in unsafe streams.apply(to: words, fromBlock: 0) }
        return streams.count * count * MemoryLayout<UInt32>.size
    }
}
