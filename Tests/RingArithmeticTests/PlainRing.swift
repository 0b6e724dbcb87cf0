// SPDX-License-Identifier: Apache-2.0
// Slow, obvious versions of the ring kernels: the oracle that the fast ones are compared with.

import Randomness
import RingArithmetic

enum PlainRing {
    /// Stochastic rounding of one value, one step per line of its definition.
    static func quantize(_ value: Float, draw: UInt32, weight: UInt32, as form: FixedPoint) -> UInt32 {
        guard value.isFinite else { return 0 }
        let scaled = min(max(Double(value), -form.clip), form.clip) * form.scale
        let below = scaled.rounded(.down)
        let rounded = Int64(below) + (Double(draw) / 4_294_967_296 < scaled - below ? 1 : 0)
        let limit = Int64(form.largestInteger)
        return UInt32(truncatingIfNeeded: min(max(rounded, -limit), limit)) &* weight
    }

    /// Packs bit by bit.
    static func pack(_ elements: [UInt32], bits: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: (elements.count * bits + 7) / 8)
        for (index, element) in elements.enumerated() {
            for bit in 0..<bits where element >> UInt32(bit) & 1 == 1 {
                let position = index * bits + bit
                bytes[position / 8] |= 1 << UInt8(position % 8)
            }
        }
        return bytes
    }

    /// A number modulo 2ᵇⁱᵗˢ, read as two's complement.
    static func signed(_ value: Int64, bits: Int) -> Int64 {
        guard bits < 64 else { return value }
        let modulus: Int64 = 1 << Int64(bits)
        let reduced = ((value % modulus) + modulus) % modulus
        return reduced >= modulus / 2 ? reduced - modulus : reduced
    }
}

/// Arrays in, arrays out, around the buffer interfaces under test.
extension FixedPoint {
    func quantized(_ values: [Float], weight: UInt32, draws: [UInt32]) -> ([UInt32], QuantizationReport) {
        var output = [UInt32](repeating: 0xDEAD_BEEF, count: values.count)
        let report = values.withUnsafeBufferPointer { values in
            draws.withUnsafeBufferPointer { draws in
                output.withUnsafeMutableBufferPointer {
                    quantize(values, weight: weight, draws: draws, into: $0)
                }
            }
        }
        return (output, report)
    }

    func quantized(
        _ values: [Float], weight: UInt32, stream: inout KeyedStream, firstBlock: UInt64 = 0
    ) -> ([UInt32], QuantizationReport) {
        var output = [UInt32](repeating: 0xDEAD_BEEF, count: values.count)
        let report = values.withUnsafeBufferPointer { values in
            output.withUnsafeMutableBufferPointer {
                quantize(values, weight: weight, using: &stream, firstBlock: firstBlock, into: $0)
            }
        }
        return (output, report)
    }
}

extension BitPacking {
    static func packed(_ elements: [UInt32], bits: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xFF, count: packedByteCount(count: elements.count, bits: bits))
        elements.withUnsafeBufferPointer { elements in
            bytes.withUnsafeMutableBytes { pack(elements, bits: bits, into: $0) }
        }
        return bytes
    }

    static func unpackAdd(_ bytes: [UInt8], bits: Int, into accumulators: inout [UInt32]) {
        bytes.withUnsafeBytes { bytes in
            accumulators.withUnsafeMutableBufferPointer { unpackAdd(bytes, bits: bits, into: $0) }
        }
    }
}

extension SeededGenerator {
    mutating func words(_ count: Int) -> [UInt32] {
        (0..<count).map { _ in UInt32(truncatingIfNeeded: next() as UInt64) }
    }
}
