// SPDX-License-Identifier: Apache-2.0
// The streamed form of a contribution against the vector with the same elements.

import Randomness
import RingArithmetic
import Testing

struct RingWriterTests {
    private static let key = [UInt8](repeating: 7, count: 32)

    /// The streamed bytes and report.
    private func streamed(
        _ layout: RingLayout, _ values: [Float], _ totals: [Int64], as fixedPoint: FixedPoint, weight: UInt32
    ) throws -> (bytes: [UInt8], report: QuantizationReport, largestPiece: Int) {
        var bytes: [UInt8] = []
        var largest = 0
        func take(_ piece: UnsafeRawBufferPointer) {
            bytes.append(contentsOf: piece)
            largest = max(largest, piece.count)
        }
        var stream = try KeyedStream(key: Self.key)
        var writer = RingWriter(layout: layout)
        let report = try writer.write(
            quantized: values, as: fixedPoint, weight: weight, using: &stream, to: take)
        try writer.write(integers: totals, to: take)
        writer.finish()
        return (bytes, report, largest)
    }

    @Test(arguments: [0, 1, 7, 8, 65_535, 65_536, 65_537, 200_003], [2, 13, 24, 31, 32])
    func streamedBytesAreThoseOfTheVector(count: Int, bits: Int) throws {
        let layout = try RingLayout([
            RingSection(name: "update", count: count, elementBits: .bits32(ringBits: bits)),
            RingSection(name: "totals", count: 3, elementBits: .bits64),
        ])
        let fixedPoint = try FixedPoint(valueBits: 2, clip: 1)
        var generator = SeededGenerator(seed: 5, stream: "values")
        var values = (0..<count).map { _ in 3 * generator.uniformFloat() - 1.5 }
        if count > 2 { values[count / 2] = .nan }
        let totals: [Int64] = [1, -2, .max]

        var stream = try KeyedStream(key: Self.key)
        var vector = RingVector(layout: layout)
        let report = vector.quantize(values, section: 0, as: fixedPoint, weight: 1, using: &stream)
        for (index, total) in totals.enumerated() { vector[section: 1, index: index] = total }

        let written = try streamed(layout, values, totals, as: fixedPoint, weight: 1)
        #expect(written.bytes == vector.packed())
        #expect(written.report == report)
        #expect(written.largestPiece <= 262_144)
    }

    @Test(arguments: [5, 32])
    func integersGoIntoNarrowSectionsModuloTheRing(bits: Int) throws {
        let layout = try RingLayout([RingSection(name: "counts", count: 70_001, elementBits: .bits32(ringBits: bits))])
        let values = (0..<70_001).map { Int64($0 * 7_919 % 100_003) - 50_000 }
        var vector = RingVector(layout: layout)
        for (index, value) in values.enumerated() { vector[section: 0, index: index] = value }
        var bytes: [UInt8] = []
        var writer = RingWriter(layout: layout)
        try writer.write(integers: values) { bytes.append(contentsOf: $0) }
        writer.finish()
        #expect(bytes == vector.packed())
    }

    @Test
    func aSinkThatFailsEndsTheContribution() throws {
        struct Full: Error {}
        let layout = try RingLayout([RingSection(name: "totals", count: 2, elementBits: .bits64)])
        var writer = RingWriter(layout: layout)
        #expect(throws: Full.self) { try writer.write(integers: [1, 2]) { _ in throw Full() } }
    }
}
