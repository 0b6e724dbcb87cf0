// SPDX-License-Identifier: Apache-2.0
// Packed vectors: a site's plain one on its way into the masks, and a masked one on its way into the sum.

import Federation
import RingArithmetic
import SecureAggregation

extension FuzzTarget {
    /// Bytes: u8 b (33 to 64 stands for 64), u8 count, u8 length of the pieces, the packed vector with its check lanes.
    static func runVector(_ bytes: [UInt8]) {
        guard bytes.count >= 3 else { return }
        let bits = Int(bytes[0])
        let width: RingSection.ElementBits = (33...64).contains(bits) ? .bits64 : .bits32(ringBits: bits)
        let section = RingSection(name: "values", count: Int(bytes[1]), elementBits: width)
        guard let layout = try? MaskLayout(summing: [section]) else { return }
        let packed = Array(bytes.dropFirst(3))
        let pieceBytes = max(1, Int(bytes[2]))

        let sum = sum(of: packed, layout: layout.ring, pieceBytes: pieceBytes)
        if let sum {
            precondition(sum.packed() == packed, "one packed form for each vector")
            let whole = try? RingVector.decode(packed, layout: layout.ring)
            precondition(whole?.packed() == packed, "the cuts make no difference")
        }
        let masked = masked(packed, layout: layout, pieceBytes: pieceBytes)
        let isPlain = sum.map { lanes($0, layout).allSatisfy { $0 == 1 } } ?? false
        precondition((masked != nil) == isPlain, "what is masked is a vector with its check lanes")
        if let masked {
            precondition(self.sum(of: masked, layout: layout.ring, pieceBytes: 64) != nil, "what is sent can be added")
        }
    }

    private static func lanes(_ vector: RingVector, _ layout: MaskLayout) -> [Int64] {
        MaskLayout.checkLaneValues.indices.map { vector[section: layout.checkLaneSection, index: $0] }
    }

    private static func sum(of packed: [UInt8], layout: RingLayout, pieceBytes: Int) -> RingVector? {
        var accumulator = RingAccumulator(layout: layout)
        guard var contribution = try? accumulator.begin(byteCount: packed.count) else { return nil }
        for start in stride(from: 0, to: packed.count, by: pieceBytes) {
            let piece = Array(packed[start..<min(start + pieceBytes, packed.count)])
            guard (try? piece.withUnsafeBytes({ try accumulator.add(packed: $0, to: &contribution) })) != nil else {
                return nil
            }
        }
        guard (try? accumulator.finish(contribution)) != nil else { return nil }
        return try? accumulator.total()
    }

    private static func masked(_ packed: [UInt8], layout: MaskLayout, pieceBytes: Int) -> [UInt8]? {
        let masks = SiteMasks(
            position: 1, selfSeed: SecretBytes(copying: [UInt8](repeating: 9, count: 32)),
            context: Digest(of: [], domain: "fuzz"))
        guard var input = try? MaskedInput(layout: layout, masks: masks) else { return nil }
        var masked: [UInt8] = []
        for start in stride(from: 0, to: packed.count, by: pieceBytes) {
            let piece = Array(packed[start..<min(start + pieceBytes, packed.count)])
            guard
                (try? piece.withUnsafeBytes { plain in
                    try input.append(plain: plain) { _, chunk in masked += Array(chunk) }
                }) != nil
            else { return nil }
        }
        guard (try? input.finish()) != nil else { return nil }
        return masked
    }
}
