// SPDX-License-Identifier: Apache-2.0
// Expands masks and adds them to words, block by block, without leaving the cache.

import Randomness

/// The streams of a list of masks, for one thread.
///
/// All masks go into one block of words before the next block is touched, so the words are read and written once in main
/// memory however many masks there are, and the keystream never leaves the cache.
///
/// Memory safety: `@safe` because the buffers never leave this value and die with their only owner.
@safe
package struct MaskStreams: ~Copyable {
    /// Keystream made at a time: with the zeros it is made from and the words it goes into it nearly fills the first-level
    /// cache. Four times as much is not faster, a quarter is slower.
    private static let pieceBytes = 16_384

    /// A class, because arrays hold nothing that cannot be copied.
    private final class Stream {
        var keystream: KeyedStream
        let sign: MaskList.Sign

        init(keystream: consuming KeyedStream, sign: MaskList.Sign) {
            self.keystream = keystream
            self.sign = sign
        }
    }

    private let streams: [Stream]
    private let zeros: UnsafeMutableRawBufferPointer
    private let piece: UnsafeMutableRawBufferPointer

    /// - Throws: `.cryptographyFailed`.
    package init(_ list: MaskList) throws(SecureSumError) {
        var streams: [Stream] = []
        for mask in list.masks {
            streams.append(Stream(keystream: try mask.key.keyedStream(), sign: mask.sign))
        }
        self.streams = streams
        unsafe zeros = .allocate(byteCount: Self.pieceBytes, alignment: 64)
        unsafe zeros.initializeMemory(as: UInt8.self, repeating: 0)
        unsafe piece = .allocate(byteCount: Self.pieceBytes, alignment: 64)
    }

    deinit {
        unsafe piece.wipe()
        unsafe piece.deallocate()
        unsafe zeros.deallocate()
    }

    package var count: Int { streams.count }

    /// Applies all masks to words, of which the first takes the first word of a block of the streams.
    package mutating func apply<Word: MaskWord>(
        to words: UnsafeMutableBufferPointer<Word>, fromBlock block: UInt64
    ) {
        let wordBytes = MemoryLayout<Word>.size
        let pieceWords = Self.pieceBytes / wordBytes
        let zeros = unsafe UnsafeRawBufferPointer(zeros)
        for start in stride(from: 0, to: words.count, by: pieceWords) {
            let count = min(pieceWords, words.count - start)
            let keystream = unsafe UnsafeMutableRawBufferPointer(rebasing: piece[..<(count * wordBytes)])
            let pieceBlock = block + UInt64(start * wordBytes / KeyedStream.blockBytes)
            guard let target = words.baseAddress, let mask = keystream.baseAddress else { return }
            let bytes = unsafe UnsafePointer(mask.assumingMemoryBound(to: UInt8.self))
            for stream in streams {
                unsafe stream.keystream.fill(keystream, fromBlock: pieceBlock, encrypting: zeros)
                switch stream.sign {
                case .added: unsafe Word.add(bytes, to: target + start, count: count)
                case .subtracted: unsafe Word.subtract(bytes, from: target + start, count: count)
                }
            }
        }
    }
}
