// SPDX-License-Identifier: Apache-2.0
// Checks that a masked vector depends on its bytes alone, hides them, and is refused where they are wrong.

import Federation
import Randomness
import RingArithmetic
import SecureAggregation
import Testing
import TransparencyLog

@Suite struct MaskedInputTests {
    private let layout: MaskLayout
    private let context = Digest(of: [], domain: "context")

    init() throws {
        layout = try MaskLayout(
            summing: [
                RingSection(name: "a", count: 70_001, elementBits: .bits32(ringBits: 18)),
                RingSection(name: "b", count: 4_099, elementBits: .bits64),
                RingSection(name: "c", count: MaskLayout.chunkElements + 9, elementBits: .bits32(ringBits: 25)),
                RingSection(name: "d", count: 3, elementBits: .bits32(ringBits: 32)),
            ])
    }

    private func masks(partners: [Position] = [1, 2, 4, 9], at position: Position = 3) -> SiteMasks {
        var masks = SiteMasks(position: position, selfSeed: seed(position), context: context)
        for partner in partners { masks.addPair(with: partner, seed: seed(100 + partner)) }
        return masks
    }

    private func seed(_ number: Int) -> SecretBytes {
        SecretBytes(copying: Digest(of: [UInt8(number)], domain: "seed").bytes)
    }

    private func plain(_ value: Int64 = 0) -> RingVector {
        var vector = RingVector(layout: layout.ring)
        for section in 0..<4 {
            for index in 0..<layout.ring.sections[section].count {
                vector[section: section, index: index] = value &* Int64(index)
            }
        }
        for index in 0..<4 { vector[section: 4, index: index] = 1 }
        return vector
    }

    /// Word by word from the stream, as the definition says it.
    private func expected(_ plain: RingVector, masks: [(seed: SecretBytesBox, kind: String, sign: Int64)]) throws
        -> RingVector
    {
        var vector = plain
        for mask in masks {
            let key = mask.seed.secret.derived(context: context, info: Array("fl/secagg/v1 \(mask.kind)".utf8))
            var stream = try KeyedStream(key: key.exposedBytes())
            var start = 0
            for (section, description) in layout.ring.sections.enumerated() {
                let width = description.elementBits == .bits64 ? 8 : 4
                var bytes = [UInt8](repeating: 0, count: description.count * width)
                bytes.withUnsafeMutableBytes { stream.fill($0, fromBlock: UInt64(start / 16)) }
                for index in 0..<description.count {
                    let word = bytes[width * index..<width * (index + 1)].reversed().reduce(UInt64(0)) {
                        $0 << 8 | UInt64($1)
                    }
                    vector[section: section, index: index] &+= mask.sign &* Int64(bitPattern: word)
                }
                start += (description.count * width + 15) / 16 * 16
            }
        }
        return vector
    }

    /// Arrays hold nothing that cannot be copied.
    private final class SecretBytesBox {
        let secret: SecretBytes
        init(_ secret: consuming SecretBytes) { self.secret = secret }
    }

    @Test func masksAreWordsOfTheStreamsWithTheSignOfThePosition() throws {
        let plain = plain(-77)
        let masked = try maskedBytes(of: plain, layout: layout, masks: masks())
        let list: [(SecretBytesBox, String, Int64)] = [
            (SecretBytesBox(seed(3)), "self", 1), (SecretBytesBox(seed(101)), "pair", -1),
            (SecretBytesBox(seed(102)), "pair", -1), (SecretBytesBox(seed(104)), "pair", 1),
            (SecretBytesBox(seed(109)), "pair", 1),
        ]
        #expect(masked.bytes == (try expected(plain, masks: list)).packed())
    }

    @Test func piecesOfAnySizeGiveTheSameBytesAndRootTwice() throws {
        let plain = plain(5)
        let whole = try maskedBytes(of: plain, layout: layout, masks: masks(), pieceBytes: .max / 2)
        for pieceBytes in [997, 65_536, 262_144, whole.bytes.count - 1] {
            #expect(try maskedBytes(of: plain, layout: layout, masks: masks(), pieceBytes: pieceBytes) == whole)
        }
    }

    @Test func theRootIsThatOfTheChunks() throws {
        let masked = try maskedBytes(of: plain(5), layout: layout, masks: masks())
        let leaves = layout.chunks.map { MerkleTree.leafHash(Array(masked.bytes[$0.bytes])) }
        #expect(masked.root == MerkleTree.root(of: leaves))
        #expect(masked.bytes.count == layout.ring.packedByteCount)
    }

    @Test func whatAWriterWritesIsMaskedLikeAVector() throws {
        let plain = plain(-3)
        var input = try MaskedInput(layout: layout, masks: masks())
        var bytes: [UInt8] = []
        var writer = RingWriter(layout: layout.ring)
        for (section, description) in layout.ring.sections.dropLast().enumerated() {
            let integers = (0..<description.count).map { plain[section: section, index: $0] }
            try writer.write(integers: integers) { try input.append(plain: $0) { _, masked in bytes += masked } }
        }
        try writer.write(integers: MaskLayout.checkLaneValues) {
            try input.append(plain: $0) { _, masked in bytes += masked }
        }
        writer.finish()
        let root = try input.finish()
        #expect(MaskedVector(bytes: bytes, root: root) == (try maskedBytes(of: plain, layout: layout, masks: masks())))
    }

    /// Statistics: the bytes of a vector of zeros under masks, chi-square with 255 degrees of freedom; false alarms below
    /// 10⁻⁶ at 380. The seeds are fixed, so it passes always or never.
    @Test func maskedZerosLookUniform() throws {
        let bytes = try maskedBytes(of: plain(), layout: layout, masks: masks()).bytes
        for range in layout.ring.byteRanges.prefix(3) {
            var counts = [Int](repeating: 0, count: 256)
            for byte in bytes[range] { counts[Int(byte)] += 1 }
            let expected = Double(range.count) / 256
            #expect(counts.reduce(0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected } < 380)
        }
    }

    @Test func wrongLanesPaddingAndLengthsAreRefused() throws {
        var lanes = plain(1)
        lanes[section: 4, index: 3] = 2
        #expect(throws: SecureSumError.malformed) {
            _ = try maskedBytes(of: lanes, layout: layout, masks: masks())
        }
        let good = plain(1).packed()
        #expect(throws: SecureSumError.malformed) {
            _ = try maskedBytes(of: Array(good.dropLast()), layout: layout, masks: masks())
        }
        #expect(throws: SecureSumError.malformed) {
            _ = try maskedBytes(of: good + [0], layout: layout, masks: masks())
        }
        for padded in layout.ring.paddedBytes {
            var bad = good
            bad[padded.byteOffset] |= 0x80
            #expect(throws: SecureSumError.malformed) { _ = try maskedBytes(of: bad, layout: layout, masks: masks()) }
        }
        #expect(!layout.ring.paddedBytes.isEmpty)
    }

    @Test func workIsCountedInKeystreamBytes() throws {
        var work = try MaskExpansionWork(masks: 3)
        #expect(work.run() == 3 * 4 * MaskLayout.chunkElements)
    }
}
