// SPDX-License-Identifier: Apache-2.0
// Checks numbers in and out of a vector and its packed form.

import Randomness
import RingArithmetic
import Testing

@Suite struct RingVectorTests {
    @Test(arguments: 2...32)
    func signedNumbersOfEveryWidthComeBack(bits: Int) throws {
        let layout = try RingLayout([RingSection(name: "a", count: 6, elementBits: .bits32(ringBits: bits))])
        let largest: Int64 = (1 << Int64(bits - 1)) - 1
        let numbers = [0, 1, -1, largest, -largest, -largest - 1]
        var vector = RingVector(layout: layout)
        for (index, number) in numbers.enumerated() { vector[section: 0, index: index] = number }
        let decoded = try RingVector.decode(vector.packed(), layout: layout)
        for (index, number) in numbers.enumerated() {
            // For two bits, one is the largest number and minus one its negative; all fit.
            #expect(vector[section: 0, index: index] == number)
            #expect(decoded[section: 0, index: index] == number)
        }
    }

    @Test func sixtyFourBitNumbersComeBackAndAddWithWrapping() throws {
        let layout = try RingLayout([RingSection(name: "counts", count: 4, elementBits: .bits64)])
        var vector = RingVector(layout: layout)
        for (index, number) in [Int64.max, .min, -1, 77].enumerated() { vector[section: 0, index: index] = number }
        #expect(vector.packed().prefix(8) == [255, 255, 255, 255, 255, 255, 255, 127])
        let decoded = try RingVector.decode(vector.packed(), layout: layout)
        vector.add(decoded)
        #expect((0..<4).map { vector[section: 0, index: $0] } == [-2, 0, -2, 154])
    }

    @Test func packedFormIsTheSectionsOneAfterTheOther() throws {
        var generator = SeededGenerator(seed: 1, stream: "vector")
        let vector = try RingVector.random(RingLayout.mixed, using: &generator)
        var expected: [UInt8] = []
        for (section, description) in vector.layout.sections.enumerated() {
            switch description.elementBits {
            case .bits32(let bits):
                expected += vector.withWords32(section: section) { PlainRing.pack(Array($0), bits: bits) }
            case .bits64:
                for index in 0..<description.count {
                    let number = UInt64(bitPattern: vector[section: section, index: index])
                    expected += (0..<8).map { UInt8(truncatingIfNeeded: number >> UInt64(8 * $0)) }
                }
            }
        }
        #expect(vector.packed() == expected)
    }

    @Test(arguments: [64, 65, 100, 127, 1024, 1 << 20])
    func piecesAreTheWholeCutUp(pieceBytes: Int) throws {
        var generator = SeededGenerator(seed: 2, stream: "vector")
        let vector = try RingVector.random(RingLayout.mixed, using: &generator)
        var joined: [UInt8] = []
        var longest = 0
        vector.write(pieceBytes: pieceBytes) { piece in
            joined += piece
            longest = max(longest, piece.count)
        }
        #expect(joined == vector.packed())
        #expect(longest > 0 && longest <= pieceBytes)
    }

    @Test func anErrorOfTheSinkEndsTheWriting() throws {
        struct DiskFull: Error {}
        var generator = SeededGenerator(seed: 3, stream: "vector")
        let vector = try RingVector.random(RingLayout.mixed, using: &generator)
        var pieces = 0
        #expect(throws: DiskFull.self) {
            try vector.write(pieceBytes: 64) { _ in
                pieces += 1
                if pieces == 2 { throw DiskFull() }
            }
        }
        #expect(pieces == 2)
    }

    @Test func wrongLengthsAreRefused() throws {
        let layout = try RingLayout.mixed
        let right = RingVector(layout: layout).packed()
        #expect(throws: RingError.wrongLength(expected: right.count, actual: right.count - 1)) {
            try RingVector.decode(Array(right.dropLast()), layout: layout)
        }
        #expect(throws: RingError.wrongLength(expected: right.count, actual: right.count + 1)) {
            try RingVector.decode(right + [0], layout: layout)
        }
    }

    @Test func everySinglePaddingBitIsRefused() throws {
        let layout = try RingLayout.mixed
        let right = RingVector(layout: layout).packed()
        #expect(layout.paddedBytes.count == 2)
        for padded in layout.paddedBytes {
            for bit in 0..<8 where padded.paddingMask >> UInt8(bit) & 1 == 1 {
                var bytes = right
                bytes[padded.byteOffset] |= 1 << UInt8(bit)
                #expect(throws: RingError.nonzeroPadding(section: padded.section)) {
                    try RingVector.decode(bytes, layout: layout)
                }
            }
        }
    }

    @Test func emptyVectorIsNoBytes() throws {
        for sections in [[], [RingSection(name: "none", count: 0, elementBits: .bits32(ringBits: 20))]] {
            let layout = try RingLayout(sections)
            let vector = RingVector(layout: layout)
            #expect(vector.packed().isEmpty)
            #expect(throws: Never.self) { try RingVector.decode([], layout: layout) }
            if !sections.isEmpty { #expect(vector.dequantized(section: 0, factor: 1).isEmpty) }
        }
    }

    @Test(arguments: 2...32)
    func dequantizingMultipliesTheSignedNumberOnce(bits: Int) throws {
        var generator = SeededGenerator(seed: UInt64(bits), stream: "dequantize")
        let layout = try RingLayout([
            RingSection(name: "a", count: 131, elementBits: .bits32(ringBits: bits)),
            RingSection(name: "b", count: 131, elementBits: .bits64),
        ])
        let vector = RingVector.random(layout, using: &generator)
        for section in 0...1 {
            let whole = vector.dequantized(section: section, factor: 3.7e-5)
            let expected = (0..<131).map { Float(Double(vector[section: section, index: $0]) * 3.7e-5) }
            #expect(whole == expected)
            var part = [Float](repeating: 0, count: 50)
            part.withUnsafeMutableBufferPointer {
                vector.dequantize(section: section, range: 31..<81, factor: 3.7e-5, into: $0)
            }
            #expect(part == Array(expected[31..<81]))
        }
    }

    /// Five sites with weights up to 64 at the widest values a ring of that width takes.
    @Test func weightedMeanComesBackWithinOneStep() throws {
        let form = try FixedPoint(valueBits: 16, clip: 0.5)
        let bits = RingWidth.bits(sites: 5, maximumWeight: 64, valueBits: 16)
        let layout = try RingLayout([RingSection(name: "update", count: 1000, elementBits: .bits32(ringBits: bits))])
        var generator = SeededGenerator(seed: 5, stream: "mean")
        var stream = try KeyedStream(key: [UInt8](repeating: 1, count: 32))
        var sum = RingVector(layout: layout)
        var expected = [Double](repeating: 0, count: 1000)
        let weights: [UInt32] = [1, 64, 17, 64, 30]
        for (site, weight) in weights.enumerated() {
            // One coordinate at either edge for every site: the largest sums there are.
            var values = (0..<1000).map { _ in generator.uniformFloat() - 0.5 }
            values[0] = 0.5
            values[1] = -0.5
            for index in expected.indices { expected[index] += Double(values[index]) * Double(weight) }
            var contribution = RingVector(layout: layout)
            let report = contribution.quantize(
                values, section: 0, as: form, weight: weight, using: &stream, firstBlock: UInt64(site) * 250)
            #expect(report == QuantizationReport())
            try sum.add(RingVector.decode(contribution.packed(), layout: layout))
        }
        let total = Int64(weights.reduce(0, +))
        let mean = sum.dequantized(section: 0, factor: form.meanFactor(totalWeight: total))
        #expect(mean[0] == 0.5 && mean[1] == -0.5)
        for index in mean.indices {
            #expect(abs(Double(mean[index]) - expected[index] / Double(total)) <= 1 / form.scale)
        }
    }
}

extension RingLayout {
    /// Widths that need padding, an empty section, 64-bit elements and whole bytes, in 400 odd bytes.
    static var mixed: RingLayout {
        get throws {
            try RingLayout([
                RingSection(name: "update", count: 77, elementBits: .bits32(ringBits: 19)),
                RingSection(name: "nothing", count: 0, elementBits: .bits32(ringBits: 7)),
                RingSection(name: "counts", count: 9, elementBits: .bits64),
                RingSection(name: "narrow", count: 3, elementBits: .bits32(ringBits: 2)),
                RingSection(name: "lanes", count: 20, elementBits: .bits32(ringBits: 32)),
                RingSection(name: "end", count: 0, elementBits: .bits64),
            ])
        }
    }
}

extension RingVector {
    /// Any elements, those of 32-bit sections with bits above their ring set as well.
    static func random(_ layout: RingLayout, using generator: inout SeededGenerator) -> RingVector {
        var vector = RingVector(layout: layout)
        for (section, description) in layout.sections.enumerated() {
            for index in 0..<description.count {
                vector[section: section, index: index] = Int64(bitPattern: generator.next())
            }
        }
        return vector
    }

    /// All numbers, section after section.
    var numbers: [Int64] {
        layout.sections.indices.flatMap { section in
            (0..<layout.sections[section].count).map { self[section: section, index: $0] }
        }
    }
}
