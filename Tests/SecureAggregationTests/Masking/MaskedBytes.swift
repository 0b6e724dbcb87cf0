// SPDX-License-Identifier: Apache-2.0
// Masks whole vectors in memory, for the tests.

import Federation
import RingArithmetic
import SecureAggregation

/// A masked vector and its root.
struct MaskedVector: Equatable {
    var bytes: [UInt8]
    var root: Digest
}

/// Masks a vector that is handed over in pieces of `pieceBytes`.
func maskedBytes(
    of plain: RingVector, layout: MaskLayout, masks: SiteMasks, pieceBytes: Int = RingVector.defaultPieceBytes
) throws -> MaskedVector {
    try maskedBytes(of: plain.packed(), layout: layout, masks: masks, pieceBytes: pieceBytes)
}

/// Masks plain packed bytes that are handed over in pieces of `pieceBytes`.
func maskedBytes(
    of plain: [UInt8], layout: MaskLayout, masks: SiteMasks, pieceBytes: Int = RingVector.defaultPieceBytes
) throws -> MaskedVector {
    var input = try MaskedInput(layout: layout, masks: masks)
    var bytes: [UInt8] = []
    for start in stride(from: 0, to: plain.count, by: pieceBytes) {
        try plain[start..<min(start + pieceBytes, plain.count)].withUnsafeBytes { piece in
            try input.append(plain: piece) { _, masked in bytes += masked }
        }
    }
    return MaskedVector(bytes: bytes, root: try input.finish())
}
