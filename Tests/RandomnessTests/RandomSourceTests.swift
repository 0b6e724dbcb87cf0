// SPDX-License-Identifier: Apache-2.0
// Checks that sources of keys advance, replay when seeded, and never repeat otherwise.

import Randomness
import Testing

@Suite struct RandomSourceTests {
    @Test(arguments: [0, 1, 31, 255, 256, 257, 1000])
    func systemGivesTheNumberOfBytesAskedFor(count: Int) {
        #expect(RandomSource.system.bytes(count).count == count)
    }

    /// Two draws of 32 bytes agree with odds 2⁻²⁵⁶; a tail left at zero would show in the last 8 of 520 bytes.
    @Test func systemNeverRepeatsAndFillsEveryPiece() {
        #expect(RandomSource.system.bytes(32) != RandomSource.system.bytes(32))
        let long = RandomSource.system.bytes(520)
        #expect(long.suffix(8).contains { $0 != 0 })
        #expect(long[0..<256] != long[256..<512])
    }

    /// Computed by an independent Python implementation of the generator.
    @Test func seededBytesNeverChange() {
        let bytes = RandomSource.seeded(forTestingAndSimulation: 9).bytes(13)
        #expect(bytes == GoldenVectors.bytes(hex: "06c715a00a252ce2e69d916f28"))
    }

    @Test func seededSourceReplaysAndItsCopiesShareOneState() {
        let source = RandomSource.seeded(forTestingAndSimulation: 5)
        let copy = source
        let first = source.bytes(16)
        let second = copy.bytes(16)
        #expect(first != second)
        #expect(RandomSource.seeded(forTestingAndSimulation: 5).bytes(32) == first + second)
    }

    @Test func concurrentDrawsNeverShareBytes() async {
        let source = RandomSource.seeded(forTestingAndSimulation: 6)
        let drawn = await withTaskGroup(of: [UInt8].self) { group in
            for _ in 0..<64 { group.addTask { source.bytes(16) } }
            return await group.reduce(into: Set<[UInt8]>()) { $0.insert($1) }
        }
        #expect(drawn.count == 64)
    }

    @Test func keyedStreamsOfOneSourceDiffer() throws {
        let source = RandomSource.seeded(forTestingAndSimulation: 7)
        var first = try source.keyedStream()
        var second = try source.keyedStream()
        var buffers = ([UInt8](repeating: 0, count: 32), [UInt8](repeating: 0, count: 32))
        buffers.0.withUnsafeMutableBytes { first.fill($0, fromBlock: 0) }
        buffers.1.withUnsafeMutableBytes { second.fill($0, fromBlock: 0) }
        #expect(buffers.0 != buffers.1)
    }
}
