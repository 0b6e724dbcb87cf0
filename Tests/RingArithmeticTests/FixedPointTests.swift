// SPDX-License-Identifier: Apache-2.0
// Checks stochastic rounding: published rows, the plain twin, unbiasedness, saturation and weights.

import Randomness
import RingArithmetic
import Testing

@Suite struct FixedPointGoldenTests {
    private struct File: Decodable {
        struct Rounding: Decodable {
            struct Row: Decodable {
                let clip: Double
                let valueBits: Int
                let x: Double
                let uniform: Double
                let integer: Int64
                let dequantised: Double
            }

            let rows: [Row]
        }

        let stochasticRounding: Rounding
    }

    @Test func everyPublishedRowRoundsAsStated() throws {
        let rows = try GoldenVectors.decode(File.self, from: "secagg/secagg.json").stochasticRounding.rows
        #expect(!rows.isEmpty)
        for row in rows {
            let form = try FixedPoint(valueBits: row.valueBits, clip: row.clip)
            let draw = UInt32(row.uniform * 4_294_967_296)
            let (elements, _) = form.quantized([Float(row.x)], weight: 1, draws: [draw])
            #expect(Int64(Int32(bitPattern: elements[0])) == row.integer, "x = \(row.x), clip = \(row.clip)")
            #expect(abs(form.value(of: row.integer) - row.dequantised) <= 1e-15 * abs(row.dequantised))
        }
    }
}

@Suite struct FixedPointTests {
    @Test(arguments: [1, 0, -3, 32, 64])
    func valueBitsOutsideTheFormAreRefused(bits: Int) {
        #expect(throws: RingError.invalidValueBits(bits)) { try FixedPoint(valueBits: bits, clip: 1) }
    }

    @Test(arguments: [0, -1, Double.infinity, .nan, 0x1p-1070])
    func unusableClipsAreRefused(clip: Double) {
        #expect(throws: RingError.invalidScale) { try FixedPoint(valueBits: 16, clip: clip) }
    }

    /// All value bits, weights that wrap, awkward lengths, values at and beyond the clip, and non-numbers.
    @Test(arguments: 2...31)
    func kernelEqualsThePlainTwin(valueBits: Int) throws {
        var generator = SeededGenerator(seed: UInt64(valueBits), stream: "kernel twin")
        for clip in [1.0, 0.01, 8, 3.3e-7, 1e20] {
            let form = try FixedPoint(valueBits: valueBits, clip: clip)
            for count in Array(0...40) + [4095, 4096, 4097, 8200] {
                var values = (0..<count).map { _ in Float(clip * 2.4 * (generator.uniformDouble() - 0.5)) }
                for special in [
                    Float(clip), Float(-clip), 0, -0.0, .nan, .infinity, -.infinity, .greatestFiniteMagnitude,
                    .leastNonzeroMagnitude, -Float.leastNonzeroMagnitude, Float(clip).nextUp,
                ]
                where count > 0 {
                    values[generator.index(below: count)] = special
                }
                let draws = generator.words(count)
                let weight = UInt32(truncatingIfNeeded: generator.next() as UInt64 >> 40)
                let (elements, report) = form.quantized(values, weight: weight, draws: draws)
                let expected = zip(values, draws).map {
                    PlainRing.quantize($0, draw: $1, weight: weight, as: form)
                }
                #expect(elements == expected, "\(count) values, clip \(clip)")
                #expect(report.nonFinite == values.filter { !$0.isFinite }.count)
                #expect(report.clipped == values.filter { $0.isFinite && abs(Double($0)) > clip }.count)
            }
        }
    }

    @Test(arguments: 2...31)
    func saturationNeverExceedsTheLargestInteger(valueBits: Int) throws {
        // 0.3 is one of the clips for which clip × scale is above the integer in double precision for some widths.
        for clip in [0.1, 0.3, 0.7, 1, 3, 1e-5] {
            let form = try FixedPoint(valueBits: valueBits, clip: clip)
            let values: [Float] = [Float(clip), .greatestFiniteMagnitude, -Float(clip), -.greatestFiniteMagnitude]
            let (elements, _) = form.quantized(values, weight: 1, draws: [0, 0, 0, 0])
            #expect(Int32(bitPattern: elements[1]) == form.largestInteger)
            #expect(Int32(bitPattern: elements[3]) >= -form.largestInteger)
            #expect(elements.allSatisfy { abs(Int64(Int32(bitPattern: $0))) <= Int64(form.largestInteger) })
        }
    }

    /// 20 values × 2¹⁸ roundings with a fixed key. The mean of one value's roundings has standard deviation
    /// √(f(1−f)/2¹⁸) ≤ 0.001 for the fraction f; 5.5 of them are allowed: odds of a false alarm below 8e-7 in all,
    /// met once when the key was chosen.
    @Test func roundingIsUnbiased() throws {
        var stream = try KeyedStream(key: [UInt8](repeating: 3, count: 32))
        let form = try FixedPoint(valueBits: 8, clip: 127)
        let samples = 1 << 18
        for step in 0..<20 {
            let value = Float(step) * 3.37 - 31.9
            let fraction = Double(value) - Double(value).rounded(.down)
            let block = UInt64(step * samples / FixedPoint.elementsPerBlock)
            let (elements, _) = form.quantized(
                [Float](repeating: value, count: samples), weight: 1, stream: &stream, firstBlock: block)
            let mean = elements.reduce(0.0) { $0 + Double(Int32(bitPattern: $1)) } / Double(samples)
            let deviation = (fraction * (1 - fraction) / Double(samples)).squareRoot()
            #expect(abs(mean - Double(value)) <= 5.5 * deviation, "value \(value), mean \(mean)")
        }
    }

    @Test func weightMultipliesTheRoundedInteger() throws {
        let form = try FixedPoint(valueBits: 16, clip: 1)
        let values: [Float] = [0.25, -0.25, 1, -1, 0.000_01]
        let draws: [UInt32] = [1, 2, 3, 4, 5]
        let (once, _) = form.quantized(values, weight: 1, draws: draws)
        let (weighted, _) = form.quantized(values, weight: 64, draws: draws)
        #expect(weighted.map { Int32(bitPattern: $0) } == once.map { 64 * Int32(bitPattern: $0) })
    }

    @Test func piecesOfAVectorUseTheirOwnPartOfTheStream() throws {
        var generator = SeededGenerator(seed: 8, stream: "pieces")
        let values = (0..<10_003).map { _ in generator.uniformFloat() - 0.5 }
        var stream = try KeyedStream(key: [UInt8](repeating: 9, count: 32))
        let form = try FixedPoint(valueBits: 20, clip: 0.4)
        let (whole, wholeReport) = form.quantized(values, weight: 3, stream: &stream, firstBlock: 5)
        var pieces: [UInt32] = []
        var report = QuantizationReport()
        for start in stride(from: 0, to: values.count, by: 1604) {
            let piece = Array(values[start..<min(start + 1604, values.count)])
            let block = UInt64(5 + start / FixedPoint.elementsPerBlock)
            let (elements, part) = form.quantized(piece, weight: 3, stream: &stream, firstBlock: block)
            pieces += elements
            report.clipped += part.clipped
        }
        #expect(pieces == whole)
        #expect(report == wholeReport)
    }

    @Test func drawsAreTheLittleEndianWordsOfTheStream() throws {
        let key = [UInt8](1...32)
        var stream = try KeyedStream(key: key)
        var bytes = [UInt8](repeating: 0, count: 400)
        bytes.withUnsafeMutableBytes { stream.fill($0, fromBlock: 17) }
        let draws = (0..<100).map { index in
            (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[4 * index + $1]) << UInt32(8 * $1) }
        }
        let form = try FixedPoint(valueBits: 12, clip: 1)
        let values = (0..<100).map { Float($0) / 101 }
        let (fromStream, _) = form.quantized(values, weight: 1, stream: &stream, firstBlock: 17)
        #expect(fromStream == form.quantized(values, weight: 1, draws: draws).0)
    }

    @Test func meanFactorUndoesScaleAndWeight() throws {
        let form = try FixedPoint(valueBits: 16, clip: 2)
        #expect(abs(form.meanFactor(totalWeight: 10) * 10 * 32_767 - 2) < 1e-14)
    }
}
