// SPDX-License-Identifier: Apache-2.0
// One share of one secret as bytes.

package import RingArithmetic

/// Five elements of ``MersenneField``, 8 bytes little-endian each.
package enum ShareItem {
    package static let byteCount = 8 * SecretLimbs.count

    /// - Precondition: five elements.
    package static func bytes(of elements: [MersenneField]) -> [UInt8] {
        precondition(elements.count == SecretLimbs.count, "a share has five elements")
        return elements.flatMap { element in unsafe withUnsafeBytes(of: element.value.littleEndian) { unsafe Array($0) }
        }
    }

    /// The elements of a share; nil for another count of bytes, and for an element that is not below p.
    package static func elements(of bytes: [UInt8]) -> [MersenneField]? {
        guard bytes.count == byteCount else { return nil }
        var elements: [MersenneField] = []
        elements.reserveCapacity(SecretLimbs.count)
        for start in stride(from: 0, to: byteCount, by: 8) {
            guard let element = element(start / 8, of: bytes) else { return nil }
            elements.append(element)
        }
        return elements
    }

    /// Whether bytes are five elements below p.
    package static func isShare(_ bytes: [UInt8]) -> Bool {
        bytes.count == byteCount && (0..<SecretLimbs.count).allSatisfy { element($0, of: bytes) != nil }
    }

    /// One element of a share; nil where it is not below p.
    ///
    /// - Precondition: the share has ``byteCount`` bytes.
    static func element(_ limb: Int, of bytes: [UInt8]) -> MersenneField? {
        let word = unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(fromByteOffset: 8 * limb, as: UInt64.self) }
        return MersenneField(UInt64(littleEndian: word))
    }
}
