// SPDX-License-Identifier: Apache-2.0
// Checks the keystream against its golden vectors and against itself at every cut.

import Randomness
import Testing

@Suite struct KeyedStreamGoldenTests {
    private struct File: Decodable {
        struct Stream: Decodable {
            let key: String
            let start: String
            let thousand: String
            let carry: String

            enum CodingKeys: String, CodingKey {
                case key
                case start = "bytes_0_64"
                case thousand = "bytes_at_block_1000_32"
                case carry = "bytes_at_block_2^32-1_48"
            }
        }

        let prg: Stream
    }

    @Test func maskStreamMatchesAtEveryPublishedBlock() throws {
        let vectors = try GoldenVectors.decode(File.self, from: "secagg/secagg.json").prg
        var stream = try KeyedStream(key: GoldenVectors.bytes(hex: vectors.key))
        for (block, hex) in [(0, vectors.start), (1000, vectors.thousand), (1 << 32 - 1, vectors.carry)] {
            let expected = GoldenVectors.bytes(hex: hex)
            #expect(!expected.isEmpty)
            #expect(keystream(&stream, count: expected.count, fromBlock: UInt64(block)) == expected)
        }
    }
}

@Suite struct KeyedStreamTests {
    private let key = RandomSource.seeded(forTestingAndSimulation: 11).bytes(32)

    @Test func blocksReadAloneEqualTheSameBlocksReadTogether() throws {
        var stream = try KeyedStream(key: key)
        let whole = keystream(&stream, count: 16 * 40, fromBlock: 7)
        for block in (0..<40).reversed() {
            let alone = keystream(&stream, count: 16, fromBlock: UInt64(7 + block))
            #expect(alone == Array(whole[16 * block..<16 * (block + 1)]))
        }
    }

    /// Longer than one internal piece of 16 KiB, and at lengths that end inside a block.
    @Test func lengthDoesNotChangeTheBytes() throws {
        var stream = try KeyedStream(key: key)
        let whole = keystream(&stream, count: 50_000, fromBlock: 0)
        for count in [0, 1, 15, 16, 17, 16_383, 16_384, 16_385, 32_768, 49_999] {
            #expect(keystream(&stream, count: count, fromBlock: 0) == Array(whole.prefix(count)))
        }
    }

    @Test func oldContentsOfTheBufferDoNotMatter() throws {
        var stream = try KeyedStream(key: key)
        var buffer = [UInt8](repeating: 0xA5, count: 100)
        buffer.withUnsafeMutableBytes { stream.fill($0, fromBlock: 3) }
        #expect(buffer == keystream(&stream, count: 100, fromBlock: 3))
    }

    @Test func lentZerosGiveTheSameBytes() throws {
        var stream = try KeyedStream(key: key)
        let zeros = [UInt8](repeating: 0, count: 20_000)
        for (count, block) in [(0, 0), (1, 3), (16_384, 5), (19_999, 1 << 40), (20_000, 0)] {
            var buffer = [UInt8](repeating: 0xA5, count: count)
            buffer.withUnsafeMutableBytes { buffer in
                zeros.withUnsafeBytes { stream.fill(buffer, fromBlock: UInt64(block), encrypting: $0) }
            }
            #expect(buffer == keystream(&stream, count: count, fromBlock: UInt64(block)))
        }
    }

    @Test func wipedMemoryIsZero() {
        var bytes = key
        bytes.withUnsafeMutableBytes { $0.wipe() }
        #expect(bytes == [UInt8](repeating: 0, count: 32))
        var none: [UInt8] = []
        none.withUnsafeMutableBytes { $0.wipe() }
    }

    @Test func counterCarriesIntoTheUpperHalf() throws {
        var stream = try KeyedStream(key: key)
        let acrossTheEdge = keystream(&stream, count: 32, fromBlock: .max)
        #expect(Array(acrossTheEdge.prefix(16)) == keystream(&stream, count: 16, fromBlock: .max))
        #expect(Array(acrossTheEdge.suffix(16)) != keystream(&stream, count: 16, fromBlock: 0))
    }

    @Test func keysGiveDifferentStreams() throws {
        var first = try KeyedStream(key: key)
        var second = try KeyedStream(key: key.map { $0 ^ 1 })
        #expect(keystream(&first, count: 64, fromBlock: 0) != keystream(&second, count: 64, fromBlock: 0))
    }
}

private func keystream(_ stream: inout KeyedStream, count: Int, fromBlock block: UInt64) -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: count)
    buffer.withUnsafeMutableBytes { stream.fill($0, fromBlock: block) }
    return buffer
}
