// SPDX-License-Identifier: Apache-2.0
// Which masks go into a vector, and with which sign.

package import Federation

/// Keys of mask streams, each with its sign; wiped when the last copy of the list is gone.
package struct MaskList: Sendable {
    /// What a seed is for; it separates the keys.
    package enum Kind: Sendable {
        /// b_u, of one site alone.
        case own
        /// s_uv, of two neighbours.
        case pair

        fileprivate var info: [UInt8] {
            switch self {
            case .own: Array("fl/secagg/v1 self".utf8)
            case .pair: Array("fl/secagg/v1 pair".utf8)
            }
        }
    }

    package enum Sign: Sendable {
        case added
        case subtracted

        package var opposite: Sign { self == .added ? .subtracted : .added }

        /// How a site uses the mask that it shares with another: the lower position adds it, the higher subtracts it.
        package static func ofPair(at position: Position, with other: Position) -> Sign {
            precondition(position != other, "a pair has two ends")
            return position < other ? .added : .subtracted
        }
    }

    /// A class, because arrays hold nothing that cannot be copied.
    final class Mask: Sendable {
        let key: SecretBytes
        let sign: Sign

        init(key: consuming SecretBytes, sign: Sign) {
            self.key = key
            self.sign = sign
        }
    }

    private(set) var masks: [Mask] = []

    package init() {}

    package var count: Int { masks.count }

    /// Adds the mask of a seed: AES-256-CTR under HKDF-SHA256(seed, salt = context, info = kind).
    package mutating func append(
        seed: borrowing SecretBytes, _ kind: Kind, _ sign: Sign, context: Digest
    ) {
        masks.append(Mask(key: seed.derived(context: context, info: kind.info), sign: sign))
    }
}

/// The masks of one site's vector: y_u = x_u + PRG(b_u) + Σ_{v>u} PRG(s_uv) − Σ_{v<u} PRG(s_vu), over its neighbours in
/// the manifest.
package struct SiteMasks: Sendable {
    package let position: Position
    private let context: Digest
    private(set) var list = MaskList()
    /// With whom a pair mask is shared so far.
    package private(set) var partners: Set<Position> = []

    /// Begins with the site's own mask, without which the others would be all that hides the vector.
    package init(position: Position, selfSeed: borrowing SecretBytes, context: Digest) {
        self.position = position
        self.context = context
        list.append(seed: selfSeed, .own, .added, context: context)
    }

    /// Adds the mask that is shared with a neighbour of the manifest.
    ///
    /// - Precondition: it is another site, and has not been added yet.
    package mutating func addPair(with partner: Position, seed: borrowing SecretBytes) {
        precondition(partners.insert(partner).inserted, "one mask for each pair")
        list.append(seed: seed, .pair, .ofPair(at: position, with: partner), context: context)
    }
}
